"""Whatever peer and human do around handoffs, and in whatever order: no leg is left, and the outcome is true."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.calls.bridge_parts import CALLEE, HUMAN, WITH_TRUNK
from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.model.call import TerminationReason
from tieline.model.handoff import Destination, HandoffMethod, Rung, SipConfig
from tieline.model.receipt import ReceiptState, Step
from tieline.sip.events import (
    ByeReceived,
    LegAnswered,
    LegFailed,
    LegFailure,
    LegProgress,
    LegRefused,
    NotifyReceived,
    ReferCompleted,
    ReinviteCompleted,
    ReinviteReceived,
    UpdateReceived,
)
from tieline.sip.message import Headers
from tieline.testing.call_parts import ScriptedAgent, fail, reply
from tieline.testing.calls import OFFER, Switchboard, play_calls
from tieline.testing.peer_stories import (
    ANSWER,
    Story,
    accept_refer,
    answer_invite,
    be_out_of_reach,
    ignore,
    refuse_invite,
    refuse_refer,
    response,
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, run_virtual

REFERS: dict[str, Story] = {
    "polite": accept_refer(100, 180, 200),
    "no notify": accept_refer(),
    "no body": accept_refer(None, None),
    "busy": accept_refer(100, 486),
    "terminated": accept_refer(180),
    "refused": refuse_refer(405),
    "silent": ignore,
}
INVITES: dict[str, Story] = {
    "answers": answer_invite(),
    "answers with early media": answer_invite(early=ANSWER),
    "answers nonsense": answer_invite(body=b"junk"),
    "answers at once": answer_invite(rings_s=0.0),
    "busy": refuse_invite(486),
    "out of service": refuse_invite(503),
    "out of reach": be_out_of_reach,
    "rings": ring_for_ever,
    "silent": ignore,
}
DESTINATIONS = (
    Destination(name="desk", is_default=True, sip_config=SipConfig(method=HandoffMethod.BYE)),
    Destination(name="refer", sip_config=SipConfig(phone_number="100"), fallback=()),
    replace(HUMAN, is_default=False),
    replace(
        HUMAN, name="screened", is_default=False,
        sip_config=replace(HUMAN.sip_config, whisper="A caller.", accept_key="1", accept_timeout_s=3.0),
    ),
    Destination(
        name="ladder", sip_config=SipConfig(phone_number="100"), between="Hold on.",
        fallback=(Rung(destination="human"), Rung(destination="screened"), Rung(destination="desk")),
    ),
    Destination(
        name="short", sip_config=SipConfig(phone_number="100"), fallback=(Rung(destination="human"),)
    ),
)  # fmt: skip


def hand_over(name: str) -> Callable[[Run], TurnResult]:
    return lambda run: reply(run, "Passing you on.", handoff={"destination": name})


DEEDS: dict[str, Callable[[Run], TurnResult]] = {
    "speak": lambda run: reply(run, "Hello."),
    "hang up": lambda run: reply(run, "Bye.", hangup=True),
    "raise": fail,
    **{each.name: hand_over(each.name) for each in DESTINATIONS},
}


def drop(board: Switchboard, leg: int, event: ByeReceived | LegFailed) -> None:
    """The leg ends from outside, if it is up."""
    if leg in board.sip.legs:
        board.sip.legs.discard(leg)
        board.registry.on_event(event)


def interrupt(board: Switchboard) -> None:
    for session in board.registry.sessions():
        session.interrupt(TerminationReason.DRAINED)


def tell(make: Callable[[int], object], leg: int) -> Callable[[Switchboard, int], None]:
    """An event of a leg, if that is up; leg 0 stands for the caller's."""

    def act(board: Switchboard, caller: int) -> None:
        wanted = leg or caller
        if wanted in board.sip.legs:
            board.registry.on_event(make(wanted))  # type: ignore[arg-type]

    return act


