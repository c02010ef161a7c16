"""Handoff by REFER: what the peer makes of it, and what becomes of the caller."""

from typing import Any

import pytest

from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.errors import InvalidInput
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation, OutcomeStatus
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig, SipHeader
from tieline.model.receipt import HandoffFailure, ReceiptState, Step
from tieline.sip.events import LegFailed, LegFailure, NotifyReceived, ReferCompleted
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.peer_stories import Story, accept_refer, ignore, refuse_refer
from tieline.testing.virtual_time import elapse, run_virtual, settle

FAR = Destination(
    name="far",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="+15550001111"),
    sip_headers=(SipHeader(key="X-Why", value="$handoff_reason"),),
    fallback=(),
)


def ask(run: Run) -> TurnResult:
    """Say so, and hand over."""
    return reply(
        run,
        "Passing you on.",
        state={"handoff_reason": "asked"},
        handoff={"destination": "default", "reason": "asked"},
    )


def agent(*destinations: Destination, **acts: Any) -> ScriptedAgent:
    return ScriptedAgent(turn=ask, destinations=destinations or (FAR,), **acts)


async def greet_and_press(board: Switchboard) -> int:
    leg = board.invite()
    await board.hear("Welcome.")
    board.press("1#")
    return leg


def play(story: Story, destinations: tuple[Destination, ...] = (), **acts: Any) -> Switchboard:
    """The caller asks to be handed over, and the peer answers the REFER with `story`."""

    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = story
        await greet_and_press(board)

    return play_calls(whole, agent=agent(*destinations, **acts))


def only(board: Switchboard) -> Conversation:
    """The one stored call, which must be whole."""
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.closed is not None
    return stored


def steps(stored: Conversation, index: int = -1) -> list[Step]:
    return [step.step for step in stored.receipts[index].steps]


def ending(board: Switchboard) -> TerminationReason:
    (termination,) = board.observer.terminations
    return termination.reason


def test_a_transfer_that_works_ends_our_leg_and_has_a_receipt() -> None:
    board = play(accept_refer(100, 180, 200))
    (sent,) = board.sip.refers
    assert sent.refer_to == "<sip:+15550001111@192.0.2.10:5060>"
    assert sent.headers == {"X-Why": "asked"}
    assert sent.referred_by == "<sip:100@198.51.100.1>"
    order = [
        "played Passing you on.",
        "save_outcome",
        "refer",
        "loop tone:comfort",
        "cut tone:comfort",
        "bye",
    ]
    assert [entry for entry in board.journal if entry in order] == order
    assert board.sip.byes[0] == ({}, 'Q.850;cause=16;text="Normal call clearing"')
    stored = only(board)
    assert ending(board) is TerminationReason.HANDED_OFF
    assert steps(stored) == [
        Step.REQUESTED, Step.SPOKEN, Step.SENT, Step.ACCEPTED, Step.RINGING, Step.ANSWERED, Step.DONE,
    ]  # fmt: skip
    assert stored.receipts[0].state is ReceiptState.DONE
    assert [step.step for step in board.observer.steps] == steps(stored)
    assert stored.outcome is not None
    assert (stored.outcome.handed_off, stored.outcome.data) == (
        True,
        {"handoff_to": "far", "handoff_reason": "asked"},
    )
    result = board.agent.runs[-1].conversation.handoff_result
    assert result is not None
    assert (result["state"], result["destination"], result["method"]) == ("done", "far", "refer")
    assert board.metrics.value("tieline_handoffs_total", "refer", "done") == 1


