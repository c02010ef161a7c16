"""Memory: a server at rest, and what each established call adds, with media and without.

    python -m bench.memory [--calls N]

SIPp holds the calls up. Figures are proportional set sizes of all the server's processes: memory that processes share
counts once. The reference is an asyncio process that holds a task and a future for each of as many imagined calls.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.processes import Usage, measure
from tieline.demo.process import ServerProcess

HERE = Path(__file__).parent
RESOURCES = f"""
accounts: [{{slug: bench}}]
projects:
  - {{slug: waiting, account: bench, path: {HERE / "projects" / "waiting"}, numbers: ["100"]}}
  - {{slug: silent, account: bench, answer_only: true, numbers: ["200"]}}
trunks:
  - {{name: loopback, networks: [127.0.0.0/8]}}
"""
REFERENCE = """
import asyncio, sys
async def hold(): await asyncio.get_running_loop().create_future()
async def main():
    tasks = [asyncio.create_task(hold()) for _ in range(int(sys.argv[1]))]
    await asyncio.sleep(0)
    print("up", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def hold(server: ServerProcess, target: tuple[str, int], number: str, calls: int) -> Usage:
    """The server's usage while SIPp holds `calls` calls to `number` up."""
    sipp = subprocess.Popen(
        ["sipp", f"{target[0]}:{target[1]}", "-sn", "uac", "-s", number, "-i", "127.0.0.1", "-nostdin",
         "-d", "12000", "-r", "100", "-m", str(calls), "-l", str(calls)],
        cwd=server.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(calls / 100 + 4)
    usage = measure(server.pid)
    sipp.wait()
    time.sleep(1)
    return usage


def measure_reference(calls: int) -> float:
    """Bytes that a bare task and future take."""
    sizes = []
    for count in (0, calls):
        process = subprocess.Popen([sys.executable, "-c", REFERENCE, str(count)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        sizes.append(measure(process.pid).resident)
        process.kill()
        process.wait()
        process.stdout.close()
    return (sizes[1] - sizes[0]) / calls


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description="memory at rest and per call")
    parser.add_argument("--calls", type=int, default=400, help="calls held up at a time (%(default)s)")
    calls = parser.parse_args(arguments).calls
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {platform.system()} {platform.release()}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resources.yaml").write_text(RESOURCES)
        server = ServerProcess(
            folder,
            {
                "server": {"max_calls": 2 * calls},
                "log": {"level": "warning"},
                "rtp": {"silence_timeout_s": 0},
            },
        )
        applied = server.command("apply", "-f", "resources.yaml")
        if applied.returncode:
            sys.exit(applied.stderr)
        target = server.start().sip_udp
        try:
            time.sleep(1)
            rest = measure(server.pid)
            for number in ("200", "100"):  # once before it counts: pools of the interpreter grow only once
                hold(server, target, number, calls)
            warm = measure(server.pid)
            silent = hold(server, target, "200", calls)
            talking = hold(server, target, "100", calls)
        finally:
            server.stop()
    print(f"at rest: {rest.resident / 2**20:.0f} MiB in {rest.processes} processes")
    print(f"after the first {2 * calls} calls: {warm.resident / 2**20:.0f} MiB")
    for text, usage in (("answered, no media", silent), ("agent and media", talking)):
        above = [max(0, usage.resident - base.resident) / calls / 1024 for base in (rest, warm)]
        print(
            f"{calls} calls up, {text}: {usage.resident / 2**20:.0f} MiB; a call {above[0]:.1f} KiB above rest, "
            f"{above[1]:.1f} KiB above the same server after its first calls"
        )
    print(f"reference, a bare task and future: {measure_reference(10_000) / 1024:.1f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
