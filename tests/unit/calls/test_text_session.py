"""Calls by text: the same walk, with somebody who types."""

from __future__ import annotations

from typing import Any

from tests.unit.gateway.gateway_parts import bring_in_text
from tieline.agent.messages import DtmfListen, Listen, Run, RunKind, TurnResult
from tieline.calls.text_session import NOT_CARRIED_OUT, PATIENCE_S, NoMedia
from tieline.media.messages import CloseLeg, Play, StopPlay
from tieline.model.call import TerminationReason
from tieline.model.conversation import Conversation
from tieline.model.handoff import Destination, HandoffMethod, SipConfig, SipHeader
from tieline.model.receipt import HandoffFailure, ReceiptState, Step
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.calls import Switchboard, play_calls
from tieline.testing.virtual_time import elapse, run_virtual, settle

FAR = Destination(
    name="far",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.INVITE, phone_number="sip:desk@192.0.2.20"),
    sip_headers=(SipHeader(key="X-Why", value="$why"),),
)
BACK = Destination(
    name="back",
    is_default=True,
    sip_config=SipConfig(method=HandoffMethod.BYE),
    sip_headers=(SipHeader(key="X-Why", value="$why"),),
)


def echo(run: Run) -> TurnResult:
    """Repeat the input; `bye` ends the call, `human` hands over, `keys` listens for four digits."""
    heard = run.user_input or ""
    if heard == "human":
        handoff = {"destination": "default", "reason": "asked"}
        return reply(run, "One moment.", state={"why": "asked"}, handoff=handoff)
    listen = None
    if heard == "keys":
        listen = Listen(dtmf=DtmfListen(num_digits=4, is_pii=True))
    if heard == "later":
        listen = Listen(listen=False)
    return reply(run, f"You said {heard}.", listen=listen, hangup=heard == "bye")


def only(board: Switchboard) -> Conversation:
    """The one stored call, whole."""
    (found,) = run_virtual(board.conversations())
    assert found.closed is not None
    return found


def play(*lines: str, **parts: Any) -> tuple[Switchboard, Any]:
    """A call in which these lines are typed, each after the answer to the one before."""
    seen: list[Any] = []

    async def story(board: Switchboard) -> None:
        leg, session = bring_in_text(board)
        seen[:] = [leg, session]
        await settle()
        for line in lines:
            if line.startswith("#"):
                session.press_keys(line[1:])
            else:
                session.type_text(line)
            await elapse(5.0)
        if leg.state.value != "ended":
            leg.hang_up()

    agent = ScriptedAgent(turn=echo, **parts)
    return play_calls(story, agent=agent), seen[1]


def test_lines_are_turns_and_everything_is_recorded() -> None:
    board, _ = play("hello", "bye")
    found = only(board)
    assert [(turn.channel, turn.user_input, turn.utterance) for turn in found.turns] == [
        ("start", None, "Welcome."), ("text", "hello", "You said hello."), ("text", "bye", "You said bye."),
        ("end", None, ""),
    ]  # fmt: skip
    assert found.closed is not None
    assert found.closed.termination.reason is TerminationReason.AGENT_HUNG_UP
    assert board.journal.count("open_leg") == 0
    assert [entry["text"].split(" ", 1)[0] for entry in found.closed.ladder][:2] == ["INVITE", "SIP/2.0"]


def test_nobody_is_hurried_and_keys_count_too() -> None:
    async def story(board: Switchboard) -> None:
        leg, session = bring_in_text(board)
        await elapse(600.0)
        assert board.agent.count(RunKind.TURN) == 0
        session.type_text("keys")
        await settle()
        session.press_keys("1234")
        await settle()
        leg.hang_up()

    board = play_calls(story, agent=ScriptedAgent(turn=echo))
    assert [run.user_input for run in board.agent.runs][1:3] == ["keys", "1234"]
    found = only(board)
    assert found.turns[2].user_input is None
    assert found.closed is not None
    assert found.closed.termination.reason is TerminationReason.CALLER_HUNG_UP


def test_a_turn_that_listens_to_nothing_is_followed_by_the_next_at_once() -> None:
    board, _ = play("later", "bye")
    assert [run.user_input for run in board.agent.runs][1:4] == ["later", "", "bye"]


def test_a_call_that_was_forgotten_is_ended() -> None:
    async def story(board: Switchboard) -> None:
        bring_in_text(board)
        await elapse(PATIENCE_S + 1)

    board = play_calls(story, agent=ScriptedAgent(turn=echo))
    assert board.observer.terminations[0].reason is TerminationReason.HELD_TOO_LONG


def test_a_handoff_is_planned_and_recorded_but_nobody_is_called() -> None:
    board, session = play("human", destinations=(FAR,))
    assert "invite" not in board.journal
    (plan,) = session.planned
    assert (plan.method, plan.route, plan.headers) == (
        HandoffMethod.INVITE, "sip:desk@192.0.2.20", (("X-Why", "asked"),),
    )  # fmt: skip
    found = only(board)
    (receipt,) = found.receipts
    assert receipt.state is ReceiptState.FAILED
    assert [step.step for step in receipt.steps] == [Step.REQUESTED, Step.SPOKEN, Step.SKIPPED]
    assert (receipt.steps[-1].failure, receipt.steps[-1].detail) == (
        HandoffFailure.NOT_SUPPORTED, NOT_CARRIED_OUT,
    )  # fmt: skip
    assert found.outcome is not None
    assert found.outcome.handed_off
    assert found.closed is not None
    assert found.closed.termination.reason is TerminationReason.HANDED_OFF
    assert NOT_CARRIED_OUT in found.closed.termination.detail


def test_a_give_back_ends_the_leg_with_its_headers() -> None:
    board, _ = play("human", destinations=(BACK,))
    found = only(board)
    assert found.closed is not None
    bye = next(entry["text"] for entry in found.closed.ladder if entry["text"].startswith("BYE"))
    assert "X-Why: asked" in bye


def test_no_media_answers_only_what_is_waited_for() -> None:
    async def story() -> None:
        told: list[Any] = []
        media = NoMedia()
        assert await media.open_leg("one", told.append) == 9
        media.send(Play("one", 1, ["a"]))
        media.send(Play("one", 2, ["a"], loop=True))
        media.send(StopPlay("one"))
        media.send(CloseLeg("one"))
        media.send(CloseLeg("one"))
        await settle()
        assert [type(report).__name__ for report in told] == ["Played", "LegClosed"]

    run_virtual(story())