@pytest.mark.parametrize(
    ("story", "failure", "status"),
    [
        (refuse_refer(403, "Forbidden"), HandoffFailure.FORBIDDEN, 403),
        (refuse_refer(405), HandoffFailure.NOT_SUPPORTED, 405),
        (refuse_refer(408, ""), HandoffFailure.NO_RESPONSE, 408),
        (accept_refer(100, 486), HandoffFailure.BUSY, 486),
        (accept_refer(), HandoffFailure.NO_NOTIFY, None),
        (ignore, HandoffFailure.NO_RESPONSE, None),
    ],
)
def test_a_failed_transfer_gives_the_call_back_to_the_agent(
    story: Story, failure: HandoffFailure, status: int | None
) -> None:
    def go_on(run: Run) -> TurnResult:
        return reply(run, "Nobody is there. What now?")

    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = story
        leg = await greet_and_press(board)
        await board.until("ran handoff_failed")
        look = await board.outcomes.lookup(
            "ws-1", "PROJECT-1", conversation_id=(await board.conversations())[0].opened.id
        )
        assert look.status is OutcomeStatus.IN_PROGRESS
        await board.hear("Nobody is there. What now?")
        assert "bye" not in board.journal
        board.hang_up(leg, ("Reason", 'SIP;cause=200;text="enough"'))

    board = play_calls(whole, agent=agent(handoff_failed=go_on))
    stored = only(board)
    (termination,) = board.observer.terminations
    assert termination.reason is TerminationReason.CALLER_HUNG_UP
    assert termination.detail == "SIP;cause=200;text='enough'"
    assert stored.outcome is not None
    assert (stored.outcome.handed_off, stored.outcome.handoff) == (False, None)
    assert stored.receipts[0].state is ReceiptState.FAILED
    last = stored.receipts[0].steps[-1]
    assert (last.step, last.failure, last.status) == (Step.FAILED, failure, status)
    (told,) = [run for run in board.agent.runs if run.kind is RunKind.HANDOFF_FAILED]
    result = told.conversation.handoff_result
    assert result is not None
    assert (result["state"], result["reason"], result["status"]) == ("failed", failure, status)
    assert result["retry"]
    assert board.metrics.value("tieline_handoff_failures_total", failure) == 1
    assert board.agent.runs[-1].conversation.handoff_result == result


def test_the_peers_bye_after_the_202_is_success() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer()
        leg = await greet_and_press(board)
        await board.until("refer")
        await elapse(2.0)
        board.hang_up(leg, ("X-Done", "yes"))

    board = play_calls(whole, agent=agent())
    assert "bye" not in board.journal
    assert ending(board) is TerminationReason.HANDED_OFF
    stored = only(board)
    assert steps(stored)[-1] is Step.DONE
    assert stored.closed is not None
    assert stored.closed.peer_bye_headers == {"X-Done": "yes"}


def test_a_caller_who_hangs_up_before_the_202_was_not_handed_over() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = ignore
        leg = await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        board.hang_up(leg)

    board = play_calls(whole, agent=agent())
    assert ending(board) is TerminationReason.CALLER_HUNG_UP
    stored = only(board)
    assert stored.outcome is not None
    assert not stored.outcome.handed_off
    assert stored.receipts[0].state is ReceiptState.FAILED
    assert stored.receipts[0].steps[-1].failure is HandoffFailure.CALLER_HUNG_UP
    result = board.agent.runs[-1].conversation.handoff_result
    assert result is not None
    assert result["reason"] == "caller_hung_up"


def test_a_leg_that_breaks_under_a_transfer_ends_the_call() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer()
        leg = await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        board.sip.legs.discard(leg)
        board.registry.on_event(LegFailed(leg, LegFailure.TRANSPORT_FAILED))

    board = play_calls(whole, agent=agent())
    assert ending(board) is TerminationReason.TRANSPORT_FAILED
    assert only(board).receipts[0].steps[-1].failure is HandoffFailure.TRANSPORT_FAILED


def test_notifies_are_taken_until_the_call_is_closed() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer()
        leg = await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        board.hang_up(leg)
        await elapse(2.0)
        assert board.journal[-1] != "close_conversation"
        board.registry.on_event(NotifyReceived(leg, 503, "Service Unavailable", "terminated", b""))

    board = play_calls(whole, agent=agent())
    stored = only(board)
    assert steps(stored)[-2:] == [Step.DONE, Step.FAILED]
    assert stored.receipts[0].state is ReceiptState.FAILED
    assert board.metrics.value("tieline_handoffs_died_young_total", "refer") == 1


def test_without_a_late_word_the_call_is_closed_after_a_while() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer()
        leg = await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        board.hang_up(leg)
        await board.until("ran end")
        before = board.clock.monotonic()
        await board.idle()
        assert 4.0 < board.clock.monotonic() - before < 6.0

    play_calls(whole, agent=agent())


def test_a_drain_ends_a_transfer_under_way() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer()
        await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        assert await board.registry.drain(0.5) == 1

    board = play_calls(whole, agent=agent())
    assert ending(board) is TerminationReason.DRAINED
    stored = only(board)
    assert stored.receipts[0].steps[-1].failure is HandoffFailure.INTERNAL_ERROR
    assert stored.outcome is not None
    assert not stored.outcome.handed_off


