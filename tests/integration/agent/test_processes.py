"""Customer functions that misbehave, in real processes: each costs its own run and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tieline.agent.messages import FailureKind, Run, RunKind, TurnResult
from tieline.agent.pool import AgentPool
from tieline.agent.ports import AgentPort
from tieline.agent.settings import KEPT_ENVIRONMENT, AgentSettings
from tieline.testing.agents import make_snapshot, write_project

TURN = """\
import ctypes, os, signal, subprocess, sys, threading, time
from _gen import *

KEPT = []

def turn_function(conv: Conversation, user_input: str):
    conv.log.info("begun")
    if user_input == "flow":
        return conv.goto_flow("Slow steps")
    globals()["do_" + user_input](conv)
    return {"utterance": f"{user_input} done", "listen": {"dtmf": {"num_digits": 1}}}

def do_work(conv):
    conv.state.count = (conv.state.count or 0) + 1

def do_slow(conv):
    started = time.monotonic()
    while time.monotonic() - started < 0.6: pass
    conv.state.slow = True

def do_raise(conv): raise ValueError("no")
def do_loop(conv):
    while True: pass
def do_sleep(conv): time.sleep(60)
def do_c_block(conv): sum(range(10**12))
def do_deaf(conv):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)
def do_stubborn(conv):
    while True:
        try: time.sleep(60)
        except BaseException: pass
def do_exit_now(conv): os._exit(7)
def do_exit(conv): sys.exit(3)
def do_crash(conv): ctypes.string_at(0)
def do_kill_self(conv): os.kill(os.getpid(), signal.SIGKILL)
def do_eat(conv):
    eaten = []
    while True: eaten.append(bytearray(10_000_000))
def do_close_all(conv): os.closerange(3, 1000)
def do_close_and_sleep(conv):
    os.closerange(3, 1000)
    time.sleep(60)
def do_garbage(conv):
    for fd in range(3, 30):
        try: os.write(fd, b"\\xff" * 64)
        except OSError: pass
def do_flood(conv):
    for _ in range(200_000): print("x" * 100)
def do_flood_fd(conv):
    for _ in range(2_000): os.write(1, b"x" * 10_000)
def do_fork(conv):
    if os.fork() == 0: time.sleep(60)
def do_fork_return(conv):
    os.fork()
def do_fork_exit(conv):
    child = os.fork()
    if child == 0: os._exit(0)
    time.sleep(0.05)
def do_child(conv): subprocess.Popen(["sleep", "60"])
def do_thread(conv): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
def do_kill_host(conv): os.kill(os.getppid(), signal.SIGKILL)
def do_kill_group(conv): os.killpg(0, signal.SIGKILL)
def do_keep(conv): KEPT.append(1)
def do_show(conv):
    conv.state.kept = len(KEPT)
    conv.state.pid = os.getpid()
    conv.state.environment = sorted(os.environ)
    conv.state.folder = os.getcwd()
    conv.state.path_has_project = any(os.path.samefile(p, ".") for p in sys.path if os.path.exists(p))
def do_attributes(conv):
    conv.integration_attributes["added"] = conv.state.big = "x" * 3_000_000
