"""What one run of a customer's function costs: round trips a second and CPU a run, over all processes.

Beside it runs the floor: a bare process that echoes the same bytes over the same kind of socket.

    python -m bench.agent [--runs 5000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import socket
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.processes import descendants
from tieline.agent.messages import ConversationSnapshot, Run, RunKind
from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.agent.wire import encode

TURN_FUNCTION = """\
from _gen import *

def turn_function(conv, user_input):
    conv.state.presses = (conv.state.presses or 0) + 1
    return {"utterance": "Press 1 for sales.", "listen": {"dtmf": {"num_digits": 1}}}
"""


@dataclass(frozen=True)
class Measurement:
    """`rate` in round trips a second, CPU and latency in microseconds a round trip."""

    name: str
    rate: float
    cpu_us: float
    p50_us: float
    p99_us: float


def make_run(run_id: int) -> Run:
    """A turn of an ordinary call: a dozen headers, some attributes, a little state and history."""
    conversation = ConversationSnapshot(
        id="0bba04d7-38b3-4fd3-a1a8-329c34517fc1",
        account_id="ws-northwind",
        project_id="PROJECT-front-desk",
        env="live",
        channel_type="sip.polyai",
        sip_headers={f"X-Header-{index}": "value of ordinary length" for index in range(12)},
        integration_attributes={
            "shared_id": "4f1c",
            "customer": {"first_name": "Ada", "address": "test lane"},
        },
        caller_number="+15550123",
        callee_number="+15550100",
        state={"shared_id": "4f1c", "presses": 3, "tried": ["1", "2"]},
        history=[{"role": "agent", "text": "Press 1 for sales."}, {"role": "user", "text": "1"}] * 3,
    )
    return Run(run_id=run_id, kind=RunKind.TURN, conversation=conversation, user_input="1")


def read_cpu_s(pids: list[int]) -> float:
    """CPU seconds that processes have used so far, those that are gone not counted."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
        except OSError:
            continue
        total += int(fields[0]) / 1e9
    return total


async def measure_agent(runs: int, concurrent: int, root: Path) -> Measurement:
    """Runs through a pool, `concurrent` calls at a time."""
    pool = AgentPool(root, AgentSettings(runners_warm=concurrent, runners_max=concurrent))
    await pool.start()
    latencies: list[float] = []

    async def talk(count: int) -> None:
        for index in range(count):
            started = time.perf_counter()
            result = await pool.run(make_run(index))
            latencies.append(time.perf_counter() - started)
            assert result.failure is None

    await asyncio.gather(*(talk(100) for _ in range(concurrent)))
    latencies.clear()
    pids = descendants(os.getpid())
    before, started = read_cpu_s(pids), time.perf_counter()
    await asyncio.gather(*(talk(runs // concurrent) for _ in range(concurrent)))
    elapsed, cpu = time.perf_counter() - started, read_cpu_s(pids) - before
    await pool.close()
    return summarise(f"agent run, {concurrent} at a time", latencies, elapsed, cpu)


def measure_echo(runs: int) -> Measurement:
    """The floor: the bytes of a run to a bare process and back, blocking, nothing decoded."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while data := theirs.recv(256 * 1024):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    frame = bytes(encode(make_run(1)))
    latencies = []
    pids = [os.getpid(), pid]
    before, started = read_cpu_s(pids), time.perf_counter()
    for _ in range(runs):
        sent_at = time.perf_counter()
        ours.sendall(frame)
        left = len(frame)
        while left:
            left -= len(ours.recv(256 * 1024))
        latencies.append(time.perf_counter() - sent_at)
    elapsed, cpu = time.perf_counter() - started, read_cpu_s(pids) - before
    ours.close()
    os.waitpid(pid, 0)
    return summarise(f"bare echo of the same {len(frame)} bytes", latencies, elapsed, cpu)


def summarise(name: str, latencies: list[float], elapsed: float, cpu: float) -> Measurement:
    """The figures of one series."""
    count = len(latencies)
    percentiles = statistics.quantiles(latencies, n=100)
    return Measurement(name, count / elapsed, cpu / count * 1e6, percentiles[49] * 1e6, percentiles[98] * 1e6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5_000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "functions").mkdir()
        (root / "functions" / "turn_function.py").write_text(TURN_FUNCTION, encoding="utf-8")
        series = [measure_echo(runs)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            series += [runner.run(measure_agent(runs, concurrent, root)) for concurrent in (1, 2, 8)]
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, Linux {platform.release()}, {runs} runs"
    )
    print(f"{'':42}{'per second':>12}{'CPU us/run':>12}{'p50 us':>10}{'p99 us':>10}")
    for one in series:
        print(f"{one.name:42}{one.rate:12,.0f}{one.cpu_us:12.1f}{one.p50_us:10.0f}{one.p99_us:10.0f}")


if __name__ == "__main__":
    main()
