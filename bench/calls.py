"""Calls: SIPp's basic caller against one server on one core, beside SIPp's own called party in the same run.

    python -m bench.calls [--calls N] [--rates 50,100,...]

(a) signalling only: a route that answers with no agent. (b) the full path: each call dials a number that was reserved
with attributes over HTTP, the agent's start function runs and stores an outcome, the agent ends the call with BYE.
CPU is that of every process of the server, from the reservation to the closing write, divided by the calls. The server
is pinned to one core, SIPp to another; the highest rate is the last without a failed call or a retransmission.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.processes import measure, part_seconds, pin
from tieline.demo.process import Addresses, ServerProcess

HERE = Path(__file__).parent
SERVER_CORE, CALLER_CORE = 0, 1
KEY = "bench-key-0123456789abcdef0123456789abcdef"
NUMBERS = 20_000
RATES = (50, 100, 200, 300, 400, 500, 600, 800, 1000, 1200, 1500)

RESOURCES = f"""
accounts: [{{slug: bench}}]
projects:
  - {{slug: outcome, id: PROJECT-BENCH, account: bench, path: {HERE / "projects" / "outcome"}}}
  - {{slug: silent, account: bench, answer_only: true, numbers: ["200"]}}
pools:
  - {{name: bench, project: outcome, numbers: ["+155500000-+1555{NUMBERS - 1:05d}"], trunks: [loopback], ttl_s: 180}}
trunks:
  - {{name: loopback, networks: [127.0.0.0/8]}}
api_keys:
  - {{name: bench, account: bench, project: outcome, scopes: ["dni:reserve"], value_from_env: BENCH_KEY}}