FACTS: dict[str, Callable[[Switchboard, int], None]] = {
    "key": lambda board, leg: board.press("1"),
    "finish": lambda board, leg: board.press("#"),
    "caller hangs up": lambda board, leg: drop(board, leg, ByeReceived(leg, Headers())),
    "caller breaks": lambda board, leg: drop(board, leg, LegFailed(leg, LegFailure.PEER_GONE)),
    "human hangs up": lambda board, leg: drop(board, CALLEE, ByeReceived(CALLEE, Headers())),
    "human breaks": lambda board, leg: drop(board, CALLEE, LegFailed(CALLEE, LegFailure.TRANSPORT_FAILED)),
    "silence": lambda board, leg: board.media.fall_silent(),
    "human silent": lambda board, leg: board.media.fall_silent("callee"),
    "media dies": lambda board, leg: board.media.die(),
    "hold": tell(lambda leg: ReinviteReceived(leg, OFFER + b"a=sendonly\r\n"), 0),
    "resume": tell(lambda leg: ReinviteReceived(leg, OFFER), 0),
    "human holds": tell(lambda leg: UpdateReceived(leg, ANSWER + b"a=sendonly\r\n"), CALLEE),
    "human offers nonsense": tell(lambda leg: ReinviteReceived(leg, b"junk"), CALLEE),
    "answer to no offer": tell(lambda leg: ReinviteCompleted(leg, 200, ANSWER), CALLEE),
    "202": tell(lambda leg: ReferCompleted(leg, 202, "Accepted"), 0),
    "notify 200": lambda board, leg: board.registry.on_event(NotifyReceived(leg, 200, "", "terminated", b"")),
    "notify 503": lambda board, leg: board.registry.on_event(NotifyReceived(leg, 503, "", "terminated", b"")),
    "180": tell(lambda leg: LegProgress(leg, response(180)), CALLEE),
    "interrupt": lambda board, leg: interrupt(board),
}
WAITS = st.sampled_from([0.0, 0.2, 0.6, 1.1, 4.0, 35.0])
VERBS = ("save_outcome", "withdraw_outcome", "save_turn", "close_conversation")


def agent_of(plan: list[str]) -> ScriptedAgent:
    left = iter(plan)

    def act(run: Run) -> TurnResult:
        return DEEDS[next(left, "hang up")](run)

    return ScriptedAgent(start=reply, turn=act, handoff_failed=act, destinations=DESTINATIONS)


@settings(max_examples=400)
@given(
    deeds=st.lists(st.sampled_from(sorted(DEEDS)), min_size=1, max_size=4),
    facts=st.lists(st.tuples(WAITS, st.sampled_from(sorted(FACTS))), max_size=8),
    refers=st.sampled_from(sorted(REFERS)),
    invites=st.lists(st.sampled_from(sorted(INVITES)), min_size=1, max_size=3),
    targets=st.integers(1, 2),
    delays=st.dictionaries(st.sampled_from(VERBS), st.sampled_from([0.3, 2.0])),
    bye_after_s=st.sampled_from([None, 0.01, 1.5]),
)
def test_every_handoff_leaves_one_outcome_and_no_leg(
    deeds: list[str],
    facts: list[tuple[float, str]],
    refers: str,
    invites: list[str],
    targets: int,
    delays: dict[str, float],
    bye_after_s: float | None,
) -> None:
    async def story(board: Switchboard) -> None:
        board.store.delays = delays
        board.sip.bye_after_s = bye_after_s
        board.sip.on_refer = REFERS[refers]
        board.sip.on_invite = lambda leg: INVITES[invites[(leg - CALLEE) % len(invites)]](leg)
        board.location.flows *= targets
        leg = board.invite()
        await board.until("ran start")
        await elapse(0.5)
        board.press("1#")
        for wait_s, fact in facts:
            await elapse(wait_s)
            FACTS[fact](board, leg)
        await elapse(200.0)
        for each in sorted(board.sip.legs):
            drop(board, each, ByeReceived(each, Headers()))
        await board.idle()

    board = play_calls(story, agent=agent_of(deeds), resources=WITH_TRUNK)
    (termination,) = board.observer.terminations
    assert termination.reason is not TerminationReason.INTERNAL_ERROR
    (call,) = run_virtual(board.conversations())
    assert call.outcome is not None
    assert call.closed is not None
    assert board.agent.count(RunKind.START) == board.agent.count(RunKind.END) == 1
    assert not board.sip.legs
    for receipt in call.receipts:
        assert receipt.state is not ReceiptState.UNDER_WAY
        assert receipt.steps[0].step is Step.REQUESTED
    if termination.reason is TerminationReason.HANDED_OFF:
        assert call.outcome.handed_off
    if call.outcome.handed_off:
        last = call.receipts[-1]
        was_done = any(step.step is Step.DONE for step in last.steps)
        given_back = (call.outcome.handoff or {})["method"] == "bye"
        assert was_done or given_back
    first = [entry for entry in board.journal if entry in {"save_outcome", "refer", "invite"}]
    assert not first or first[0] == "save_outcome"
    assert board.journal.count("run bridge_ended") <= 1


def test_the_events_that_end_a_further_leg_are_among_those_told() -> None:
    assert {LegAnswered, LegRefused} <= {type(event) for _, event in answer_invite()(1)} | {
        type(event) for _, event in be_out_of_reach(1)
    }
