"""The caller leaves, or the network takes them: at every point of a call the rest of it is put in order."""

import asyncio

import pytest

from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import Conversation, OutcomeStatus
from tieline.model.reservation import ReservationState
from tieline.sip.events import AckReceived, ByeCompleted, LegFailed, LegFailure
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import DNI, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle


def hand_off(run: Run) -> TurnResult:
    return reply(run, "Passing you on.", state={"handoff_to": "desk"}, handoff={"destination": "desk"})


def only(board: Switchboard) -> Conversation:
    """The one stored call, which must be whole."""
    (stored,) = run_virtual(board.conversations())
    assert stored.outcome is not None
    assert stored.closed is not None
    return stored


def reason(board: Switchboard) -> TerminationReason:
    (termination,) = board.observer.terminations
    return termination.reason


async def slow_start(run: Run) -> TurnResult:
    await elapse(2.0)
    return reply(run, "Welcome.", state={"started": True})


def test_a_caller_who_cancels_before_the_first_step_hears_nothing_from_us() -> None:
    async def story(board: Switchboard) -> None:
        board.cancel(board.invite())

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_CANCELLED
    assert "ring" not in board.journal
    assert "run start" not in board.journal
    assert only(board).closed is not None


@pytest.mark.parametrize("verb", ["open_leg", "bind"])
def test_a_caller_who_cancels_while_the_call_is_set_up(verb: str) -> None:
    async def story(board: Switchboard) -> None:
        board.media.open_after_s = 1.0
        board.store.delays["bind"] = 1.0
        await board.reservations.reserve("PROJECT-1", attributes={})
        leg = board.invite(DNI)
        await elapse(0.5 if verb == "open_leg" else 1.5)
        board.cancel(leg)

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_CANCELLED
    assert board.sip.rejections == []
    assert only(board).closed is not None


def test_a_caller_who_cancels_during_the_start_function_leaves_its_state_behind() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.until("run start")
        board.cancel(leg)

    board = play_calls(story, agent=ScriptedAgent(start=slow_start))
    assert reason(board) is TerminationReason.CALLER_CANCELLED
    stored = only(board)
    assert stored.closed is not None
    assert stored.closed.answered_at is None
    assert '"started":true' in stored.turns[0].state_json
    assert board.agent.count(RunKind.END) == 1
    assert "answer" not in board.journal
    assert board.journal.index("close_leg") < board.journal.index("ran start")


def test_a_cancelled_call_gives_its_reservation_back_at_once() -> None:
    async def story(board: Switchboard) -> None:
        held = await board.reservations.reserve("PROJECT-1", attributes={"name": "Ada"})
        leg = board.invite(held.number)
        await board.until("run start")
        board.cancel(leg)
        await board.until("unbind")
        assert "ran start" not in board.journal
        board.invite(held.number, call_id="another", from_tag="another")
        await board.until("answer")
        board.hang_up(2)

    board = play_calls(story, agent=ScriptedAgent(start=slow_start))
    second = board.agent.runs[1]
    assert second.conversation.integration_attributes == {"name": "Ada"}


def test_a_caller_who_cancels_while_the_reservation_is_bound_leaves_it_to_the_next_attempt() -> None:
    """A bind that is on its way to the disk cannot be called back: it is waited for and undone."""

    async def story(board: Switchboard) -> None:
        board.store.delays["bind"] = 1.0
        held = await board.reservations.reserve("PROJECT-1", attributes={"name": "Ada"})
        leg = board.invite(held.number)
        await elapse(0.5)
        assert "bind" not in board.journal
        board.cancel(leg)
        await board.until("unbind")
        board.invite(held.number, call_id="another", from_tag="another")
        await board.until("answer")
        board.hang_up(2)

    board = play_calls(story)
    assert board.journal.index("bind") < board.journal.index("unbind")
    (run,) = (run for run in board.agent.runs if run.kind is RunKind.START)
    assert run.conversation.integration_attributes == {"name": "Ada"}


def test_a_caller_who_cancels_while_the_answer_is_being_written() -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays["mark_answered"] = 1.0
        leg = board.invite()
        await board.until("save_turn")
        await elapse(0.5)
        board.cancel(leg)

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_CANCELLED
    assert "answer" not in board.journal


def test_a_caller_who_hangs_up_before_the_ack() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.ack_after_s = None
        leg = board.invite()
        await board.until("answer")
        board.hang_up(leg, ("X-Why", "changed my mind"), ("Via", "x"))
        board.registry.on_event(AckReceived(leg, b""))

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_HUNG_UP
    stored = only(board)
    assert stored.closed is not None
    assert stored.closed.peer_bye_headers == {"X-Why": "changed my mind"}
    assert "play Welcome." not in board.journal
    assert board.sip.byes == []


def test_a_caller_who_hangs_up_during_the_prompt() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.until("play Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_HUNG_UP
    assert "cut Welcome." in board.journal
    assert "run turn" not in board.journal


def test_a_caller_who_hangs_up_while_keys_are_awaited() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1")
        board.hang_up(leg)
        board.hang_up(leg)

    board = play_calls(story)
    assert reason(board) is TerminationReason.CALLER_HUNG_UP
    assert "run turn" not in board.journal


def test_the_state_of_a_function_that_was_running_counts_and_what_it_asked_for_does_not() -> None:
    async def turn(run: Run) -> TurnResult:
        await elapse(4.0)
        return hand_off(run)

    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("run turn")
        board.hang_up(leg)
        await settle()
        assert "save_outcome" not in board.journal

    board = play_calls(story, agent=ScriptedAgent(turn=turn))
    outcome = only(board).outcome
    assert outcome is not None
    assert (outcome.data, outcome.handed_off) == ({"handoff_to": "desk"}, False)
    assert "play Passing you on." not in board.journal
    assert board.sip.byes == []
    assert board.agent.runs[-1].conversation.state == {"handoff_to": "desk"}


def test_a_caller_who_hangs_up_during_the_announcement_was_not_handed_off() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("play Passing you on.")
        board.hang_up(leg)

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off))
    outcome = only(board).outcome
    assert outcome is not None
    assert not outcome.handed_off
    assert board.sip.byes == []


