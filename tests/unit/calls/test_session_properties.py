"""Whatever happens around a call, and in whatever order: it ends once, with one outcome, and leaves nothing."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tieline.agent.messages import DtmfListen, FailureKind, Listen, Run, RunKind, TurnResult
from tieline.model.call import CallState, TerminationReason
from tieline.model.reservation import ReservationState
from tieline.sip.events import AckReceived, ByeCompleted, LegFailed, LegFailure
from tieline.testing.call_parts import ScriptedAgent, fail, reply
from tieline.testing.calls import OFFER, Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual

STORE_VERBS = (
    "bind", "open_conversation", "mark_answered", "claim", "unbind", "save_turn", "save_outcome",
    "close_conversation",
)  # fmt: skip
FACTS: dict[str, Callable[[Switchboard, int], None]] = {
    "ack": lambda board, leg: board.registry.on_event(AckReceived(leg, b"")),
    "ack with answer": lambda board, leg: board.registry.on_event(AckReceived(leg, OFFER)),
    "digit": lambda board, leg: board.press("1"),
    "finish": lambda board, leg: board.press("#"),
    "info": lambda board, leg: board.info(leg, "2"),
    "bye": lambda board, leg: board.hang_up(leg),
    "cancel": lambda board, leg: board.cancel(leg),
    "silence": lambda board, leg: board.media.fall_silent(),
    "media dies": lambda board, leg: board.media.die(),
    "hold": lambda board, leg: board.reinvite(leg, OFFER + b"a=sendonly\r\n"),
    "late reinvite": lambda board, leg: board.reinvite(leg, b""),
    "bad reinvite": lambda board, leg: board.reinvite(leg, b"junk"),
    "bye answered": lambda board, leg: board.registry.on_event(ByeCompleted(leg, 200)),
    "no ack": lambda board, leg: end_leg(board, leg, LegFailure.NO_ACK),
    "peer gone": lambda board, leg: end_leg(board, leg, LegFailure.PEER_GONE),
    "interrupt": lambda board, leg: interrupt(board),
}


def end_leg(board: Switchboard, leg: int, failure: LegFailure) -> None:
    board.sip.legs.discard(leg)
    board.registry.on_event(LegFailed(leg, failure))


def interrupt(board: Switchboard) -> None:
    for session in board.registry.sessions():
        session.interrupt(TerminationReason.DRAINED)


DEEDS: dict[str, Callable[[Run], TurnResult]] = {
    "speak": lambda run: reply(run, "Hello."),
    "silence": reply,
    "short": lambda run: reply(run, "Key.", listen=Listen(dtmf=DtmfListen(num_digits=1))),
    "deaf": lambda run: reply(
        run, "Wait.", listen=Listen(listen=False, dtmf=DtmfListen(first_digit_timeout=1.0))
    ),
    "secret": lambda run: reply(
        run, "Card.", listen=Listen(dtmf=DtmfListen(is_pii=True, early_listening=False))
    ),
    "hand off": lambda run: reply(run, "Bye.", handoff={"destination": "desk"}),
    "hand off nowhere": lambda run: reply(run, "Bye.", handoff={"destination": "nowhere"}),
    "hang up": lambda run: reply(run, "Bye.", hangup=True),
    "raise": fail,
    "exit": lambda run: fail(run, FailureKind.EXITED),
}
DELAYS = st.sampled_from([0.0, 0.0, 0.3, 2.0])


def agent_of(plan: list[tuple[str, float]]) -> ScriptedAgent:
    """An agent whose runs do, one after another, what is planned, each in its time; then it hangs up."""
    left = iter(plan)

    async def act(run: Run) -> TurnResult:
        deed, seconds = next(left, ("hang up", 0.0))
        await elapse(seconds)
        return DEEDS[deed](run)

    return ScriptedAgent(start=act, turn=act, end=act)


@settings(max_examples=300)
@given(
    facts=st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.2, 0.9, 4.0]), st.sampled_from(sorted(FACTS))), max_size=10
    ),
    deeds=st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), DELAYS), max_size=6),
    delays=st.dictionaries(st.sampled_from(STORE_VERBS), DELAYS),
    ack_after_s=st.sampled_from([None, 0.0, 0.01, 1.5]),
    bye_after_s=st.sampled_from([None, 0.0, 0.01, 1.5]),
    late_offer=st.booleans(),
    open_after_s=DELAYS,
)
def test_every_call_ends_once_and_leaves_nothing(
    facts: list[tuple[float, str]],
    deeds: list[tuple[str, float]],
    delays: dict[str, float],
    ack_after_s: float | None,
    bye_after_s: float | None,
    late_offer: bool,
    open_after_s: float,
) -> None:
    reservations: list[ReservationState] = []

    async def story(board: Switchboard) -> None:
        board.store.delays = delays
        board.sip.ack_after_s = ack_after_s
        board.sip.bye_after_s = bye_after_s
        board.media.open_after_s = open_after_s
        held = await board.reservations.reserve("PROJECT-1", attributes={"a": 1}, ttl_s=180)
        leg = board.invite(held.number, body=b"" if late_offer else OFFER)
        for wait_s, fact in facts:
            await elapse(wait_s)
            FACTS[fact](board, leg)
        await elapse(30.0)
        if leg in board.sip.legs:
            board.hang_up(leg)
        await board.idle()
        reservations.append((await board.reservations.get("PROJECT-1", held.id)).state)

    board = play_calls(story, agent=agent_of(deeds))
    (termination,) = board.observer.terminations
    calls = run_virtual(board.conversations())
    assert len(calls) == 1 or "run start" not in board.journal
    for call in calls:
        assert call.state is CallState.ENDED
        assert call.outcome is not None
        assert call.closed is not None
        assert call.closed.termination == termination
    # A call that was refused leaves a record of it, and one that was not refused a conversation.
    assert len(run_virtual(board.store.refusals())) == len(board.sip.rejections)
    assert calls or board.sip.rejections
    assert len(board.sip.byes) + len(board.sip.rejections) <= 1
    assert board.agent.count(RunKind.START) == board.agent.count(RunKind.END) <= 1
    assert board.sip.taken == [1]
    if board.sip.byes:
        assert board.journal.index("save_outcome") < board.journal.index("bye")
    if "answer" in board.journal:
        assert reservations == [ReservationState.CLAIMED]
    else:
        assert reservations != [ReservationState.BOUND]
    assert termination.reason is not TerminationReason.INTERNAL_ERROR
