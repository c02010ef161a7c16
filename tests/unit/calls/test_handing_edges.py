"""Handoffs at the edges: what comes too late, twice, or to nobody; and disks that break in between."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from tests.unit.calls.bridge_parts import (
    CALLEE,
    ask_for_a_human,
    board_parts,
    ending,
    human,
    joined,
    last_failure,
    leave,
    only,
)
from tieline.agent.messages import Run, TurnResult
from tieline.model.call import TerminationReason
from tieline.model.handoff import Destination, HandoffMethod, RingSound, Rung, SipConfig
from tieline.model.receipt import HandoffFailure, ReceiptState, Step
from tieline.sip.events import (
    ByeReceived,
    InfoReceived,
    LegAnswered,
    LegProgress,
    LegRefused,
    NotifyReceived,
    ReferCompleted,
    ReferReceived,
    ReinviteCompleted,
    ReinviteReceived,
)
from tieline.sip.message import Headers
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import OFFER, Switchboard, play_calls
from tieline.testing.peer_stories import (
    ANSWER,
    accept_refer,
    ignore,
    refuse_refer,
    response,
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, run_virtual, settle

FAR = Destination(name="far", is_default=True, sip_config=SipConfig(phone_number="100"), fallback=())


def ask(run: Run) -> TurnResult:
    return reply(run, handoff={"destination": "default"})


def test_events_that_no_handoff_waits_for_change_nothing() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        for event in (
            ReferCompleted(leg, 202, "Accepted"),
            NotifyReceived(leg, 200, "OK", "terminated", b""),
            ReinviteCompleted(leg, 200, OFFER),
            ReferReceived(leg, "sip:elsewhere@192.0.2.9"),
            LegProgress(4711, response(180)),
            LegAnswered(4711, response(200)),
        ):
            board.registry.on_event(event)
        await settle()
        assert board.registry.sessions()
        board.hang_up(leg)

    board = play_calls(story)
    assert only(board).receipts == ()


def test_events_of_a_leg_that_failed_before_are_of_no_account() -> None:
    """A late answer of the first target, when the second is being called."""

    async def story(board: Switchboard) -> None:
        board.location.flows *= 2
        await ask_for_a_human(board, ring_for_ever)
        board.sip.legs.discard(CALLEE)
        board.registry.on_event(LegRefused(CALLEE, 503, None))
        await elapse(0.1)
        board.registry.on_event(LegAnswered(CALLEE, response(200, "OK", ANSWER)))
        await settle()
        assert not [entry for entry in board.journal if entry.startswith("join")]
        board.registry.on_event(LegAnswered(1002, response(200, "OK", ANSWER)))
        await joined(board)
        leave(board, 1002)

    board = play_calls(story, **board_parts())
    assert ending(board)[0] is TerminationReason.HANDED_OFF


def test_session_events_before_the_answer_have_no_other_side_yet() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board, ring_for_ever)
        board.registry.on_event(InfoReceived(CALLEE, "application/dtmf-relay", b"Signal=5\r\n"))
        board.registry.on_event(ReinviteReceived(CALLEE, ANSWER))
        board.registry.on_event(ReinviteCompleted(CALLEE, 200, ANSWER))
        board.reinvite(leg, OFFER)
        await elapse(1.0)
        assert not board.sip.offers
        board.hang_up(leg)

    play_calls(story, **board_parts())


def test_an_answer_to_no_offer_of_ours_changes_nothing() -> None:
    async def story(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        board.registry.on_event(ReinviteCompleted(4711, 200, ANSWER))
        board.registry.on_event(ReinviteCompleted(CALLEE, 200, ANSWER))
        await settle()
        assert not board.sip.offers
        leave(board)

    play_calls(story, **board_parts())


def test_a_second_hold_while_an_offer_is_under_way_is_offered_next() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        board.sip.on_reinvite = lambda leg_id: [(1.0, ReinviteCompleted(leg_id, 200, ANSWER))]
        board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        await elapse(0.2)
        board.reinvite(leg, OFFER)
        await elapse(5.0)
        assert [b"a=sendonly" in sdp for _, sdp in board.sip.offers] == [True, False]
        leave(board)

    play_calls(story, **board_parts())


def test_a_pending_retry_ends_with_the_call() -> None:
    async def story(board: Switchboard) -> None:
        leg = await ask_for_a_human(board)
        await joined(board)
        board.sip.on_reinvite = lambda leg_id: [(0.01, ReinviteCompleted(leg_id, 491, b"", 60.0))]
        board.reinvite(leg, OFFER + b"a=sendonly\r\n")
        await elapse(1.0)
        leave(board)

    board = play_calls(story, **board_parts())
    assert len(board.sip.offers) == 1


@pytest.mark.parametrize("verb", ["save_receipt", "withdraw_outcome"])
def test_a_record_that_cannot_be_kept_ends_no_call(verb: str) -> None:
    async def story(board: Switchboard) -> None:
        board.store.broken.add(verb)
        board.sip.on_refer = refuse_refer(405)
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.hear("Sorry.")

    agent = ScriptedAgent(turn=ask, destinations=(FAR,))
    board = play_calls(story, agent=agent)
    assert ending(board)[0] is TerminationReason.AGENT_HUNG_UP


def test_an_outcome_that_cannot_be_saved_sends_nothing() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.on_refer = ignore
        board.store.broken.add("save_outcome")
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("ran end")

    async def whole() -> Switchboard:
        board = await Switchboard(agent=ScriptedAgent(turn=ask, destinations=(FAR,))).start()
        await story(board)
        await board.idle()
        return board

    board = run_virtual(whole())
    assert "refer" not in board.journal
    assert ending(board)[0] is TerminationReason.INTERNAL_ERROR


def test_both_sides_end_the_leg_at_once() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.bye_after_s = None
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("bye")
        board.registry.on_event(ByeReceived(leg, Headers()))

    board = play_calls(story, agent=ScriptedAgent(turn=ask))
    (receipt,) = only(board).receipts
    assert [step.step for step in receipt.steps] == [Step.REQUESTED, Step.SENT, Step.DONE]


def test_a_leg_that_is_over_before_the_bye_is_given_back_all_the_same() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.sip.legs.discard(leg)  # the stack knows already, the event is on its way
        board.press("1#")
        await board.until("ran turn")

    board = play_calls(story, agent=ScriptedAgent(turn=ask))
    assert only(board).receipts[0].state is ReceiptState.DONE


def test_a_caller_who_hangs_up_between_two_rungs_is_not_called_for_again() -> None:
    ladder = replace(FAR, between="Please hold on.", fallback=(Rung(method=HandoffMethod.BYE),))

    async def story(board: Switchboard) -> None:
        board.sip.on_refer = refuse_refer(405)
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("play Please hold on.")
        board.hang_up(leg)

    board = play_calls(story, agent=ScriptedAgent(turn=ask, destinations=(ladder,)))
    stored = only(board)
    assert ending(board)[0] is TerminationReason.CALLER_HUNG_UP
    assert stored.outcome is not None
    assert not stored.outcome.handed_off
    assert stored.receipts[0].state is ReceiptState.FAILED


def test_keys_pressed_while_a_handoff_was_tried_are_no_input_for_the_agent() -> None:
    heard: list[str | None] = []

    def turn(run: Run) -> TurnResult:
        heard.append(run.user_input)
        return ask(run) if len(heard) == 1 else reply(run, hangup=True)

    async def story(board: Switchboard) -> None:
        board.sip.on_refer = accept_refer(180, 486)
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("refer")
        board.press("77#")
        await board.hear("Try another?")
        board.press("2#")

    agent = ScriptedAgent(
        turn=turn, handoff_failed=lambda run: reply(run, "Try another?"), destinations=(FAR,)
    )
    play_calls(story, agent=agent)
    assert heard == ["1", "2"]


def test_a_server_that_places_no_calls_says_so() -> None:
    async def story(board: Switchboard) -> None:
        board.registry._services = dataclasses.replace(board.registry._services, location=None)
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")

    board = play_calls(story, **board_parts())
    assert last_failure(board) is HandoffFailure.MISCONFIGURED


def test_silence_is_what_was_asked_for() -> None:
    async def story(board: Switchboard) -> None:
        await ask_for_a_human(board)
        await joined(board)
        leave(board)

    board = play_calls(story, **board_parts(human(ring_sound=RingSound.SILENCE)))
    assert not [entry for entry in board.journal if entry.startswith("loop")]
