"""Within a call: re-INVITE both ways, INFO, BYE, sequence numbers, and peers that are gone."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import PEER, SDP, TCP, UDP, Wire, config
from tieline.sip.errors import HeaderRefused, WrongArgument, WrongState
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InfoCompleted,
    InfoReceived,
    LegFailed,
    LegFailure,
    OptionsReceived,
    ReinviteCancelled,
    ReinviteCompleted,
    ReinviteReceived,
    Transport,
)
from tieline.sip.message import Request


class TestTheirReinvite:
    def test_hold_and_resume(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=b"hold", contact="<sip:moved@192.0.2.9>")
        assert wire.statuses() == [100]
        assert wire.event(ReinviteReceived) == ReinviteReceived(leg_id, b"hold")
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        assert wire.take_response(200).body == SDP
        wire.request("ACK", 2, to_tag=tag)
        wire.event(AckReceived)
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:moved@192.0.2.9"

    def test_without_offer_or_contact(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, contact=None)
        assert wire.event(ReinviteReceived).offer == b""
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.request("ACK", 2, to_tag=tag, body=b"answer")
        assert wire.event(AckReceived).body == b"answer"

    def test_refused_keeps_the_target(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        branch = wire.request("INVITE", 2, to_tag=tag, body=SDP, contact="<sip:moved@192.0.2.9>")
        wire.stack.reject_reinvite(leg_id, 488, wire.now)
        assert wire.statuses() == [100, 488]
        wire.request("ACK", 2, to_tag=tag, branch=branch)
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:peer@192.0.2.1:5060"

    def test_nothing_to_accept(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        with pytest.raises(WrongState):
            wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        with pytest.raises(WrongState):
            wire.stack.reject_reinvite(leg_id, 488, wire.now)
        wire.stack.reinvite(leg_id, SDP, wire.now)
        with pytest.raises(WrongState):
            wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        other = Wire()
        leg_id, tag = other.in_call()
        other.request("INVITE", 2, to_tag=tag, body=SDP)
        with pytest.raises(WrongArgument):
            other.stack.accept_reinvite(leg_id, b"", other.now)
        with pytest.raises(WrongArgument):
            other.stack.reject_reinvite(leg_id, 200, other.now)

    def test_cancelled(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        branch = wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.events()
        wire.take()
        wire.request("CANCEL", 2, to_tag=tag, branch=branch)
        assert wire.statuses() == [200, 487]
        assert wire.event(ReinviteCancelled) == ReinviteCancelled(leg_id)
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_overlap(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.take()
        wire.request("INVITE", 3, to_tag=tag, body=SDP)
        assert 0 <= int(wire.take_response(500).headers["Retry-After"]) <= 10

    def test_glare(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.take()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        assert wire.statuses() == [491]

    def test_our_offer_has_no_answer_yet(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called(body=b"")
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        assert wire.statuses() == [491]

    def test_before_the_first_ack(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.request("ACK", 2, to_tag=tag)
        wire.request("ACK", 1, to_tag=tag)
        assert [type(event) for event in wire.events()] == [ReinviteReceived, AckReceived, AckReceived]

    def test_while_the_call_ends(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.bye(leg_id, wire.now)
        wire.take()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        assert wire.statuses() == [481]

    @pytest.mark.parametrize("contact", ["broken", "<tel:+1>"])
    def test_refused_for_its_contact(self, contact: str) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP, contact=contact)
        assert wire.statuses() == [400]
        assert wire.events() == []

    def test_without_100(self) -> None:
        wire = Wire(config(trying_at_once=False))
        _, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        assert wire.take() == []

    def test_refused_for_its_body(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=b"x", kind="text/plain")
        assert wire.statuses() == [415]
        assert wire.events() == []

    def test_no_ack_to_it_ends_the_call(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.events()
        wire.request("INVITE", 3, to_tag=tag, body=SDP)
        wire.events()
        wire.take()
        wire.wait(32)
        assert 487 in wire.statuses()
        assert wire.event(LegFailed).failure is LegFailure.NO_ACK

    def test_late_ack_while_the_call_ends(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.stack.bye(leg_id, wire.now)
        wire.take()
        wire.request("ACK", 2, to_tag=tag)
        assert wire.take() == []

    def test_two_2xx_wait_and_both_are_given_up(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.wait(1)
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.events()
        wire.take()
        wire.wait(40)
        byes = [each for each in wire.take() if isinstance(each, Request) and each.cseq == (1, "BYE")]
        assert len({each.via.branch for each in byes}) == 1
        wire.event(LegFailed)

    def test_moves_a_leg_to_the_connection_it_came_on(self) -> None:
        wire = Wire(flow=TCP)
        leg_id, tag = wire.in_call()
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.stack.leg(leg_id).flow == Flow(Transport.TCP, PEER)
        wire.flow = Flow(Transport.TCP, ("192.0.2.1", 41000), 9)
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        assert wire.stack.leg(leg_id).flow == wire.flow


class TestOurReinvite:
    def test_answered(self) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, b"hold", wire.now)
        invite = wire.take_request("INVITE")
        assert (invite.cseq, invite.body, invite.to.tag) == ((2, "INVITE"), b"hold", "theirs")
        wire.respond(invite, 100)
        wire.respond(invite, 200, body=b"answer", contact="<sip:moved@192.0.2.1>")
        ack = wire.take_request("ACK")
        assert (ack.cseq, ack.uri_text) == ((2, "ACK"), "sip:moved@192.0.2.1")
        assert wire.event(ReinviteCompleted) == ReinviteCompleted(leg_id, 200, b"answer")
        wire.respond(invite, 200, body=b"answer")
        assert wire.take_request("ACK").via.branch == ack.via.branch
        assert wire.events() == []

    @pytest.mark.parametrize("contact", [None, "<sip:broken", "<tel:+1>"])
    def test_answered_without_a_contact_that_can_be_read(self, contact: str | None) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.respond(wire.take_request("INVITE"), 200, contact=contact)
        assert wire.take_request("ACK").uri_text == "sip:peer@192.0.2.1:5060"

    def test_glare_says_when_to_try_again(self) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        invite = wire.take_request("INVITE")
        wire.respond(invite, 491)
        done = wire.event(ReinviteCompleted)
        assert done.status == 491
        assert done.retry_after_s is not None
        assert 2.1 <= done.retry_after_s <= 4.0
        assert wire.statuses() == ["ACK"]
        wire.respond(invite, 491)
        assert wire.statuses() == ["ACK"]
        wire.stack.reinvite(leg_id, SDP, wire.now)

    def test_one_at_a_time_and_with_sdp(self) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        with pytest.raises(WrongArgument):
            wire.stack.reinvite(leg_id, b"", wire.now)
        wire.stack.reinvite(leg_id, SDP, wire.now)
        with pytest.raises(WrongState):
            wire.stack.reinvite(leg_id, SDP, wire.now)

    @pytest.mark.parametrize("status", [481, 408])
    def test_peer_gone(self, status: int) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.respond(wire.take_request("INVITE"), status)
        assert wire.events() == [
            ReinviteCompleted(leg_id, status, b""),
            LegFailed(leg_id, LegFailure.PEER_GONE),
        ]

    def test_silence(self) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.wait(32)
        assert wire.events()[0] == ReinviteCompleted(leg_id, 408, b"")

    def test_transport_broke(self) -> None:
        wire = Wire(flow=TCP)
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.events() == [ReinviteCompleted(leg_id, 503, b"")]
        wire.take()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.take()
        assert wire.flows == [Flow(Transport.TCP, PEER)]
        wire.stack.connection_lost(Flow(Transport.TCP, PEER), wire.now)
        assert wire.events() == [
            ReinviteCompleted(leg_id, 503, b""),
            LegFailed(leg_id, LegFailure.TRANSPORT_FAILED),
        ]

    def test_answer_after_the_peer_hung_up_is_acked_and_no_news(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        invite = wire.take_request("INVITE")
        wire.request("BYE", 2, to_tag=tag)
        wire.event(ByeReceived)
        wire.take()
        wire.respond(invite, 200)
        assert wire.statuses() == ["ACK"]
        assert wire.events() == []

    def test_repeated_refusal_of_an_old_one_is_no_news(self) -> None:
        wire = Wire()
        leg_id = wire.in_our_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.stack.bye(leg_id, wire.now)
        wire.wait(40)
        assert ByeCompleted(leg_id, 408) in wire.events()


class TestInfo:
    @pytest.mark.parametrize(
        "kind", ["application/dtmf-relay", "application/dtmf", "Application/DTMF-Relay;x=y"]
    )
    def test_digits(self, kind: str) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INFO", 2, to_tag=tag, body=b"Signal=5", kind=kind)
        assert wire.statuses() == [200]
        event = wire.event(InfoReceived)
        assert (event.leg_id, event.body) == (leg_id, b"Signal=5")

    def test_other_types(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INFO", 2, to_tag=tag, body=b"x", kind="text/plain")
        assert wire.take_response(415).headers["Accept"] == "application/dtmf, application/dtmf-relay"
        assert wire.events() == []

    def test_empty(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INFO", 2, to_tag=tag)
        assert wire.statuses() == [200]
        assert wire.events() == []

    def test_ours(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.info(leg_id, "application/dtmf-relay", b"Signal=5", wire.now)
        info = wire.take_request("INFO")
        assert (info.content_type, info.body) == ("application/dtmf-relay", b"Signal=5")
        wire.respond(info, 200)
        assert wire.event(InfoCompleted) == InfoCompleted(leg_id, 200)

    def test_ours_to_a_peer_that_is_gone(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.events()
        wire.stack.info(leg_id, "application/dtmf", b"5", wire.now)
        wire.stack.info(leg_id, "application/dtmf", b"5", wire.now)
        first, second = [each for each in wire.take() if isinstance(each, Request)]
        wire.respond(first, 481)
        wire.respond(second, 481)
        assert wire.statuses() == [487]
        assert wire.events() == [
            InfoCompleted(leg_id, 481),
            LegFailed(leg_id, LegFailure.PEER_GONE),
            InfoCompleted(leg_id, 481),
        ]

    def test_type_is_checked(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        with pytest.raises(HeaderRefused):
            wire.stack.info(leg_id, "a/b\r\nX: y", b"", wire.now)


class TestBye:
    def test_headers_and_reason(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.bye(leg_id, wire.now, [("X-contained", "true")], "Q.850;cause=16")
        bye = wire.take_request("BYE")
        assert bye.headers.items()[-4:] == [
            ("X-contained", "true"),
            ("Reason", "Q.850;cause=16"),
            ("User-Agent", "Tieline"),
            ("Content-Length", "0"),
        ]
        with pytest.raises(WrongState):
            wire.stack.bye(leg_id, wire.now)

    @pytest.mark.parametrize("reason", ["x\r\nVia: y", "x\n"])
    def test_reason_is_checked(self, reason: str) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        with pytest.raises(HeaderRefused):
            wire.stack.bye(leg_id, wire.now, (), reason)
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_both_at_once(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.bye(leg_id, wire.now)
        bye = wire.take_request("BYE")
        wire.request("BYE", 2, to_tag=tag)
        assert wire.statuses() == [200]
        assert wire.events() == []
        wire.respond(bye, 481)
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 481)

    def test_with_a_reinvite_of_theirs_pending(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("INVITE", 2, to_tag=tag, body=SDP)
        wire.take()
        wire.stack.bye(leg_id, wire.now)
        assert wire.statuses() == [487, "BYE"]
        other = Wire()
        _, tag = other.in_call()
        other.request("INVITE", 2, to_tag=tag, body=SDP)
        other.take()
        other.request("BYE", 3, to_tag=tag)
        assert other.statuses() == [487, 200]

    def test_retransmitted(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        branch = wire.request("BYE", 2, to_tag=tag)
        wire.request("BYE", 2, to_tag=tag, branch=branch)
        assert wire.statuses() == [200, 200]
        wire.event(ByeReceived)
        wire.request("BYE", 3, to_tag=tag)
        assert wire.statuses() == [481]

    def test_transport_broke(self) -> None:
        wire = Wire(flow=TCP)
        leg_id, _ = wire.in_call()
        wire.stack.bye(leg_id, wire.now)
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 503)

    def test_repeated_until_t2_then_given_up(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.bye(leg_id, wire.now)
        wire.wait(40)
        assert len(wire.take()) == 11
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 408)


class TestSequence:
    @pytest.mark.parametrize("cseq", [0, 1])
    def test_old_numbers(self, cseq: int) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INFO", cseq, to_tag=tag)
        assert wire.statuses() == [500]

    def test_gaps_are_fine(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("INFO", 4711, to_tag=tag)
        assert wire.statuses() == [200]

    @pytest.mark.parametrize("what", ["call_id", "from_tag", "to_tag"])
    def test_other_dialogs(self, what: str) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        changes = {"to_tag": tag, what: "other"}
        wire.request("BYE", 2, **changes)  # type: ignore[arg-type]
        assert wire.statuses() == [481]


def test_options_in_a_call() -> None:
    wire = Wire()
    _, tag = wire.in_call()
    wire.request("OPTIONS", 2, to_tag=tag)
    assert wire.take_response(200).to.tag == tag
    assert wire.event(OptionsReceived) == OptionsReceived(UDP)


def test_extensions_and_methods_in_a_call() -> None:
    wire = Wire()
    _, tag = wire.in_call()
    wire.request("INFO", 2, to_tag=tag, extra="Require: x\r\n")
    wire.request("MESSAGE", 3, to_tag=tag)
    wire.request("FROB", 4, to_tag=tag)
    assert wire.statuses() == [420, 405, 501]
