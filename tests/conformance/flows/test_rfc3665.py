"""The basic call flows of RFC 3665 section 3, with our stack as Alice or as Bob, with and without proxies."""

from __future__ import annotations

import pytest

from tests.conformance.flows.raw_peer import ANSWER, OFFER, RawPeer, methods, requests, statuses
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    InviteCancelled,
    InviteReceived,
    LegAnswered,
    LegProgress,
    LegRefused,
)

ROUTED = "Record-Route: <sip:ss2.biloxi.example.com;lr>\r\nRecord-Route: <sip:ss1.atlanta.example.com;lr>\r\n"


@pytest.fixture
def peer() -> RawPeer:
    return RawPeer()


def offered(peer: RawPeer, lines: str = "") -> int:
    assert statuses(peer.request("INVITE", OFFER, lines=lines)) == [100]
    return next(event.leg_id for event in peer.events if isinstance(event, InviteReceived))


def answered(peer: RawPeer, lines: str = "") -> int:
    leg = offered(peer, lines)
    peer.stack.ring(leg, peer.now)
    peer.stack.answer(leg, ANSWER, peer.now)
    ringing, success = peer.take()
    assert statuses([ringing, success]) == [180, 200]
    if lines:
        assert success.headers.getall("record-route") == [
            line.partition(": ")[2] for line in lines.strip().split("\r\n")
        ]
    peer.request("ACK", cseq=1)
    assert any(isinstance(event, AckReceived) for event in peer.events)
    return leg


def refused(peer: RawPeer) -> int:
    return next(event.status for event in peer.events if isinstance(event, LegRefused))


def test_3_1_bob_answers_and_alice_hangs_up(peer: RawPeer) -> None:
    answered(peer)
    assert statuses(peer.request("BYE")) == [200]
    assert any(isinstance(event, ByeReceived) for event in peer.events)


def test_3_1_alice_calls_and_bob_hangs_up(peer: RawPeer) -> None:
    leg, invite = peer.call_out()
    peer.reply(invite, 100)
    assert not any(isinstance(event, LegProgress) for event in peer.events)
    peer.reply(invite, 180)
    (ack,) = requests(peer.reply(invite, 200, ANSWER))
    assert (ack.method, ack.cseq) == ("ACK", (1, "ACK"))
    assert any(isinstance(event, LegAnswered) and event.leg_id == leg for event in peer.events)
    peer.our_uri, peer.cseq = invite.contact.uri_text if invite.contact else "", 0
    assert statuses(peer.request("BYE")) == [200]


def test_3_2_requests_of_bob_go_back_by_the_proxies_that_recorded_themselves(peer: RawPeer) -> None:
    leg = answered(peer, ROUTED)
    peer.stack.bye(leg, peer.now)
    (bye,) = requests(peer.take())
    assert bye.headers.getall("route") == [
        "<sip:ss2.biloxi.example.com;lr>",
        "<sip:ss1.atlanta.example.com;lr>",
    ]
    peer.reply(bye, 200)
    assert any(isinstance(event, ByeCompleted) and event.status == 200 for event in peer.events)


def test_3_2_requests_of_alice_take_the_recorded_route_in_reverse(peer: RawPeer) -> None:
    leg, invite = peer.call_out()
    (ack,) = requests(peer.reply(invite, 200, ANSWER, lines=ROUTED))
    peer.stack.bye(leg, peer.now)
    (bye,) = requests(peer.take())
    wanted = ["<sip:ss1.atlanta.example.com;lr>", "<sip:ss2.biloxi.example.com;lr>"]
    assert ack.headers.getall("route") == bye.headers.getall("route") == wanted


def test_3_7_a_strict_router_stands_in_the_request_uri(peer: RawPeer) -> None:
    leg = answered(peer, "Record-Route: <sip:ss2.biloxi.example.com>\r\n")
    peer.stack.bye(leg, peer.now)
    (bye,) = requests(peer.take())
    assert bye.uri_text == "sip:ss2.biloxi.example.com"
    assert bye.headers.getall("route") == ["<sip:peer@192.0.2.2>"]


def test_3_8_no_answer_alice_takes_the_call_back(peer: RawPeer) -> None:
    leg, invite = peer.call_out()
    peer.reply(invite, 180)
    peer.stack.cancel(leg, peer.now)
    (cancel,) = requests(peer.take())
    assert cancel.headers["via"] == invite.headers["via"]
    peer.reply(cancel, 200)
    assert methods(peer.reply(invite, 487)) == ["ACK"]
    assert refused(peer) == 487


def test_3_8_bob_is_rung_and_the_caller_gives_up(peer: RawPeer) -> None:
    leg = offered(peer)
    peer.stack.ring(leg, peer.now)
    peer.take()
    peer.us_tag = ""
    assert statuses(peer.request("CANCEL", cseq=1, branch="z9hG4bKpeer1")) == [200, 487]
    assert any(isinstance(event, InviteCancelled) for event in peer.events)


@pytest.mark.parametrize("status", [486, 480, 603])
def test_3_9_and_3_11_a_refusal_is_acked_and_told(peer: RawPeer, status: int) -> None:
    _, invite = peer.call_out()
    peer.reply(invite, 100)
    (ack,) = requests(peer.reply(invite, status))
    assert ack.headers["via"] == invite.headers["via"]
    assert refused(peer) == status


def test_3_9_bob_is_busy(peer: RawPeer) -> None:
    leg = offered(peer)
    peer.stack.reject(leg, 486, peer.now)
    assert statuses(peer.take()) == [486]
    assert statuses(peer.wait(1.0)) == [486]
    peer.request("ACK", cseq=1, branch="z9hG4bKpeer1")
    assert statuses(peer.wait(40.0)) == []


def test_3_10_no_response_is_a_timeout_after_six_repeats(peer: RawPeer) -> None:
    _, invite = peer.call_out()
    repeated = methods(peer.wait(31.6))
    assert repeated == ["INVITE"] * 6
    assert invite.method == "INVITE"
    peer.wait(2.0)
    assert refused(peer) == 408