def do_unsendable(conv): conv.state.big = [bytes(1).decode() * 9_000_000] * 8
"""
STEPS = {
    "flows/slow_steps/flow_config.yaml": "name: Slow steps\ndescription: x\nstart_step: one\n",
    "flows/slow_steps/function_steps/one.py": "import time\ndef one(conv, flow):\n"
    "    time.sleep(0.7)\n    flow.goto_step('two')\n",
    "flows/slow_steps/function_steps/two.py": "import time\ndef two(conv, flow):\n"
    "    time.sleep(0.7)\n    flow.goto_step('three')\n",
    "flows/slow_steps/function_steps/three.py": "def three(conv, flow):\n    sum(range(10**12))\n",
}
START = "import time\ndef start_function(conv):\n    time.sleep(60)\n"
SETTINGS = AgentSettings(
    kept_environment=(*KEPT_ENVIRONMENT, "COVERAGE_PROCESS_CONFIG"),
    function_limit_s=1.0,
    start_limit_s=0.3,
    grace_s=0.2,
    memory_mb=64,
    runners_max=4,
    restart_delay_s=0.05,
)

Failure = tuple[FailureKind, str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {"functions/turn_function.py": TURN, "functions/start_function.py": START, **STEPS}
    return write_project(tmp_path_factory.mktemp("project").resolve(), files)


@pytest.fixture
async def pool(project: Path) -> AsyncIterator[AgentPool]:
    pool = AgentPool(project, SETTINGS)
    port: AgentPort = pool
    assert (await port.start()).ok
    assert pool.ready
    yield pool
    await pool.close()


def make_run(text: str, *, limit_s: float = 5.0, kind: RunKind = RunKind.TURN, **fields: Any) -> Run:
    return Run(run_id=1, kind=kind, conversation=make_snapshot(**fields), user_input=text, limit_s=limit_s)


async def run_beside_another(pool: AgentPool, text: str, limit_s: float = 5.0) -> TurnResult:
    """Run a misbehaving function while another call's function works; that one must finish untouched."""
    other = asyncio.create_task(pool.run(make_run("slow")))
    await asyncio.sleep(0.05)
    result = await pool.run(make_run(text, limit_s=limit_s))
    beside = await other
    assert beside.failure is None
    assert beside.conversation.state == {"slow": True}
    after = await pool.run(make_run("work", state={"count": 1}))
    assert after.failure is None
    assert after.conversation.state == {"count": 2}
    return result


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("raise", FailureKind.RAISED, "ValueError: no"),
        ("loop", FailureKind.TIMED_OUT, "turn_function did not return within 0.3 s."),
        ("sleep", FailureKind.TIMED_OUT, "turn_function did not return within 0.3 s."),
        ("c_block", FailureKind.TIMED_OUT, "was ended with its process"),
        ("deaf", FailureKind.TIMED_OUT, "was ended with its process"),
        ("stubborn", FailureKind.TIMED_OUT, "was ended with its process"),
        ("exit_now", FailureKind.EXITED, "its process exited with status 7."),
        ("exit", FailureKind.EXITED, "tried to exit the process (status 3)"),
        ("crash", FailureKind.EXITED, "killed by SIGSEGV"),
        ("kill_self", FailureKind.EXITED, "killed by SIGKILL (the kernel does that when"),
        ("kill_group", FailureKind.EXITED, "killed by SIGKILL"),
        ("eat", FailureKind.OUT_OF_MEMORY, "turn_function ran out of memory."),
        ("close_all", FailureKind.EXITED, "its process exited with status 70."),
        ("close_and_sleep", FailureKind.EXITED, "its process closed its connection."),
        ("garbage", FailureKind.EXITED, "its process sent something unreadable."),
    ],
)
async def test_a_run_that_fails_is_typed_and_costs_only_itself(
    pool: AgentPool, text: str, kind: FailureKind, message: str
) -> None:
    limit_s = 0.3 if kind is FailureKind.TIMED_OUT else 5.0
    result = await run_beside_another(pool, text, limit_s)
    assert result.failure is not None
    assert result.failure.kind is kind
    assert message in result.failure.message
    assert result.failure.function == "turn_function"
    assert result.conversation == make_snapshot()


@pytest.mark.parametrize(
    "text", ["fork", "fork_return", "fork_exit", "child", "thread", "flood_fd", "kill_host"]
)
async def test_a_run_that_leaves_something_behind_still_ends_well(pool: AgentPool, text: str) -> None:
    result = await run_beside_another(pool, text)
    assert result.failure is None
    assert result.utterances == [f"{text} done"]


@pytest.mark.parametrize("text", ["fork", "child", "thread"])
async def test_a_process_with_leftovers_serves_nobody_else(project: Path, text: str) -> None:
    pool = AgentPool(project, AgentSettings(runners_warm=1, runners_max=1))
    try:
        assert (await pool.start()).ok
        before = await pool.run(make_run("show"))
        assert (await pool.run(make_run(text))).failure is None
        after = await pool.run(make_run("show"))
        assert before.conversation.state["pid"] != after.conversation.state["pid"]
    finally:
        await pool.close()


async def test_a_flood_of_output_is_cut(pool: AgentPool) -> None:
    result = await pool.run(make_run("flood"))
    assert result.failure is None
    assert len(result.logs) <= 1_001
    assert result.logs[0].content == "begun"
    assert "further log lines were left out" in result.logs[-1].content


