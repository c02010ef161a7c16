"""Every named behaviour of a peer against the whole server: each call ends once, with one outcome."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tieline.agent.messages import DtmfListen, Listen
from tieline.testing.call_parts import ScriptedAgent, reply
from tieline.testing.contact_center import BEHAVIOURS, Manners, MemoryCentre, PeerState, behaving
from tieline.testing.memory_server import MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual

FRONT_DESK = Path(__file__).parents[2] / "examples" / "front_desk"


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("key", ["0", "1", ""])
def test_a_caller_of_any_manners_leaves_one_outcome(name: str, key: str) -> None:
    """The caller asks for a person (a BYE handoff), gets an answer, or says nothing."""

    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            dni = (await server.reserve({"shared_id": "s-1"})).json()["dni"]
            centre = MemoryCentre(server, behaving(Manners(), [name]))
            call = centre.call_number(dni)
            await centre.until(
                lambda: call.state in {PeerState.UP, PeerState.OVER} or server.board.registry.sessions() == []
            )
            await elapse(10)
            if key and call.state is PeerState.UP:
                server.press(key)
            await elapse(400)
            if call.state is not PeerState.OVER:
                centre.act(call.hang_up)
            await server.idle()
            await elapse(100)
            assert server.sip.stack.is_idle(), server.sip.stack.leg_ids()
            answer = (await server.handoff_state(shared_id="s-1")).json()
            if call.up_at is not None:
                assert answer["shared_id"] == "s-1"
            (conversation,) = await server.board.conversations()
            assert conversation.closed is not None
            assert call.state is PeerState.OVER, centre.timeline.ladder()

    run_virtual(story())


@pytest.mark.parametrize(
    "name", ["call-cancelled", "call-cancelled-at-once", "call-doubled", "call-answer-lost"]
)
@pytest.mark.parametrize("slow_s", [0.3, 0.499, 0.5, 0.501, 3.0])
def test_a_caller_who_gives_up_around_the_answer(name: str, slow_s: float) -> None:
    """The CANCEL comes before, with and after the 200: one closing write whatever it meets."""

    async def story() -> None:
        async with MemoryServer.open(FRONT_DESK) as server:
            server.board.store.delays["open_conversation"] = slow_s
            centre = MemoryCentre(server, behaving(Manners(), [name]))
            call = centre.call_number("100")
            await elapse(20)
            centre.act(call.hang_up)
            await centre.over(call)
            await server.idle()
            await elapse(100)
            assert server.sip.stack.is_idle()
            (conversation,) = await server.board.conversations()
            assert conversation.closed is not None
            given_up = name.startswith("call-cancelled") and slow_s > 0.499
            reason = conversation.closed.termination.reason.value
            if given_up and slow_s > 0.501:
                assert (call.status, call.ended_by, reason) == (487, "cancelled", "caller_cancelled")
            assert reason in {"caller_cancelled", "caller_hung_up"}

    run_virtual(story())


@pytest.mark.parametrize(
    "name", ["timer-refresh-update", "timer-refresh-reinvite", "timer-short", "timer-none"]
)
def test_an_hour_holds(name: str) -> None:
    """Whoever refreshes, the call is up after an hour; the peer's promise is kept."""

    async def story() -> None:
        async with MemoryServer.open(hold_on()) as server:
            centre = MemoryCentre(server, behaving(Manners(), [name]))
            call = centre.call_number("100")
            await elapse(3600)
            assert call.state is PeerState.UP, centre.timeline.ladder()
            told = any(b"422 Session Interval Too Small" in entry.data for entry in centre.timeline)
            assert told is (name == "timer-short")
            centre.act(call.hang_up)
            await server.idle()

    run_virtual(story())


def test_a_promise_to_refresh_that_is_not_kept_ends_the_call() -> None:
    async def story() -> None:
        async with MemoryServer.open(hold_on()) as server:
            centre = MemoryCentre(server, behaving(Manners(), ["timer-lapsed"]))
            call = centre.call_number("100")
            await elapse(40)
            assert call.state is PeerState.UP
            await elapse(90)
            assert (call.state, call.ended_by) == (PeerState.OVER, "them"), centre.timeline.ladder()
            await server.idle()
            assert [each.reason.value for each in server.board.observer.terminations] == ["session_expired"]

    run_virtual(story())


def hold_on() -> ScriptedAgent:
    """An agent that says nothing and waits."""
    listen = Listen(dtmf=DtmfListen(first_digit_timeout=7200.0))
    return ScriptedAgent(
        start=lambda run: reply(run, listen=listen), turn=lambda run: reply(run, listen=listen)
    )


def test_the_guide_tells_the_truth() -> None:
    """The test that docs/howto/test-your-agent.md shows passes."""
    text = (Path(__file__).parents[2] / "docs" / "howto" / "test-your-agent.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "test-your-agent.md", "exec"), names)
    names["test_a_bye_that_nobody_answers_still_leaves_the_outcome"]()
    assert names["manners"].rules[0].label == "ACK"
