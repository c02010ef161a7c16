"""Calls that others make to us: the INVITE, its answer, its end before an answer."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import OURS, PEER, SDP, TCP, UDP, Wire, config
from tieline.sip.config import Timers
from tieline.sip.errors import HeaderRefused, UnknownLeg, WrongArgument, WrongState
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InviteCancelled,
    InviteReceived,
    LegFailed,
    LegFailure,
    Transport,
)
from tieline.sip.message import Request


class TestOffer:
    def test_100_at_once_then_the_event(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, extra="Timestamp: 54\r\nX-Token: abc\r\n")
        trying = wire.take_response(100)
        assert trying.headers["Timestamp"] == "54"
        assert trying.to.tag is None
        event = wire.event(InviteReceived)
        assert event.request.body == SDP
        assert event.request.headers["x-token"] == "abc"
        assert event.flow == UDP
        assert wire.stack.leg_ids() == [event.leg_id]

    def test_without_100(self) -> None:
        wire = Wire(config(trying_at_once=False))
        branch = wire.request("INVITE", 1, body=SDP)
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.take() == []

    def test_a_retransmission_is_answered_and_not_offered_again(self) -> None:
        wire = Wire()
        branch = wire.request("INVITE", 1, body=SDP)
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.statuses() == [100, 100]
        wire.event(InviteReceived)
        assert wire.stack.counters.retransmissions_received == 1

    def test_rfc_2543_without_branch_tag_or_contact(self) -> None:
        wire = Wire()
        via = "SIP/2.0/UDP 192.0.2.1:5060"
        for _ in range(2):
            wire.request("INVITE", 1, body=SDP, via=via, contact=None)
        assert wire.statuses() == [100, 100]
        leg_id = wire.event(InviteReceived).leg_id
        wire.stack.reject(leg_id, 486, wire.now)
        wire.take()
        tag = wire.stack.leg(leg_id).local_tag
        wire.request("ACK", 1, via=via, to_tag=tag)
        wire.wait(2)
        assert wire.take() == []


class TestAnswer:
    def test_180_200_ack_bye(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called(
            extra="Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>, <sip:p3;lr>\r\n"
        )
        wire.stack.ring(leg_id, wire.now, [("X-A", "1")])
        ringing = wire.take_response(180)
        assert ringing.to.tag == tag
        assert ringing.headers["X-A"] == "1"
        assert ringing.headers.getall("Record-Route") == ["<sip:p1;lr>", "<sip:p2;lr>, <sip:p3;lr>"]
        wire.stack.answer(leg_id, SDP, wire.now, [("X-B", "2")])
        answered = wire.take_response(200)
        assert answered.body == SDP
        assert answered.content_type == "application/sdp"
        assert answered.headers["Contact"] == "<sip:tieline@192.0.2.2:5060>"
        assert answered.headers["X-B"] == "2"
        assert "INVITE" in answered.headers["Allow"]
        wire.request("ACK", 1, to_tag=tag)
        assert wire.event(AckReceived).body == b""
        wire.request("BYE", 2, to_tag=tag, extra="Reason: SIP;cause=200\r\n")
        assert wire.statuses() == [200]
        bye = wire.event(ByeReceived)
        assert bye.headers["reason"] == "SIP;cause=200"
        assert wire.stack.leg_ids() == []

    def test_late_offer(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called(body=b"")
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.request("ACK", 1, to_tag=tag, body=b"answer")
        assert wire.event(AckReceived).body == b"answer"

    def test_2xx_is_repeated_until_its_ack(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        times: list[float] = []
        while len(times) < 6:
            deadline = wire.stack.next_deadline()
            assert deadline is not None
            wire.wait(deadline - wire.now)
            times += [deadline] * len(wire.take())
        assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]
        wire.request("ACK", 1, to_tag=tag)
        wire.wait(40)
        assert wire.take() == []

    def test_no_ack_ends_the_call_with_bye(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.wait(32)
        sent = wire.take()
        assert isinstance(sent[-1], Request)
        assert sent[-1].method == "BYE"
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.NO_ACK)
        wire.respond(sent[-1], 200)
        assert wire.events() == []
        wire.wait(100)
        assert wire.stack.is_idle()

    def test_invite_retransmitted_after_the_2xx_is_absorbed(self) -> None:
        wire = Wire()
        leg_id, _, branch = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.take() == []

    def test_ack_with_the_branch_of_the_invite_is_taken(self) -> None:
        wire = Wire()
        leg_id, tag, branch = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.request("ACK", 1, to_tag=tag, branch=branch)
        wire.event(AckReceived)
        assert [entry.direction for entry in wire.stack.leg_trace(leg_id)] == ["in", "out", "out", "in"]

    @pytest.mark.parametrize("cseq", [1, 2])
    def test_stray_acks_are_dropped(self, cseq: int) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("ACK", cseq, to_tag=tag)
        wire.request("ACK", cseq, to_tag="unknown")
        assert wire.events() == []
        assert wire.stack.counters.dropped_unmatched == 2

    def test_bye_before_the_ack_waits_for_it(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.stack.bye(leg_id, wire.now, [("X-contained", "true")])
        assert wire.statuses() == [200]
        wire.request("ACK", 1, to_tag=tag)
        bye = wire.take_request("BYE")
        assert bye.headers["X-contained"] == "true"
        wire.events()
        wire.respond(bye, 200)
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 200)

    def test_bye_that_waits_for_an_ack_that_never_comes(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.stack.bye(leg_id, wire.now)
        wire.wait(32)
        sent = [each for each in wire.take() if isinstance(each, Request)]
        assert [each.method for each in sent] == ["BYE"]
        wire.wait(32)
        assert wire.event(ByeCompleted).status == 408

    def test_peer_hangs_up_before_its_ack(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.request("BYE", 2, to_tag=tag)
        wire.event(ByeReceived)
        wire.take()
        wire.wait(31)
        assert wire.take() == []


class TestRefusal:
    def test_is_repeated_until_its_ack(self) -> None:
        wire = Wire()
        leg_id, tag, branch = wire.called()
        wire.stack.reject(leg_id, 503, wire.now, "Come back", [("Retry-After", "5")])
        refused = wire.take_response(503)
        assert refused.phrase == "Come back"
        assert refused.headers["Retry-After"] == "5"
        wire.wait(1.5)
        assert wire.statuses() == [503, 503]
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.statuses() == [503]
        wire.request("ACK", 1, to_tag=tag, branch=branch)
        wire.request("ACK", 1, to_tag=tag, branch=branch)
        wire.wait(60)
        assert wire.take() == []
        assert wire.stack.is_idle()

    def test_without_ack_it_ends_too(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        wire.stack.reject(leg_id, 486, wire.now)
        wire.wait(64)
        assert wire.stack.is_idle()

    @pytest.mark.parametrize(("status", "phrase"), [(200, None), (700, None), (486, "a\r\nb")])
    def test_wrong_arguments(self, status: int, phrase: str | None) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        with pytest.raises(WrongArgument):
            wire.stack.reject(leg_id, status, wire.now, phrase)
        assert wire.take() == []


class TestCancel:
    def test_while_ringing(self) -> None:
        wire = Wire()
        leg_id, tag, branch = wire.called()
        wire.stack.ring(leg_id, wire.now)
        wire.take()
        wire.request("CANCEL", 1, branch=branch, extra="Reason: x\r\n")
        assert wire.statuses() == [200, 487]
        assert wire.event(InviteCancelled).headers["reason"] == "x"
        with pytest.raises(WrongState) as caught:
            wire.stack.answer(leg_id, SDP, wire.now)
        assert (caught.value.leg_id, caught.value.verb, caught.value.state) == (leg_id, "answer", "over")
        wire.request("CANCEL", 1, branch=branch)
        assert wire.statuses() == [200]
        wire.request("ACK", 1, to_tag=tag, branch=branch)
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_after_the_answer_changes_nothing(self) -> None:
        wire = Wire()
        leg_id, _, branch = wire.called()
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.request("CANCEL", 1, branch=branch)
        assert wire.statuses() == [200]
        assert wire.events() == []

    def test_of_nothing(self) -> None:
        wire = Wire()
        wire.request("CANCEL", 1)
        assert wire.statuses() == [481]

    def test_of_a_refused_invite(self) -> None:
        wire = Wire()
        branch = wire.request("INVITE", 1, extra="Require: frob\r\n")
        wire.request("CANCEL", 1, branch=branch)
        assert wire.statuses() == [420, 200]

    def test_bye_in_the_early_dialog(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        wire.stack.ring(leg_id, wire.now)
        wire.take()
        wire.request("BYE", 2, to_tag=tag)
        assert wire.statuses() == [487, 200]
        wire.event(InviteCancelled)


class TestVerbs:
    def test_a_verb_that_raises_changes_nothing(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        with pytest.raises(WrongArgument):
            wire.stack.answer(leg_id, b"", wire.now)
        with pytest.raises(HeaderRefused):
            wire.stack.answer(leg_id, SDP, wire.now, [("Via", "x")])
        with pytest.raises(HeaderRefused):
            wire.stack.ring(leg_id, wire.now, [("X", "a\r\nb: c")])
        with pytest.raises(HeaderRefused):
            wire.stack.reject(leg_id, 486, wire.now, None, [("To", "x")])
        assert wire.take() == []
        assert wire.stack.leg(leg_id).state == "offered"

    def test_unknown_leg(self) -> None:
        wire = Wire()
        with pytest.raises(UnknownLeg) as caught:
            wire.stack.leg(9)
        assert caught.value.leg_id == 9
        with pytest.raises(UnknownLeg):
            wire.stack.bye(9, 0.0)

    def test_forget(self) -> None:
        wire = Wire()
        leg_id, _, branch = wire.called()
        with pytest.raises(WrongState):
            wire.stack.forget(leg_id)
        wire.request("CANCEL", 1, branch=branch)
        assert len(wire.stack.leg_trace(leg_id)) == 5
        wire.stack.forget(leg_id)
        wire.stack.forget(leg_id)
        assert wire.stack.leg_trace(leg_id) == []
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_a_leg_nobody_forgets_goes_by_itself(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("BYE", 2, to_tag=tag)
        wire.wait(31)
        assert wire.stack.leg_trace(leg_id)
        wire.wait(2)
        assert wire.stack.leg_trace(leg_id) == []
        assert wire.stack.is_idle()


class TestTrace:
    def test_bounded(self) -> None:
        wire = Wire(config(trace_messages=3))
        leg_id, _ = wire.in_call()
        assert [entry.direction for entry in wire.stack.leg_trace(leg_id)] == ["in", "out", "out"]
        wire = Wire(config(trace_bytes=600))
        leg_id, _ = wire.in_call()
        assert sum(len(entry.data) for entry in wire.stack.leg_trace(leg_id)) <= 600

    def test_none(self) -> None:
        wire = Wire(config(trace_messages=0))
        leg_id, _ = wire.in_call()
        assert wire.stack.leg_trace(leg_id) == []


class TestWhereResponsesGo:
    def test_to_the_port_in_the_via(self) -> None:
        wire = Wire(flow=Flow(Transport.UDP, ("192.0.2.1", 40000)))
        wire.request("OPTIONS", 1)
        reply = wire.take_response(200)
        assert wire.flows == [Flow(Transport.UDP, PEER)]
        assert "received" not in reply.headers["Via"]

    def test_to_the_source_port_with_rport(self) -> None:
        wire = Wire(flow=Flow(Transport.UDP, ("198.51.100.7", 40000)))
        wire.request(
            "OPTIONS", 1, via="SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1, SIP/2.0/UDP x;branch=2"
        )
        reply = wire.take_response(200)
        assert wire.flows == [Flow(Transport.UDP, ("198.51.100.7", 40000))]
        assert reply.headers["Via"] == (
            "SIP/2.0/UDP 10.0.0.1:5060;rport=40000;branch=z9hG4bK1;received=198.51.100.7, SIP/2.0/UDP x;branch=2"
        )

    def test_a_received_of_the_senders_own_is_replaced(self) -> None:
        wire = Wire()
        wire.request("OPTIONS", 1, via="SIP/2.0/UDP host.example;received=203.0.113.9;branch=z9hG4bK1")
        assert wire.take_response(200).via.params["received"] == "192.0.2.1"
        assert wire.flows == [Flow(Transport.UDP, ("192.0.2.1", 5060))]

    def test_on_the_connection(self) -> None:
        wire = Wire(flow=TCP)
        wire.request("OPTIONS", 1)
        wire.take()
        assert wire.flows == [TCP]

    def test_on_a_new_connection_when_the_old_one_broke(self) -> None:
        wire = Wire(flow=TCP)
        leg_id, _, _ = wire.called()
        wire.stack.connection_lost(TCP, wire.now)
        wire.stack.answer(leg_id, SDP, wire.now)
        assert wire.take_response(200).headers["Contact"] == f"<sip:tieline@{OURS[0]}:5060;transport=tcp>"
        assert wire.flows == [Flow(Transport.TCP, PEER)]

    def test_several_vias(self) -> None:
        wire = Wire()
        wire.request("OPTIONS", 1, extra="Via: SIP/2.0/UDP proxy.example;branch=z9hG4bKp\r\n")
        assert len(wire.take_response(200).headers.getall("Via")) == 2


def test_timers_are_settable() -> None:
    wire = Wire(config(timers=Timers(t1=0.05, t2=0.4, t4=0.5)))
    leg_id, _, _ = wire.called()
    wire.stack.answer(leg_id, SDP, wire.now)
    wire.wait(3.2)
    wire.event(LegFailed)


def test_reliable_transport_keeps_nothing_after_the_end() -> None:
    wire = Wire(flow=TCP)
    leg_id, tag, branch = wire.called()
    wire.stack.reject(leg_id, 486, wire.now)
    wire.wait(5)
    assert wire.statuses() == [486]
    wire.request("ACK", 1, to_tag=tag, branch=branch)
    wire.stack.forget(leg_id)
    assert wire.stack.is_idle()