"""


class CallRun(NamedTuple):
    """What one run of SIPp came to, and the CPU that the measured side spent, in microseconds a call."""

    rate: int
    calls: int
    failed: int
    retransmissions: int
    cpu_us: float
    parts: dict[str, float] | None = None

    @property
    def clean(self) -> bool:
        """Whether every call succeeded and nothing was sent twice."""
        return not self.failed and not self.retransmissions


def start_server(folder: Path) -> tuple[ServerProcess, Addresses]:
    """A server on the server's core, with the bench's resources."""
    (folder / "resources.yaml").write_text(RESOURCES)
    server = ServerProcess(
        folder, {"server": {"max_calls": 2000}, "log": {"level": "warning"}, "rtp": {"port_first": 20000}}
    )
    applied = server.command("apply", "-f", str(folder / "resources.yaml"), env={"BENCH_KEY": KEY})
    if applied.returncode:
        sys.exit(applied.stderr)
    addresses = server.start()
    pin(server.pid, SERVER_CORE)
    return server, addresses


def call(
    scenario: Sequence[str], target: tuple[str, int], rate: int, calls: int, folder: Path
) -> tuple[int, int, int]:
    """Run SIPp as the caller on the caller's core; successful and failed calls, retransmissions."""
    statistics = folder / "sipp.csv"
    statistics.unlink(missing_ok=True)
    subprocess.run(
        ["taskset", "-c", str(CALLER_CORE), "sipp", f"{target[0]}:{target[1]}", *scenario,
         "-i", "127.0.0.1", "-r", str(rate), "-m", str(calls), "-l", "4000", "-nostdin",
         "-trace_stat", "-stf", str(statistics), "-fd", "1",
         "-timeout", str(30 + calls // rate), "-recv_timeout", "20000"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    with statistics.open() as lines:
        last = list(csv.DictReader(lines, delimiter=";"))[-1]
    return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"])


def measure_sipp(rate: int, calls: int, folder: Path) -> CallRun:
    """The reference: SIPp's own called party."""
    uas = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), "sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", "15999", "-nostdin"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(1)
        before = measure(uas.pid).cpu_s
        good, failed, again = call(["-sn", "uac", "-d", "0"], ("127.0.0.1", 15999), rate, calls, folder)
        spent = measure(uas.pid).cpu_s - before
    finally:
        uas.kill()
        uas.wait()
    return CallRun(rate, good, failed, again, spent / max(1, good) * 1e6)


def measure_signalling(server: ServerProcess, target: tuple[str, int], rate: int, calls: int) -> CallRun:
    """(a): answered and held, no agent, no media."""
    before = measure(server.pid).cpu_s
    good, failed, again = call(["-sn", "uac", "-s", "200", "-d", "0"], target, rate, calls, server.folder)
    time.sleep(1)  # the closing writes belong to the calls
    spent = measure(server.pid).cpu_s - before
    return CallRun(rate, good, failed, again, spent / max(1, good) * 1e6)


def measure_full(server: ServerProcess, addresses: Addresses, rate: int, calls: int) -> CallRun:
    """(b): reserve, call, agent, outcome, BYE."""
    before = measure(server.pid).cpu_s
    parts = part_seconds(server.pid)
    numbers = reserve(addresses, calls)
    reserved = part_seconds(server.pid)
    listed = server.folder / "numbers.csv"
    listed.write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    scenario = ["-sf", str(HERE / "sipp" / "uac_agent_bye.xml"), "-inf", str(listed)]
    good, failed, again = call(scenario, addresses.sip_udp, rate, calls, server.folder)
    time.sleep(1)
    spent = measure(server.pid).cpu_s - before
    ended = part_seconds(server.pid)
    split = {"reservation": sum(reserved.values()) - sum(parts.values())}
    split |= {name: seconds - reserved.get(name, 0.0) for name, seconds in ended.items()}
    share = {name: max(0.0, seconds) / max(1, good) * 1e6 for name, seconds in split.items()}
    return CallRun(rate, good, failed, again, spent / max(1, good) * 1e6, share)


def reserve(addresses: Addresses, calls: int) -> list[str]:
    """Reserve a number for each call, one after another, with attributes."""
    host, _, port = addresses.http.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port))
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    numbers: list[str] = []
    for number in range(calls):
        attributes = {"shared_id": f"bench-{time.time_ns()}", "customer_id": str(number)}
        body = json.dumps({"attributes": attributes})
        connection.request("POST", "/v1/conversations/dni-reservation", body, headers)
        answer = json.loads(connection.getresponse().read())
        if "dni" not in answer:
            sys.exit(f"reservation {number} failed: {answer}")
        numbers.append(str(answer["dni"]))
    connection.close()
    return numbers


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and check that the goals hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.calls", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--calls", type=int, default=2000, help="calls of a measured run (%(default)s)")
    parser.add_argument(
        "--rate", type=int, default=100, help="calls a second of the CPU figures (%(default)s)"
    )
    parser.add_argument("--ceiling", action="store_true", help="also search the highest clean rate")
    options = parser.parse_args(arguments)
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {platform.system()} {platform.release()}"
    )
    print(
        f"{options.calls} calls at {options.rate}/s; server on core {SERVER_CORE}, SIPp on core {CALLER_CORE}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sipp = measure_sipp(options.rate, options.calls, folder)
        server, addresses = start_server(folder)
        try:
            time.sleep(2)
            at_rest = measure(server.pid)
            signalling = measure_signalling(server, addresses.sip_udp, options.rate, options.calls)
            full = measure_full(server, addresses, options.rate, options.calls)
            show(sipp, signalling, full, at_rest.resident, at_rest.processes)
            if options.ceiling:
                find_ceiling("(a) signalling only", lambda rate: measure_signalling(
                    server, addresses.sip_udp, rate, rate * 5))  # fmt: skip
                find_ceiling("(b) full path", lambda rate: measure_full(server, addresses, rate, rate * 5))
        finally:
            server.stop()
    held = (
        signalling.clean
        and full.clean
        and signalling.cpu_us <= 12 * sipp.cpu_us
        and full.cpu_us <= 33 * sipp.cpu_us
    )
    return 0 if held else 1


def show(sipp: CallRun, signalling: CallRun, full: CallRun, resident: int, processes: int) -> None:
    """The table of CPU per call."""
    print(f"{'':32} {'CPU us/call':>12} {'x SIPp':>8} {'goal':>6} {'failed':>7} {'resent':>7}")
    for name, run, goal in (
        ("SIPp -sn uas", sipp, 1),
        ("(a) signalling only", signalling, 12),
        ("(b) full path", full, 33),
    ):
        ratio = run.cpu_us / sipp.cpu_us
        print(f"{name:32} {run.cpu_us:12.0f} {ratio:8.1f} {goal:6} {run.failed:7} {run.retransmissions:7}")
    if full.parts is not None:
        whole = sum(full.parts.values())
        shares = (f"{name} {us:.0f} us ({us / whole:.0%})" for name, us in full.parts.items())
        print(f"\n(b) by part: {', '.join(shares)}")
    print(f"\nat rest: {resident / 2**20:.0f} MiB in {processes} processes (proportional set size)")


def find_ceiling(name: str, run: object) -> None:
    """The highest rate of RATES with no failed call and no retransmission."""
    assert callable(run)
    best = 0
    for rate in RATES:
        found: CallRun = run(rate)
        print(
            f"{name}: {rate}/s: {found.failed} failed, {found.retransmissions} resent, {found.cpu_us:.0f} us/call"
        )
        if not found.clean:
            break
        best = rate
    print(f"{name}: highest clean rate {best}/s")


if __name__ == "__main__":
    sys.exit(main())