def test_a_caller_who_hangs_up_while_the_outcome_is_written_was_not_handed_off() -> None:
    async def whole(board: Switchboard) -> None:
        board.store.delays["save_outcome"] = 1.0
        leg = await greet_and_press(board)
        await board.hear("Passing you on.")
        board.hang_up(leg)

    stored = only(play_calls(whole, agent=agent()))
    assert stored.receipts[0].steps[-1].failure is HandoffFailure.CALLER_HUNG_UP
    assert stored.outcome is not None
    assert not stored.outcome.handed_off


def test_a_held_caller_who_is_silent_is_not_hung_up_on_while_a_transfer_is_under_way() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer(180)
        await greet_and_press(board)
        await board.until("refer")
        await elapse(1.0)
        connected = len(board.media.connected)
        board.media.fall_silent()
        await settle()
        assert len(board.media.connected) == connected + 1
        assert board.registry.sessions()
        await board.until("ran handoff_failed")

    board = play_calls(whole, agent=agent())
    assert ending(board) is TerminationReason.AGENT_HUNG_UP


def test_rung_after_rung_is_tried_and_the_caller_hears_something_in_between() -> None:
    ladder = Destination(
        name="far", is_default=True, sip_config=FAR.sip_config, between="One moment, please.",
        fallback=(Rung(destination="other"), Rung(method=HandoffMethod.BYE)),
    )  # fmt: skip
    other = Destination(name="other", sip_config=SipConfig(method=HandoffMethod.REFER, phone_number="200"))
    board = play(refuse_refer(603, "Decline"), (ladder, other))
    assert [sent.refer_to for sent in board.sip.refers] == [
        "<sip:+15550001111@192.0.2.10:5060>", "<sip:200@192.0.2.10:5060>",
    ]  # fmt: skip
    order = ["save_outcome", "refer", "played One moment, please.", "bye"]
    assert [entry for entry in board.journal if entry in order] == [
        "save_outcome", "refer", "played One moment, please.", "save_outcome", "refer",
        "played One moment, please.", "save_outcome", "bye",
    ]  # fmt: skip
    stored = only(board)
    assert ending(board) is TerminationReason.HANDED_OFF
    assert stored.outcome is not None
    assert stored.outcome.revision == 2
    assert (stored.outcome.handoff or {})["method"] == "bye"
    assert stored.receipts[0].state is ReceiptState.DONE
    assert [step.rung for step in stored.receipts[0].steps if step.step is Step.SENT] == [0, 1, 2]
    assert [step.rung for step in stored.receipts[0].steps if step.step is Step.SPOKEN] == [0, 1, 2]
    assert "run handoff_failed" not in board.journal


def test_what_cannot_be_put_on_the_wire_is_a_failed_rung() -> None:
    def refuse(*_: object) -> bool:
        raise InvalidInput("a header is refused")

    async def whole(board: Switchboard) -> None:
        board.sip.refer = refuse  # type: ignore[method-assign, assignment]
        await greet_and_press(board)

    board = play_calls(whole, agent=agent())
    last = only(board).receipts[0].steps[-1]
    assert (last.failure, last.detail) == (HandoffFailure.MISCONFIGURED, "a header is refused")


def test_a_leg_that_takes_no_refer_is_a_failed_rung() -> None:
    async def whole(board: Switchboard) -> None:
        board.sip.refer = lambda *_: False  # type: ignore[method-assign]
        await greet_and_press(board)

    board = play_calls(whole, agent=agent())
    assert only(board).receipts[0].steps[-1].failure is HandoffFailure.TRANSPORT_FAILED
    assert ending(board) is TerminationReason.AGENT_HUNG_UP


def test_an_agent_that_goes_in_circles_is_stopped() -> None:
    board = play(refuse_refer(405), handoff_failed=ask)
    assert len(board.sip.refers) == 11  # ten of the agent's, and the fall-back for the agent that failed
    assert ending(board) is TerminationReason.AGENT_FAILED
    stored = only(board)
    assert len(stored.receipts) == 11
    assert stored.outcome is not None
    assert not stored.outcome.handed_off
    assert "cause=41" in (board.sip.byes[0][1] or "")


def test_a_peer_that_tells_no_more_is_believed() -> None:
    def story(leg_id: int) -> list[tuple[float, ReferCompleted]]:
        return [(0.01, ReferCompleted(leg_id, 202, "Accepted", no_subscription=True))]

    board = play(story)
    assert ending(board) is TerminationReason.HANDED_OFF
    assert steps(only(board))[-1] is Step.DONE
