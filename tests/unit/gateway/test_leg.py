"""Legs that no SIP brought, with real calls behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.gateway.gateway_parts import SilentEnd, ToldLeg, bring_in, wanted
from tieline.agent.messages import Run, TurnResult
from tieline.calls.session import CallSession
from tieline.errors import InvalidInput, Unavailable
from tieline.gateway.calls import facts_of, media_host
from tieline.gateway.leg import GatewayLeg, GatewayState
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.environment import Environment
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.model.receipt import ReceiptState, Step
from tieline.model.trunk import Refusal, RefusalReason
from tieline.observe.ladder import render_ladder
from tieline.sip.events import Flow, LegFailure, Transport
from tieline.sip.message import Request, parse_message
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

FAR = Destination(
    name="far",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550001111"),
    sip_headers=(SipHeader(key="X-Why", value="asked"),),
    fallback=(),
)


def ask(run: Run) -> TurnResult:
    """Hand over."""
    return reply(run, "Passing you on.", handoff={"destination": "default", "reason": "asked"})


def only(board: Switchboard) -> Conversation:
    """The one stored call, whole."""
    (found,) = run_virtual(board.conversations())
    assert found.closed is not None
    return found


def first_lines(conversation: Conversation) -> list[str]:
    """The start lines of the ladder, with their directions."""
    assert conversation.closed is not None
    return [
        f"{entry['direction']} {entry['text'].partition(chr(13))[0]}" for entry in conversation.closed.ladder
    ]


def test_a_call_is_answered_talks_and_ends_with_the_agents_bye() -> None:
    seen: dict[str, Any] = {}

    async def story(board: Switchboard) -> None:
        leg, session = bring_in(
            board, attributes={"shared_id": "s-1"}, headers=(("X-Tier", "gold"),), env=Environment.LIVE
        )
        assert isinstance(session, CallSession)
        await board.hear("Welcome.")
        seen["calls"] = board.admission.calls_on("studio")
        board.press("1#")
        await board.idle()
        seen["leg"] = leg

    board = play_calls(story)
    leg = seen["leg"]
    assert seen["calls"] == 1
    assert leg.told == ["ringing", "answered", "bye {}", "over"]
    assert leg.state is GatewayState.ENDED
    assert leg.audio.closed
    assert leg.over.done()
    (media,) = leg.audio.connected
    assert media.remote == ("198.51.100.1", 30000)
    assert board.media.connected[0].remote == ("127.0.0.1", 40000)
    found = only(board)
    opened = found.opened
    assert (opened.trunk, opened.channel_type, opened.env) == ("studio", "webchat.polyai", "live")
    assert (opened.caller_number, opened.callee_number) == ("+15557654321", "100")
    assert opened.sip_headers["X-Tier"] == "gold"
    assert opened.shared_id == "s-1"
    assert opened.rules[0] == {"rule": "gateway", "held": True, "detail": "placed by a test"}
    snapshot = board.agent.runs[0].conversation
    assert snapshot.integration_attributes == {"shared_id": "s-1"}
    assert snapshot.env == "live"
    assert {"key": "tier", "value": "gold"}.items() <= snapshot.context[0].items()
    assert found.closed is not None
    assert found.closed.termination.reason is TerminationReason.AGENT_HUNG_UP
    assert first_lines(found) == [
        "in INVITE sip:100@tieline.invalid SIP/2.0", "out SIP/2.0 100 Trying", "out SIP/2.0 180 Ringing",
        "out SIP/2.0 200 OK", "in ACK sip:100@tieline.invalid SIP/2.0",
        "out BYE sip:+15557654321@studio.invalid SIP/2.0", "in SIP/2.0 200 OK",
    ]  # fmt: skip
    for entry in found.closed.ladder:
        message = parse_message(entry["text"].encode())
        assert message.cseq[1] in {"INVITE", "ACK", "BYE"}
    assert "198.51.100.7:51000" in render_ladder(found.closed.ladder)


def test_whoever_brought_the_call_hangs_up_with_headers() -> None:
    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board)
        await board.hear("Welcome.")
        leg.press("12")
        assert leg.audio.pressed == "12"
        assert leg.hang_up([("Reason", 'SIP;text="page closed"'), ("X-Note", "done")])
        assert not leg.hang_up()
        assert not leg.fail()
        leg.press("3")
        assert leg.audio.pressed == "12"

    found = only(play_calls(story))
    assert found.closed is not None
    assert found.closed.termination.reason is TerminationReason.CALLER_HUNG_UP
    assert "page closed" in found.closed.termination.detail
    assert found.closed.peer_bye_headers["X-Note"] == "done"
    assert first_lines(found)[-2:] == ["in BYE sip:100@tieline.invalid SIP/2.0", "out SIP/2.0 200 OK"]


def test_a_call_that_is_given_up_before_the_answer_is_cancelled() -> None:
    async def slow(run: Run) -> TurnResult:
        await elapse(2.0)
        return reply(run, "Welcome.")

    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board)
        await board.until("run start")
        assert leg.hang_up()
        await board.idle()
        assert leg.told == ["ringing", "over"]
        leg.answer(leg.id, OFFER)
        leg.reject(leg.id, 500)
        assert not leg.bye(leg.id)
        assert leg.told == ["ringing", "over"]

    board = play_calls(story, agent=ScriptedAgent(start=slow))
    assert board.observer.terminations[0].reason is TerminationReason.CALLER_CANCELLED


def test_a_broken_way_ends_the_call_as_a_broken_transport() -> None:
    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board)
        await board.hear("Welcome.")
        assert leg.fail(LegFailure.TRANSPORT_FAILED)

    board = play_calls(story)
    assert board.observer.terminations[0].reason is TerminationReason.TRANSPORT_FAILED


def test_a_full_server_refuses_and_says_so_to_the_leg_and_on_record() -> None:
    async def story(board: Switchboard) -> None:
        bring_in(board)
        leg, refusal = bring_in(board)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is RefusalReason.SERVER_FULL
        assert leg.told == ["rejected 503 Service Unavailable", "over"]
        assert leg.audio.closed
        await board.hear("Welcome.")
        board.press("1#")

    board = play_calls(story, max_calls=1)
    (refused,) = run_virtual(board.store.refusals())
    assert refused.trunk == "studio"


def test_a_header_that_cannot_be_one_is_refused_before_anything_happens() -> None:
    async def story(board: Switchboard) -> None:
        for header in (("X-A", "one\r\nX-B: two"), ("Via", "x"), ("X A", "y")):
            with pytest.raises(InvalidInput):
                bring_in(board, headers=(header,))
        assert board.admission.calls == 0

    assert play_calls(story).agent.runs == []


class TransferringLeg(ToldLeg):
    """Gives callers away as a polite peer does."""

    def on_refer(self, refer_to: str, headers: Sequence[tuple[str, str]]) -> None:
        """Accepted, tried, done."""
        super().on_refer(refer_to, headers)
        self.answer_refer(202)
        self.notify(100)
        self.notify(200)


def test_a_transfer_is_told_to_the_leg_and_its_result_to_the_receipt() -> None:
    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board, TransferringLeg)
        await board.hear("Welcome.")
        board.press("1#")
        await board.idle()
        assert leg.told == [
            "ringing",
            "answered",
            "refer <sip:+15550001111@studio.invalid>",
            "bye {}",
            "over",
        ]

    found = only(play_calls(story, agent=ScriptedAgent(turn=ask, destinations=(FAR,))))
    (receipt,) = found.receipts
    assert receipt.state is ReceiptState.DONE
    assert {Step.SENT, Step.ACCEPTED, Step.ANSWERED} <= {step.step for step in receipt.steps}
    lines = first_lines(found)
    at = lines.index("out REFER sip:+15557654321@studio.invalid SIP/2.0")
    assert lines[at + 1 : at + 6] == [
        "in SIP/2.0 202 Accepted", "in NOTIFY sip:100@tieline.invalid SIP/2.0", "out SIP/2.0 200 OK",
        "in NOTIFY sip:100@tieline.invalid SIP/2.0", "out SIP/2.0 200 OK",
    ]  # fmt: skip
    assert found.closed is not None
    assert "X-Why: asked" in found.closed.ladder[at]["text"]


class PlainLeg(GatewayLeg):
    """A leg with nothing of its own."""


def test_a_leg_that_cannot_transfer_declines_and_the_agent_goes_on() -> None:
    async def story(board: Switchboard) -> None:
        bring_in(board, PlainLeg)
        await board.hear("Welcome.")
        board.press("1#")
        await board.hear("Sorry.")

    found = only(play_calls(story, agent=ScriptedAgent(turn=ask, destinations=(FAR,))))
    assert found.receipts[0].state is ReceiptState.FAILED
    assert "in SIP/2.0 603 Decline" in first_lines(found)


def test_a_renewed_session_is_taken_and_answered() -> None:
    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board)
        assert not leg.reinvite(leg.id, OFFER)
        await board.hear("Welcome.")
        assert leg.reinvite(leg.id, OFFER)
        assert leg.audio.connected[-1].remote == ("192.0.2.10", 40000)
        await settle()
        assert leg.hang_up()

    found = only(play_calls(story))
    lines = first_lines(found)
    at = lines.index("out INVITE sip:+15557654321@studio.invalid SIP/2.0")
    assert lines[at + 1 : at + 3] == ["in SIP/2.0 200 OK", "out ACK sip:+15557654321@studio.invalid SIP/2.0"]


def test_headers_of_a_bye_that_could_not_be_sent_are_left_out() -> None:
    async def story(board: Switchboard) -> None:
        leg, _ = bring_in(board)
        await board.hear("Welcome.")
        assert leg.bye(leg.id, [("X-Bad", "a\r\nb")], "Q.850;cause=16")
        assert leg.told[-1] == "bye {}"
        assert not leg.refer(leg.id, "<sip:x@y>")
        leg.hang_up()

    async def whole(board: Switchboard) -> None:
        await story(board)
        board.registry.sessions()[0].interrupt(TerminationReason.DRAINED)

    assert "X-Bad" not in str(only(play_calls(whole)).closed)


def test_what_no_such_leg_is_asked_for_does_nothing() -> None:
    async def story() -> None:
        leg = PlainLeg(facts_of(wanted(caller=None)), SilentEnd(), lambda event: None)
        leg.accept_reinvite(1, b"")
        leg.reject_reinvite(1, 488)
        leg.accept_update(1, b"")
        leg.reject_update(1, 488)
        leg.cancel(1)
        leg.answer_refer(202)
        assert leg.dialog(1) is None
        assert leg.call_id_of(1) == leg.facts.sip_call_id
        with pytest.raises(Unavailable):
            leg.invite(Flow(Transport.UDP, ("192.0.2.1", 5060)), "sip:a@b", "<sip:a@b>", "<sip:a@b>", b"")
        invite = leg.offered()
        assert isinstance(invite.request, Request)
        assert "anonymous" in invite.request.headers["From"]
        assert len(leg.take_trace(1)) == 2
        assert leg.take_trace(1) == []
        leg.notify(200)

    run_virtual(story())


def test_the_gateway_and_the_media_process_meet_on_loopback_unless_rtp_is_bound_elsewhere() -> None:
    assert media_host("0.0.0.0") == "127.0.0.1"
    assert media_host("::") == "127.0.0.1"
    assert media_host("192.0.2.9") == "192.0.2.9"