def test_a_caller_who_hangs_up_while_the_outcome_is_written_does_not_lose_it() -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays["save_outcome"] = 2.0
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.hear("Passing you on.")
        board.hang_up(leg)

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off))
    outcome = only(board).outcome
    assert outcome is not None
    assert outcome.handed_off
    assert reason(board) is TerminationReason.CALLER_HUNG_UP
    assert board.sip.byes == []


def test_two_byes_that_cross_are_one_end() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.bye_after_s = None
        leg = board.invite()
        await board.hear("Welcome.")
        board.press("1#")
        await board.until("bye")
        board.hang_up(leg)
        await settle()
        board.registry.on_event(ByeCompleted(leg, 200))

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off))
    assert reason(board) is TerminationReason.HANDED_OFF
    assert len(board.sip.byes) == 1


def test_a_bye_that_nobody_answers_is_not_waited_for_for_ever() -> None:
    async def story(board: Switchboard) -> None:
        board.sip.bye_after_s = None
        board.invite()
        await board.hear("Welcome.")
        board.press("1#")

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off))
    assert reason(board) is TerminationReason.HANDED_OFF


def test_a_leg_that_is_over_when_we_say_bye_is_over() -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.sip.legs.discard(leg)
        board.press("1#")

    board = play_calls(story, agent=ScriptedAgent(turn=hand_off))
    assert reason(board) is TerminationReason.HANDED_OFF
    assert board.sip.byes == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (LegFailure.NO_ACK, TerminationReason.NO_ACK),
        (LegFailure.TRANSPORT_FAILED, TerminationReason.TRANSPORT_FAILED),
        (LegFailure.PEER_GONE, TerminationReason.PEER_GONE),
        (LegFailure.SESSION_EXPIRED, TerminationReason.SESSION_EXPIRED),
    ],
)
def test_a_leg_that_the_stack_ended_gets_no_bye_of_ours(
    failure: LegFailure, expected: TerminationReason
) -> None:
    async def story(board: Switchboard) -> None:
        leg = board.invite()
        await board.hear("Welcome.")
        board.sip.legs.discard(leg)
        board.registry.on_event(LegFailed(leg, failure))

    board = play_calls(story)
    assert reason(board) is expected
    assert board.observer.terminations[0].fault is Fault.TRUNK
    assert board.sip.byes == []
    assert board.agent.count(RunKind.END) == 1


def test_no_media_for_too_long_ends_the_call_with_a_bye() -> None:
    async def story(board: Switchboard) -> None:
        board.invite()
        await board.hear("Welcome.")
        board.media.fall_silent()

    board = play_calls(story)
    assert reason(board) is TerminationReason.NO_MEDIA
    (_, said) = board.sip.byes[0]
    assert said is not None
    assert "cause=41" in said
    order = ["save_outcome", "bye", "close_conversation"]
    assert [entry for entry in board.journal if entry in order] == order


def test_a_media_process_that_dies_ends_the_call_without_waiting_for_its_figures() -> None:
    times: list[float] = []

    async def story(board: Switchboard) -> None:
        board.invite()
        await board.until("play Welcome.")
        board.media.die()
        times.append(board.clock.monotonic())
        await board.idle()
        times.append(board.clock.monotonic())

    board = play_calls(story)
    assert reason(board) is TerminationReason.MEDIA_FAILED
    assert times[1] - times[0] < 1.0
    stored = only(board)
    assert stored.closed is not None
    assert stored.closed.media is None


def test_a_media_process_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    async def story(board: Switchboard) -> None:
        board.media.closes_after_s = None
        leg = board.invite()
        await board.hear("Welcome.")
        board.hang_up(leg)

    board = play_calls(story)
    stored = only(board)
    assert stored.closed is not None
    assert stored.closed.media is None


def test_a_call_that_was_hung_up_can_be_looked_up_by_those_who_wait() -> None:
    answers: list[OutcomeStatus] = []

    async def story(board: Switchboard) -> None:
        leg = board.invite("100")
        await board.hear("Welcome.")
        (call,) = await board.conversations()
        waiting = asyncio.create_task(
            board.outcomes.lookup("ws-1", "PROJECT-1", conversation_id=call.opened.id, wait_s=60.0)
        )
        await settle()
        assert not waiting.done()
        board.hang_up(leg)
        answers.append((await waiting).status)

    play_calls(story)
    assert answers == [OutcomeStatus.ENDED_WITHOUT_HANDOFF]


def test_a_server_in_a_hurry_takes_back_a_bind_that_comes_too_late() -> None:
    """Nobody waits for it any more, and still the number is not left held."""
    found: list[ReservationState] = []

    async def story(board: Switchboard) -> None:
        board.store.delays["bind"] = 2.0
        held = await board.reservations.reserve("PROJECT-1", attributes={"name": "Ada"})
        board.invite(held.number)
        await elapse(0.2)
        for session in board.registry.sessions():
            session.interrupt(TerminationReason.DRAINED)
        await board.until("unbind")
        await board.idle()
        found.append((await board.reservations.get("PROJECT-1", held.id)).state)

    board = play_calls(story)
    assert board.journal.index("reject 503") < board.journal.index("bind") < board.journal.index("unbind")
    assert found == [ReservationState.RESERVED]
