"""Requests of more than 1300 bytes (RFC 3261 section 18.1.1)."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import OURS, PEER, SDP, UDP, Wire, config
from tieline.sip import large
from tieline.sip.config import PeerOptions, SipConfig
from tieline.sip.events import Flow, LegAnswered, LegRefused, OptionsCompleted, Transport
from tieline.sip.message import Request
from tieline.sip.stack import SipStack
from tieline.testing.loopback import SeededIds

STREAM = Flow(Transport.TCP, PEER)
LONG = [("X-Long", "x" * 1_200)]


def wire(*, over_tcp: bool = True, settings: SipConfig | None = None) -> Wire:
    made = Wire(settings)
    options = PeerOptions(large_over_tcp=over_tcp)
    made.stack = SipStack(settings or config(), SeededIds("ours"), None, lambda _flow: options)
    return made


def call(peer: Wire, flow: Flow = UDP, headers: list[tuple[str, str]] = LONG) -> int:
    return peer.stack.invite(
        flow, "sip:p@192.0.2.1", "<sip:a@b>", "<sip:p@192.0.2.1>", SDP, peer.now, headers
    )


def sent(peer: Wire) -> list[tuple[str, str, Flow]]:
    """Method, Via's transport and flow of what was sent."""
    messages = peer.take()
    assert all(isinstance(each, Request) for each in messages)
    return [
        (each.method, each.via.transport, flow)  # type: ignore[union-attr]
        for each, flow in zip(messages, peer.flows, strict=True)
    ]


def test_a_long_invite_goes_over_tcp_and_its_ack_too() -> None:
    peer = wire()
    leg = call(peer)
    invite = peer.take_request("INVITE")
    assert peer.flows == [STREAM]
    assert invite.headers["Via"].startswith(f"SIP/2.0/TCP {OURS[0]}:5060;branch=z9hG4bK")
    assert invite.headers["Contact"] == f"<sip:tieline@{OURS[0]}:5060>"
    peer.wait(31)
    assert sent(peer) == []
    peer.respond(invite, 486)
    ack = peer.take_request("ACK")
    assert ack.headers["Via"] == invite.headers["Via"]
    assert peer.flows == [STREAM]
    refused = peer.event(LegRefused)
    assert (refused.leg_id, refused.status) == (leg, 486)


def test_its_cancel_too() -> None:
    peer = wire()
    leg = call(peer)
    invite = peer.take_request("INVITE")
    peer.respond(invite, 180)
    peer.stack.cancel(leg, peer.now)
    assert peer.take_request("CANCEL").headers["Via"] == invite.headers["Via"]
    assert peer.flows == [STREAM]


@pytest.mark.parametrize(
    ("over_tcp", "flow", "headers"),
    [(False, UDP, LONG), (True, UDP, []), (True, Flow(Transport.TCP, PEER, 7), LONG)],
)
def test_what_stays(over_tcp: bool, flow: Flow, headers: list[tuple[str, str]]) -> None:
    peer = wire(over_tcp=over_tcp)
    call(peer, flow, headers)
    assert sent(peer) == [("INVITE", flow.transport, flow)]


def test_without_a_connection_it_goes_over_udp_and_so_do_the_next() -> None:
    peer = wire()
    leg = call(peer)
    first = peer.take_request("INVITE")
    peer.stack.connection_lost(STREAM, peer.now)
    again = peer.take_request("INVITE")
    assert peer.flows == [UDP]
    assert again.headers["Via"] == first.headers["Via"].replace("/TCP", "/UDP")
    assert again.headers["CSeq"] == first.headers["CSeq"]
    peer.wait(0.5)
    assert sent(peer) == [("INVITE", "UDP", UDP)]
    peer.respond(again, 200, body=SDP)
    assert peer.event(LegAnswered).leg_id == leg
    assert sent(peer) == [("ACK", "UDP", UDP)]
    peer.stack.bye(leg, peer.now, LONG)
    assert sent(peer) == [("BYE", "UDP", UDP)]
    peer.wait(large.DEAF_S)
    peer.take()
    call(peer)
    assert sent(peer) == [("INVITE", "TCP", STREAM)]


def test_a_long_bye_comes_back_to_udp() -> None:
    peer = wire()
    leg = call(peer, headers=[])
    peer.respond(peer.take_request("INVITE"), 200, body=SDP)
    peer.take()
    peer.events()
    peer.stack.bye(leg, peer.now, LONG)
    assert sent(peer) == [("BYE", "TCP", STREAM)]
    peer.stack.connection_lost(STREAM, peer.now)
    assert sent(peer) == [("BYE", "UDP", UDP)]
    peer.wait(0.5)
    assert sent(peer) == [("BYE", "UDP", UDP)]


def test_a_connection_that_breaks_after_an_answer_is_a_failure() -> None:
    peer = wire()
    leg = call(peer)
    peer.respond(peer.take_request("INVITE"), 180)
    peer.events()
    peer.stack.connection_lost(STREAM, peer.now)
    assert sent(peer) == []
    assert peer.event(LegRefused) == LegRefused(leg, 503, None)


def test_udp_that_fails_too_is_a_failure() -> None:
    peer = wire()
    leg = call(peer)
    for flow in (STREAM, UDP):
        peer.take()
        peer.stack.connection_lost(flow, peer.now)
    assert peer.event(LegRefused) == LegRefused(leg, 503, None)


def test_outside_of_calls() -> None:
    peer = wire()
    uri = f"sip:{'x' * 1_300}@192.0.2.1"
    peer.stack.options(UDP, uri, peer.now)
    options = peer.take_request("OPTIONS")
    assert options.via.transport == "TCP"
    assert peer.flows == [STREAM]
    peer.respond(options, 200)
    assert peer.event(OptionsCompleted).status == 200


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "_REMEMBERED", 1)
    peer = wire()
    other = Flow(Transport.UDP, ("192.0.2.77", 5060))
    for flow in (UDP, other):
        call(peer, flow)
        peer.stack.connection_lost(Flow(Transport.TCP, flow.remote), peer.now)
    peer.take()
    call(peer)
    assert sent(peer) == [("INVITE", "TCP", STREAM)]
    call(peer, other)
    assert sent(peer) == [("INVITE", "UDP", other)]