async def test_start_functions_have_a_shorter_limit(pool: AgentPool) -> None:
    result = await pool.run(make_run("", kind=RunKind.START, limit_s=10.0))
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TIMED_OUT
    assert result.failure.message == "start_function did not return within 0.3 s."


async def test_each_step_of_a_chain_has_its_own_time(pool: AgentPool) -> None:
    """Two steps of 0.7 s fit under a limit of 1 s each; the third hangs in C and is named as the one that did."""
    result = await pool.run(make_run("flow", limit_s=1.0))
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TIMED_OUT
    assert result.failure.function == "three"


async def test_what_a_runner_sees_of_the_server(
    pool: AgentPool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIELINE_TEST_SECRET", "x")
    other = AgentPool(project, SETTINGS)
    try:
        assert (await other.start()).ok
        state = (await other.run(make_run("show"))).conversation.state
    finally:
        await other.close()
    assert "TIELINE_TEST_SECRET" not in state["environment"]
    assert "PATH" in state["environment"]
    assert state["folder"] == str(project)
    assert state["path_has_project"] is False


async def test_large_conversations_travel_and_attributes_stay_as_they_came(pool: AgentPool) -> None:
    attributes = {"text": "y" * 3_000_000, "number": 10**30}
    result = await pool.run(make_run("attributes", limit_s=5.0, integration_attributes=attributes))
    assert result.failure is None
    assert len(result.conversation.state["big"]) == 3_000_000
    assert result.conversation.integration_attributes == attributes


async def test_a_result_too_large_to_send_is_a_failure(project: Path) -> None:
    pool = AgentPool(project, AgentSettings(memory_mb=2_000))
    try:
        assert (await pool.start()).ok
        result = await pool.run(make_run("unsendable", limit_s=10.0))
    finally:
        await pool.close()
    assert result.failure is not None
    assert result.failure.kind is FailureKind.BAD_RETURN
    assert "could not be sent" in result.failure.message


async def test_a_conversation_that_cannot_be_sent_is_a_failure(pool: AgentPool) -> None:
    result = await pool.run(make_run("work", state={"x": "\ud800"}))
    assert result.failure is not None
    assert result.failure.kind is FailureKind.NOT_LOADED
    assert (await pool.run(make_run("work"))).failure is None


async def test_runs_queue_for_a_runner_and_too_many_are_turned_away(project: Path) -> None:
    pool = AgentPool(project, AgentSettings(runners_warm=1, runners_max=1, queue_max=2, queue_wait_s=20.0))
    try:
        assert (await pool.start()).ok
        first = [asyncio.create_task(pool.run(make_run("slow"))) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert pool.waiting == 2
        refused = await pool.run(make_run("work"))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.OVERLOADED
        first[1].cancel()
        results = await asyncio.gather(first[0], first[2])
        assert [result.failure for result in results] == [None, None]
        assert pool.runners == 1
    finally:
        await pool.close()


async def test_waiting_for_a_runner_has_an_end(project: Path) -> None:
    pool = AgentPool(project, AgentSettings(runners_warm=1, runners_max=1, queue_wait_s=0.1))
    try:
        assert (await pool.start()).ok
        slow = asyncio.create_task(pool.run(make_run("slow")))
        await asyncio.sleep(0.05)
        refused = await pool.run(make_run("work"))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.OVERLOADED
        assert (await slow).failure is None
    finally:
        await pool.close()


async def test_a_cancelled_run_does_not_hurt_the_next(pool: AgentPool) -> None:
    task = asyncio.create_task(pool.run(make_run("slow")))
    await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    results = await asyncio.gather(*(pool.run(make_run("work")) for _ in range(8)))
    assert [result.failure for result in results] == [None] * 8


async def test_globals_live_as_long_as_a_process_and_fresh_ones_can_be_asked_for(project: Path) -> None:
    for runs, kept in ((0, 2), (1, 0)):
        pool = AgentPool(project, AgentSettings(runners_warm=1, runners_max=1, runs_per_runner=runs))
        try:
            assert (await pool.start()).ok
            await pool.run(make_run("keep"))
            await pool.run(make_run("keep"))
            assert (await pool.run(make_run("show"))).conversation.state["kept"] == kept
        finally:
            await pool.close()


async def test_a_dead_host_is_replaced_and_runs_wait_for_it(pool: AgentPool) -> None:
    for _ in range(2):
        host = find_host(pool)
        os.kill(host, signal.SIGKILL)
        results = await asyncio.gather(*(pool.run(make_run("work")) for _ in range(6)))
        assert [result.failure for result in results] == [None] * 6
        await wait_until(partial(has_other_host, pool, host))
    assert (await pool.run(make_run("work"))).failure is None


async def test_a_reload_takes_new_code_for_new_runs_and_lets_old_ones_finish(tmp_path: Path) -> None:
    source = (
        "import time\ndef turn_function(conv, user_input):\n"
        "    time.sleep(0.3)\n    return {'utterance': 'VERSION'}\n"
    )
    path = write_project(tmp_path, {"functions/turn_function.py": source.replace("VERSION", "one")})
    pool = AgentPool(path, SETTINGS)
    try:
        assert (await pool.start()).ok
        old = asyncio.create_task(pool.run(make_run("x")))
        await asyncio.sleep(0.05)
        write_project(tmp_path, {"functions/turn_function.py": source.replace("VERSION", "two")})
        assert (await pool.reload()).ok
        assert (await pool.run(make_run("x"))).utterances == ["two"]
        assert (await old).utterances == ["one"]
        write_project(tmp_path, {"functions/turn_function.py": "raise ValueError('broken')\n"})
        assert not (await pool.reload()).ok
        assert not pool.report.ok
        assert (await pool.run(make_run("x"))).utterances == ["two"], "the old code goes on"
        write_project(tmp_path, {"functions/turn_function.py": "def turn_function(:\n"})
        assert not (await pool.reload()).ok
    finally:
        await pool.close()


async def test_closing_fails_what_is_under_way_and_leaves_no_process(project: Path) -> None:
    pool = AgentPool(project, AgentSettings(runners_warm=1, runners_max=1))
    assert (await pool.start()).ok
    children = [find_host(pool), (await pool.run(make_run("show"))).conversation.state["pid"]]
    tasks = [asyncio.create_task(pool.run(make_run("sleep", limit_s=30.0))) for _ in range(2)]
    await asyncio.sleep(0.05)
    await pool.close()
    kinds = [result.failure.kind for result in await asyncio.gather(*tasks) if result.failure is not None]
    assert kinds == [FailureKind.EXITED, FailureKind.NOT_LOADED]
    for pid in children:
        await wait_until(partial(is_gone, pid))
    late = await pool.run(make_run("work"))
    assert late.failure is not None
    assert late.failure.kind is FailureKind.NOT_LOADED
    assert not pool.ready


async def test_a_killed_server_takes_every_process_along(project: Path) -> None:
    """Even a runner that is stuck in C code, which no signal handler reaches."""
    script = f"""
import asyncio, sys
from tests.integration.agent.test_processes import SETTINGS, AgentPool, find_host, make_run
async def main():
    pool = AgentPool({str(project)!r}, SETTINGS)
    await pool.start()
    shown = await pool.run(make_run("show"))
    print(find_host(pool), shown.conversation.state["pid"], flush=True)
    await asyncio.gather(pool.run(make_run("c_block", limit_s=60)), pool.run(make_run("sleep", limit_s=60)))
asyncio.run(main())
"""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert server.stdout is not None
    pids = [int(word) for word in (await server.stdout.readline()).split()]
    assert len(pids) == 2
    await asyncio.sleep(0.2)
    group = [pid for pid in list_pids() if read_parent(pid) == pids[0]]
    server.kill()
    await server.wait()
    for pid in {*pids, *group}:
        await wait_until(partial(is_gone, pid))


# ------------------------------------------------------------------------------------------------- looking on


def find_host(pool: AgentPool) -> int:
    """The process id of a pool's host; 0 while there is none."""
    generation = pool._generation
    if generation is None or generation.host is None:
        return 0
    return generation.host.pid or 0


def has_other_host(pool: AgentPool, host: int) -> bool:
    return find_host(pool) not in {0, host}


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"Z", "X"}


def list_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def read_parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def wait_until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fail the test when it does not within ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the processes are not ours to be woken by
            await asyncio.sleep(0.02)
