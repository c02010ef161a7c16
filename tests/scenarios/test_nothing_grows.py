"""Call after call, handed off by every method: what is kept of them in memory does not grow with their number."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from tests.scenarios.test_ladder_walk import LADDER, WITH_OUT, hand_over
from tieline.testing.call_parts import ScriptedAgent
from tieline.testing.calls import EXTENSION
from tieline.testing.contact_center import Manners, MemoryCentre, behaving
from tieline.testing.memory_server import HUMAN, MemoryServer
from tieline.testing.virtual_time import elapse, run_virtual

CALLS = 6
LEFT_OUT = ("tieline.testing", "tieline.store", "tieline.observe.metrics", "structlog")
"""What keeps records on purpose: the test's own parts, and the store."""


def sizes(*roots: object) -> dict[str, int]:
    """The length of every container that can be reached from `roots`, summed by where it hangs."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    queue: deque[tuple[str, Any]] = deque((type(root).__name__, root) for root in roots)
    while queue:
        path, thing = queue.popleft()
        if id(thing) in seen or isinstance(thing, type | str | bytes | int | float):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | frozenset | deque | tuple):
            found[path] = found.get(path, 0) + len(thing)
            inside = [*thing.values(), *thing.keys()] if isinstance(thing, dict) else list(thing)
            queue.extend((f"{path}[]", each) for each in inside)
        elif type(thing).__module__.startswith("tieline") and not type(thing).__module__.startswith(LEFT_OUT):
            names = {*getattr(thing, "__dict__", {}), *getattr(type(thing), "__slots__", ())}
            queue.extend((f"{path}.{name}", getattr(thing, name, None)) for name in sorted(names))
        elif hasattr(thing, "__self__"):
            queue.append((path, thing.__self__))
    return found


async def call_and_hand_over(server: MemoryServer, sbc: MemoryCentre, number: int) -> None:
    call = sbc.call_number(EXTENSION, caller=f"+1555765{number:04}")
    await sbc.up(call)
    await server.until("played Welcome.", times=number + 1)
    server.press("1#")
    await elapse(10.0)
    if any(session.call_id for session in server.board.registry.sessions()):
        sbc.act(call.hang_up)
    await sbc.over(call)
    await server.idle()


@pytest.mark.parametrize(
    ("to", "manners"),
    [
        ("people", "refer-polite"), ("people", "refer-no-notify"), ("people", "refer-digest-stale"),
        ("people", "refer-notify-after-bye"), ("people", "refer-403"), ("human", "invite-early-media"),
        ("human", "invite-forked-answers"), ("human", "invite-reliable"), ("human", "invite-digest-proxy"),
        ("human", "invite-trying-only"), ("human", "timer-refresh-reinvite"), ("human", "reinvite-hold"),
        ("desk", "bye-unanswered"), ("desk", "timer-short"), ("desk", "ack-late"),
    ],
)  # fmt: skip
def test_nothing_grows_with_the_number_of_calls(to: str, manners: str) -> None:
    async def story() -> None:
        agent = ScriptedAgent(turn=hand_over(to), destinations=LADDER)
        async with MemoryServer.open(agent, WITH_OUT) as server:
            sbc = MemoryCentre(server, behaving(Manners(), [manners]))
            MemoryCentre(server, behaving(Manners(), [manners]), name="human", address=HUMAN)
            measured = []
            for round_ in range(3):
                for number in range(CALLS):
                    await call_and_hand_over(server, sbc, round_ * CALLS + number)
                await elapse(400.0)
                stack = server.sip.stack
                assert stack.is_idle()
                assert stack.next_deadline() is None
                measured.append(sizes(stack, server.board.registry, server.board.admission))
                assert len(asyncio.all_tasks()) == 1
            _, second, third = measured
            assert {path: size for path, size in third.items() if size > second.get(path, 0)} == {}

    run_virtual(story())
