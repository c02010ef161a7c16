"""Floods: the audio of running calls, and new calls of known trunks, while somebody floods us with SIP.

    python -m bench.flood [--calls N] [--flood-rate R] [--seconds S]

So many calls with an agent are up, with RTP both ways, and another trunk sets up new calls at a quiet pace. Meanwhile
(a) a stranger sends INVITEs, (b) a stranger sends garbage, (c) a known trunk sends INVITEs far above its `max_cps`,
each at the same rate. The reference is the same without a flood, in the same run. The server with all its processes
has one core, the floods and the far ends the other; arrivals are timed by the kernel. It fails when audio of running
calls is lost or, in 999 packets of 1,000, comes more than 12 ms off its time; when a new call of the quiet trunk fails
or one of a hundred takes longer than the goal; and when INVITEs above `max_cps` get anything but 503 with Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.caller import Call, Plan, Result, Wire
from bench.media import describe_machine
from bench.processes import measure, part_seconds, pin
from bench.rtp_ends import Figures, RtpEnd, figures, run
from tieline.demo.process import ServerProcess

HERE = Path(__file__).parent
SERVER_CORE, LOAD_CORE = 0, 1
RUNNING, STRANGER, PACED, QUIET = "127.0.0.1", "127.0.0.9", "127.0.0.5", "127.0.0.6"
QUIET_RATE = 20
OFF_GOAL_MS, SETUP_GOAL_MS = 12.0, 200.0
MAX_CPS = 10
RESOURCES = f"""
accounts: [{{slug: bench}}]
projects:
  - {{slug: transfers, account: bench, path: {HERE / "projects" / "transfers"}, numbers: ["310"]}}
  - {{slug: silent, account: bench, answer_only: true, numbers: ["200"]}}
trunks:
  - {{name: running, networks: [{RUNNING}/32]}}
  - {{name: paced, networks: [{PACED}/32], max_cps: {MAX_CPS}}}
  - {{name: quiet, networks: [{QUIET}/32]}}
"""


class Phase(NamedTuple):
    """What goes on beside the running calls: a kind of flood, and where it comes from."""

    title: str
    kind: str | None
    source: str


PHASES = (
    Phase("no flood (reference)", None, ""),
    Phase("(a) stranger, INVITEs", "invites", STRANGER),
    Phase("(b) stranger, garbage", "garbage", STRANGER),
    Phase("(c) trunk over max_cps", "invites", PACED),
)


class Found(NamedTuple):
    """What a phase came to."""

    phase: Phase
    audio: Figures
    setup: Result
    flood: dict[str, Any]
    cpu: float
    loop: float


def spawn(*words: str) -> subprocess.Popen[bytes]:
    """Start a program of ours on the load's core."""
    return subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, cwd=HERE.parent, env=os.environ
    )


def told_by(program: subprocess.Popen[bytes]) -> bytes:
    """What a program printed, once it has ended."""
    output, _ = program.communicate(timeout=120)
    if program.returncode:
        sys.exit(f"{program.args!r} failed")
    return output


async def hold(target: tuple[str, int], ends: Sequence[RtpEnd]) -> list[Call]:
    """Set up a call for each end, one after another."""
    result = Result()
    wire = await Wire(Plan(host=target[0], port=target[1], source=RUNNING, number="310")).open()
    calls = []
    for number, end in enumerate(ends):
        call = Call(wire, f"held-{time.time_ns():x}-{number}", result, end.port)
        if not await call.set_up():
            sys.exit(f"a call could not be set up: {result.refused}")
        end.remote = ("127.0.0.1", call.media_port)
        calls.append(call)
    return calls


def play(
    server: ServerProcess,
    target: tuple[str, int],
    phase: Phase,
    ends: Sequence[RtpEnd],
    rate: int,
    seconds: float,
) -> Found:
    """One phase."""
    plan = Plan(
        host=target[0], port=target[1], source=QUIET, calls=int(QUIET_RATE * seconds), rate=QUIET_RATE
    )
    flooder = None
    if phase.kind is not None:
        # It starts first and ends last: whatever is measured is measured within it.
        words = (phase.kind, target[0], str(target[1]), phase.source, str(rate), str(seconds + 3))
        flooder = spawn("bench.flooder", *words)
    run(ends, 1.5)
    for end in ends:
        end.clear()
    before, parts = measure(server.pid).cpu_s, part_seconds(server.pid)
    caller = spawn("bench.caller", json.dumps(msgspec.to_builtins(plan)))
    run(ends, seconds)
    cpu = (measure(server.pid).cpu_s - before) / seconds
    loop = (part_seconds(server.pid)["event loop"] - parts["event loop"]) / seconds
    audio = figures(ends)
    run(ends, 1.5)
    setup = msgspec.json.decode(told_by(caller), type=Result)
    flood = json.loads(told_by(flooder)) if flooder is not None else {}
    return Found(phase, audio, setup, flood, cpu, loop)


