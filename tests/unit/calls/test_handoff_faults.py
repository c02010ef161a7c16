"""Whatever happens around a handoff, and at whatever moment: the call ends once, its receipts are closed, and nothing
is left behind: no leg on either side, no port, no task and no timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.unit.calls.bridge_parts import CALLEE, CONFIG, WITH_TRUNK
from tieline.agent.messages import Run, RunKind, TurnResult
from tieline.calls.ports import CallSettings
from tieline.model.call import CallState, TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, RingSound, Rung, SipConfig
from tieline.model.receipt import ReceiptState, Step
from tieline.sip.events import (
    AckReceived,
    ByeReceived,
    InfoReceived,
    LegFailed,
    LegFailure,
    NotifyReceived,
    ReferCompleted,
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
    ring_for_ever,
)
from tieline.testing.virtual_time import elapse, run_virtual

REFERS: dict[str, Story] = {
    "works": accept_refer(100, 180, 200),
    "works in silence": accept_refer(None, None),
    "is busy": accept_refer(100, 486),
    "is refused": refuse_refer(405),
    "is ignored": ignore,
    "is accepted, then silence": accept_refer(),
}
INVITES: dict[str, Story] = {
    "is answered": answer_invite(),
    "is answered at once": answer_invite(rings_s=0.0),
    "has early media": answer_invite(early=ANSWER),
    "is answered with nonsense": answer_invite(body=b"v=nonsense"),
    "is answered late": answer_invite(rings_s=21.0),
    "rings for ever": ring_for_ever,
    "is declined": refuse_invite(603),
    "is redirected": refuse_invite(302, ("Contact", "<sip:x@192.0.2.9>")),
    "is out of service": refuse_invite(503),
    "is out of reach": be_out_of_reach,
}
REFER = SipConfig(method=HandoffMethod.REFER, phone_number="+15550001111")
CONFIGS: dict[str, SipConfig] = {
    "refer": REFER,
    "invite": CONFIG,
    "invite with early media": replace(CONFIG, ring_sound=RingSound.EARLY_MEDIA),
    "invite with whisper": replace(CONFIG, whisper="A caller."),
    "invite with key": replace(CONFIG, accept_key="1", accept_timeout_s=5.0),
    "invite with both": replace(CONFIG, whisper="A caller.", accept_key="1", accept_timeout_s=5.0),
    "invite encrypted": replace(CONFIG, outbound_encryption="TLS/SRTP"),
    "invite by no trunk": replace(CONFIG, outbound_endpoint="gone"),
    "bye": SipConfig(method=HandoffMethod.BYE),
}


def gone(board: Switchboard, leg: int) -> None:
    board.sip.legs.discard(leg)
    board.registry.on_event(ByeReceived(leg, Headers()))


def broken(board: Switchboard, leg: int, failure: LegFailure) -> None:
    board.sip.legs.discard(leg)
    board.registry.on_event(LegFailed(leg, failure))


def interrupt(board: Switchboard) -> None:
    for session in board.registry.sessions():
        session.interrupt(TerminationReason.DRAINED)


FACTS: dict[str, Callable[[Switchboard, int], None]] = {
    "caller leaves": gone,
    "callee leaves": lambda board, _: gone(board, CALLEE),
    "next callee leaves": lambda board, _: gone(board, CALLEE + 1),
    "caller breaks": lambda board, leg: broken(board, leg, LegFailure.PEER_GONE),
    "callee breaks": lambda board, _: broken(board, CALLEE, LegFailure.NO_ACK),
    "media dies": lambda board, _: board.media.die(),
    "caller silent": lambda board, _: board.media.fall_silent(),
    "callee silent": lambda board, _: board.media.fall_silent("callee"),
    "interrupt": lambda board, _: interrupt(board),
    "key": lambda board, _: board.press("1"),
    "callee's key": lambda board, _: board.media.press("1", "callee"),
    "callee's info": lambda board, _: board.registry.on_event(
        InfoReceived(CALLEE, "application/dtmf-relay", b"Signal=1\r\n")
    ),
    "caller holds": lambda board, leg: board.reinvite(leg, OFFER + b"a=sendonly\r\n"),
    "callee holds": lambda board, _: board.registry.on_event(
        ReinviteReceived(CALLEE, ANSWER + b"a=sendonly\r\n")
    ),
    "callee updates": lambda board, _: board.registry.on_event(UpdateReceived(CALLEE, b"junk")),
    "callee acks": lambda board, _: board.registry.on_event(AckReceived(CALLEE, ANSWER)),
    "late notify": lambda board, leg: board.registry.on_event(
        NotifyReceived(leg, 486, "Busy", "terminated", b"")
    ),
    "good notify": lambda board, leg: board.registry.on_event(
        NotifyReceived(leg, 200, "OK", "terminated", b"")
    ),
    "notify of an end": lambda board, leg: board.registry.on_event(
        NotifyReceived(leg, None, "", "terminated", b"")
    ),
    "second refer answer": lambda board, leg: board.registry.on_event(ReferCompleted(leg, 202, "Accepted")),
}
STORE_VERBS = (
    "open_conversation", "mark_answered", "save_turn", "save_outcome", "withdraw_outcome", "close_conversation",
)  # fmt: skip
MOMENTS = st.sampled_from([0.0, 0.0, 1e-3, 0.2, 0.5, 1.0, 4.0, 30.0])
DELAYS = st.sampled_from([0.0, 0.3, 2.0])
LADDERS = st.lists(st.sampled_from(sorted(CONFIGS)), min_size=1, max_size=3)


def destinations_of(ladder: list[str]) -> tuple[Destination, ...]:
    """The first is asked for, the others are its ladder."""
    names = [f"{index} {name}" for index, name in enumerate(ladder)]
    first = Destination(
        name=names[0],
        is_default=True,
        sip_config=CONFIGS[ladder[0]],
        fallback=tuple(Rung(destination=name) for name in names[1:]),
        between="One moment.",
    )
    others = (
        Destination(name=name, sip_config=CONFIGS[config])
        for name, config in zip(names[1:], ladder[1:], strict=True)
    )
    return (first, *others)


def agent_of(ladder: list[str], deeds: list[str], act_s: float) -> ScriptedAgent:
    """Hands off at its first turn, and does what is planned when that failed."""
    left = iter(deeds)

    async def hand_off(run: Run) -> TurnResult:
        return reply(run, "Passing you on.", handoff={"destination": "default", "reason": "asked"})

    async def go_on(run: Run) -> TurnResult:
        await elapse(act_s)
        deed = next(left, "hang up")
        if deed == "again":
            return await hand_off(run)
        if deed == "dies":
            return fail(run)
        return reply(run, "Sorry.", hangup=deed == "hang up")

    async def ended(run: Run) -> TurnResult:
        await elapse(act_s)
        return fail(run) if "dies" in deeds else reply(run)

    return ScriptedAgent(
        turn=hand_off, handoff_failed=go_on, bridge_ended=ended, destinations=destinations_of(ladder)
    )


def timers_left(loop: Any) -> list[str]:
    """What would still fire, seen from inside a story."""
    return [repr(timer) for timer in loop._scheduled if not timer.cancelled()]


def play(
    agent: ScriptedAgent,
    facts: list[tuple[float, str]],
    arrange: Callable[[Switchboard], None],
    *,
    breaking: frozenset[str] = frozenset(),
) -> Switchboard:
    """One call, handed off after its first key; then `facts` happen, each so long after the one before.

    The store's verbs in `breaking` fail from the moment of the key on, until all is over but the closing write.
    """

    async def story(board: Switchboard) -> None:
        arrange(board)
        leg = board.invite()
        await board.hear("Welcome.")
        board.store.broken |= breaking
        board.press("1#")
        for wait_s, fact in facts:
            await elapse(wait_s)
            FACTS[fact](board, leg)
        for _ in range(20):  # whoever is still there leaves in the end
            await elapse(60.0)
            for still in sorted(board.sip.legs):
                gone(board, still)
        await board.idle()
        await elapse(200.0)
        current = asyncio.current_task()
        assert [task for task in asyncio.all_tasks() if task is not current] == []
        assert timers_left(asyncio.get_running_loop()) == []

    return play_calls(story, agent=agent, resources=WITH_TRUNK, settings=CallSettings(silence_timeout_s=None))


def stories(board: Switchboard, refers: list[str], invites: list[str]) -> None:
    """One story after another; the last one again and again."""
    told = {"refer": list(refers), "invite": list(invites)}

    def next_of(kind: str, of: dict[str, Story]) -> Story:
        def story(leg_id: int) -> Any:
            left = told[kind]
            return of[left.pop(0) if len(left) > 1 else left[0]](leg_id)

        return story

    board.sip.on_refer = next_of("refer", REFERS)
    board.sip.on_invite = next_of("invite", INVITES)


def check_truth(call: Conversation) -> None:
    """What Get Handoff answers agrees with the receipts."""
    assert call.outcome is not None
    states = [receipt.state for receipt in call.receipts]
    assert ReceiptState.UNDER_WAY not in states
    for receipt in call.receipts:
        assert receipt.steps[0].step is Step.REQUESTED
        if receipt.state is ReceiptState.FAILED:
            assert any(step.failure is not None for step in receipt.steps)
        else:
            assert Step.DONE in [step.step for step in receipt.steps]
    worked = [Step.DONE in [step.step for step in receipt.steps] for receipt in call.receipts]
    plan = call.outcome.handoff
    if plan is not None and plan["method"] == HandoffMethod.BYE:
        return  # stands also when the peer's own BYE was faster: it has the caller, as was to be
    told = [[step.step.value for step in receipt.steps] for receipt in call.receipts]
    assert any(worked) if call.outcome.handed_off else ReceiptState.DONE not in states, (call.outcome, told)


@settings(max_examples=400)
@given(
    ladder=LADDERS,
    refers=st.lists(st.sampled_from(sorted(REFERS)), min_size=1, max_size=3),
    invites=st.lists(st.sampled_from(sorted(INVITES)), min_size=1, max_size=3),
    facts=st.lists(st.tuples(MOMENTS, st.sampled_from(sorted(FACTS))), max_size=6),
    deeds=st.lists(st.sampled_from(["again", "dies", "hang up", "talk"]), max_size=3),
    act_s=DELAYS,
    delays=st.dictionaries(st.sampled_from(STORE_VERBS), DELAYS),
    bye_after_s=st.sampled_from([None, 0.01, 1.5]),
    open_after_s=DELAYS,
    targets=st.integers(0, 2),
)
def test_whatever_breaks_around_a_handoff_nothing_is_left(
    ladder: list[str],
    refers: list[str],
    invites: list[str],
    facts: list[tuple[float, str]],
    deeds: list[str],
    act_s: float,
    delays: dict[str, float],
    bye_after_s: float | None,
    open_after_s: float,
    targets: int,
) -> None:
    def arrange(board: Switchboard) -> None:
        stories(board, refers, invites)
        board.store.delays = delays
        board.sip.bye_after_s = bye_after_s
        board.media.open_after_s = open_after_s
        board.location.flows = board.location.flows * targets

    with capture_logs():
        board = play(agent_of(ladder, deeds, act_s), facts, arrange)
    (termination,) = board.observer.terminations
    (call,) = run_virtual(board.conversations())
    assert termination.reason is not TerminationReason.INTERNAL_ERROR
    assert call.state is CallState.ENDED
    assert call.closed is not None
    assert call.closed.termination == termination
    assert sorted(board.sip.taken) == sorted({1, *(sent.leg_id for sent in board.sip.invites)})
    assert board.agent.count(RunKind.START) == board.agent.count(RunKind.END) == 1
    check_truth(call)


@settings(max_examples=200)
@given(
    ladder=LADDERS,
    refers=st.lists(st.sampled_from(sorted(REFERS)), min_size=1, max_size=3),
    invites=st.lists(st.sampled_from(sorted(INVITES)), min_size=1, max_size=3),
    facts=st.lists(st.tuples(MOMENTS, st.sampled_from(sorted(FACTS))), max_size=4),
    breaking=st.frozensets(
        st.sampled_from(["save_turn", "save_outcome", "withdraw_outcome", "save_receipt"]), min_size=1
    ),
)
def test_a_disk_that_breaks_holds_nobody(
    ladder: list[str],
    refers: list[str],
    invites: list[str],
    facts: list[tuple[float, str]],
    breaking: frozenset[str],
) -> None:
    with capture_logs():  # their tracebacks take longer than all the rest
        board = play(
            agent_of(ladder, ["again"], 0.0),
            facts,
            lambda board: stories(board, refers, invites),
            breaking=breaking,
        )
    (call,) = run_virtual(board.conversations())
    assert call.state is CallState.ENDED
    assert call.closed is not None
    if "save_outcome" in breaking:
        # Nobody is sent away whose going is not on record.
        assert not board.sip.refers
        assert not board.sip.invites
        assert call.outcome is not None
        assert not call.outcome.handed_off
