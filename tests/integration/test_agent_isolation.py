"""Customer code that fails on real calls: its own caller is handed to the fall-back, nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.served import Served, alive, children, serving
from tieline.softphone.phone import PhoneCall, Softphone

SETTINGS = {"agent": {"function_limit_s": 2.0, "start_limit_s": 2.0, "runner_memory_mb": 128}}
WAYS = {
    "raise": "raised",
    "hang": "timed_out",
    "exit": "exited",
    "crash": "exited",
    "eat": "out_of_memory",
    "return": "bad_return",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with tight limits for customers' code. What its log says of failures is looked at here."""
    with serving(tmp_path_factory.mktemp("server"), SETTINGS) as running:
        yield running


@pytest.fixture
async def phone() -> AsyncIterator[Softphone]:
    async with Softphone() as opened:
        yield opened


async def call(served: Served, phone: Softphone, act: str, shared_id: str) -> PhoneCall:
    """Call the desk to have it act so."""
    host, port = served.sip_udp
    headers = [("X-Act", act), ("X-Shared-Id", shared_id)]
    return await phone.dial(f"sip:200@{host}:{port}", headers=headers)


@pytest.mark.parametrize("how", WAYS)
async def test_one_fails_and_the_other_goes_on(served: Served, phone: Softphone, how: str) -> None:
    other = await call(served, phone, "menu", f"other-{how}")
    broken = await call(served, phone, how, f"broken-{how}")
    await broken.audio.speech_ended()
    await broken.press("1")
    rescued = await asyncio.wait_for(broken.ended, 30)
    assert rescued.by == "them"
    assert rescued.header("X-Rescue") == "yes"

    assert not other.ended.done()
    heard = other.audio.packets_received
    await other.press("2")
    ending = await asyncio.wait_for(other.ended, 30)
    assert ending.header("X-Destination") == "service"
    assert other.audio.packets_received > heard

    found = await served.conversation(str(rescued.header("X-Conversation")))
    whole = await served.ended_call(found["sip_call_id"])
    assert whole["termination"]["reason"] == "agent_failed"
    assert WAYS[how] in whole["termination"]["detail"]
    answer = (await served.handoff(f"broken-{how}", wait_s=10)).answer
    assert answer["status"] == "ended_with_handoff"
    assert answer["data"]["pressed"] == "", "what the failed run did to the state does not count"


@pytest.mark.parametrize("how", ["raise", "hang", "exit"])
async def test_the_start_fails(served: Served, phone: Softphone, how: str) -> None:
    """The caller is answered, and handed to the fall-back at once."""
    broken = await call(served, phone, f"start-{how}", f"start-{how}")
    rescued = await asyncio.wait_for(broken.ended, 30)
    assert rescued.header("X-Rescue") == "yes"
    found = await served.conversation(str(rescued.header("X-Conversation")))
    assert (await served.ended_call(found["sip_call_id"]))["termination"]["reason"] == "agent_failed"


async def test_many_fail_at_once(served: Served, phone: Softphone) -> None:
    """Twelve calls whose code hangs, and one that works while they do."""
    broken = await asyncio.gather(*(call(served, phone, "hang", f"hang-{i}") for i in range(12)))
    good = await call(served, phone, "menu", "among-the-hanging")
    for one in broken:
        one.audio.press("1")
    await good.press("1")
    ending = await asyncio.wait_for(good.ended, 30)
    assert ending.header("X-Destination") == "sales"
    endings = await asyncio.wait_for(asyncio.gather(*(one.ended for one in broken)), 40)
    assert {one.header("X-Rescue") for one in endings} == {"yes"}
    assert await served.metric("tieline_agent_runs_total", kind="turn", result="timed_out") >= 12


async def test_the_host_is_killed(served: Served, phone: Softphone) -> None:
    """All agent processes die at once; calls afterwards find new ones."""
    host, port = served.sip_udp
    waiting = await call(served, phone, "menu", "host-killed")
    await waiting.audio.speech_ended()
    agents = agent_processes(served.process.pid)
    assert agents
    for pid in agents:
        kill(pid)
    await waiting.press("1")
    ending = await asyncio.wait_for(waiting.ended, 30)
    assert ending.header("X-Rescue") == "yes" or ending.header("X-Destination") == "sales"
    async with asyncio.timeout(30):
        while True:
            again = await phone.dial(f"sip:200@{host}:{port}", headers=[("X-Act", "leave")])
            if (await again.ended).header("X-Destination") == "at_once":
                break
    assert not alive(agents)


def agent_processes(pid: int) -> set[int]:
    """Processes below the server that run customers' code."""
    return {child for child in children(pid) if b"agent" in command_line(child)}


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