def show(found: Found, seconds: float) -> bool:
    """A line of the table; whether the phase is within the goals."""
    audio, setup, flood = found.audio, found.setup, found.flood
    failed = sum(setup.refused.values())
    print(
        f"{found.phase.title:24} {audio.p99:7.2f} {audio.p999:7.2f} {audio.most:8.2f} {audio.lost:6} "
        f"{setup.setup(0.5):8.2f} {setup.setup(0.99):8.2f} {failed:7} {found.cpu:7.0%} {found.loop:7.0%}",
        flush=True,
    )
    within = audio.p999 <= OFF_GOAL_MS and not audio.lost
    within = within and not failed and setup.setup(0.99) <= SETUP_GOAL_MS
    if flood:
        answered = ", ".join(f"{count} times {status}" for status, count in sorted(flood["statuses"].items()))
        print(
            f"{'':24} {flood['sent'] / (seconds + 3):.0f}/s sent; answered: {answered or 'never'}; with Retry-After: "
            f"{flood['retry_after']}; 99 of 100 answers within {flood['answer_ms_p99']} ms",
            flush=True,
        )
    if failed:
        print(f"{'':24} new calls refused with {setup.refused}, {setup.retry_after} with Retry-After")
    if found.phase.source == PACED:
        refused = flood["statuses"].get("503", 0)
        others = flood["sent"] - refused - flood["statuses"].get("200", 0)
        print(f"{'':24} above max_cps: {refused} refused by 503, {others} without an answer or with another")
        within = within and refused == flood["retry_after"] and others <= 0.001 * flood["sent"]
    return within


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and check that the goals hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.flood", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--calls", type=int, default=100, help="calls that are up, with audio (%(default)s)")
    parser.add_argument("--flood-rate", type=int, default=3000, help="messages a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase (%(default)s)")
    parser.add_argument("--only", choices="abc", help="only this flood, beside the reference")
    options = parser.parse_args(arguments)
    print(describe_machine())
    print(
        f"{options.calls} agent calls up; floods of {options.flood_rate}/s; {QUIET_RATE} new calls/s of a quiet trunk; "
        f"server on core {SERVER_CORE}, all else on core {LOAD_CORE}; goals: p99.9 {OFF_GOAL_MS:g} ms, "
        f"set-up p99 {SETUP_GOAL_MS:g} ms\n"
    )
    phases = [phase for phase in PHASES if phase.kind is None or f"({options.only or ''}" in phase.title]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resources.yaml").write_text(RESOURCES)
        settings = {"server": {"max_calls": options.calls + 500}, "log": {"level": "error"}}
        server = ServerProcess(folder, settings)
        applied = server.command("apply", "-f", "resources.yaml")
        if applied.returncode:
            sys.exit(applied.stdout + applied.stderr)
        target = server.start().sip_udp
        pin(server.pid, SERVER_CORE)
        os.sched_setaffinity(0, {LOAD_CORE})
        ends = [RtpEnd() for _ in range(options.calls)]
        try:
            with asyncio.Runner() as runner:
                calls = runner.run(hold(target, ends))
                print(f"{'':24} {'spacing of audio off by':>31} {'new calls: set-up':>24} {'server:':>15}")
                print(
                    f"{'':24} {'p99':>7} {'p99.9':>7} {'max ms':>8} {'lost':>6} {'p50':>8} {'p99 ms':>8} "
                    f"{'failed':>7} {'CPU':>7} {'SIP':>7}"
                )
                held = [
                    show(
                        play(server, target, phase, ends, options.flood_rate, options.seconds),
                        options.seconds,
                    )
                    for phase in phases
                ]
                ended = [runner.run(call.end()) for call in calls]
            log = server.log_tail()
        finally:
            server.stop()
            for end in ends:
                end.socket.close()
    print(f"\nrunning calls that were still up at the end: {sum(ended)} of {len(ended)}")
    if log:
        print(f"the server's log:\n{log}")
    return 0 if all(held) and all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
