"""Handoffs: what each method costs, and how many a second one server makes, beside calls that simply hang up.

    python -m bench.handoffs [--calls N] [--rate R] [--ceiling [300|301|302|303]]

Every call is answered, runs the agent's start function, and is handed over at once: by BYE; by REFER, which the peer
accepts with 202 and reports done by NOTIFY; by INVITE to a second SIPp, the human, who answers and hangs up. The
reference is the same call to the same agent, which ends it without a handoff. CPU is that of every process of the
server, commits included, divided by the calls; SIPp's own CPU of the same runs stands beside it, both ends together.
The server is pinned to one core, both SIPps to another. With `--ceiling`, of all methods or of one (300 hangs up, 301
is BYE, 302 REFER, 303 INVITE), it also looks for the highest rate without a failed call or a retransmission. It fails
when a call fails, or a method costs more than its goal, in times the reference.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.media import describe_machine
from bench.processes import measure, part_seconds, pin
from bench.scenario import (
    CONTACT,
    Counted,
    Sipp,
    answered,
    invite,
    receive,
    receive_request,
    reply,
    request,
    ring_and_answer,
    write,
)
from tieline.demo.process import ServerProcess

HERE = Path(__file__).parent
SERVER_CORE, PEER_CORE = 0, 1
CALLER_PORT, HUMAN_PORT = 15310, 15320
RATES = (25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800)
SETTLE_S = 1.5
RESOURCES = f"""
accounts: [{{slug: bench}}]
projects:
  - slug: transfers
    account: bench
    path: {HERE / "projects" / "transfers"}
    numbers: ["300", "301", "302", "303"]
    handoffs:
      - {{name: given back, sip_config: {{method: bye}}, sip_headers: [{{key: X-contained, value: $contained}}]}}
      - name: referred
        sip_config: {{method: refer, phone_number: "+15550100"}}
        sip_headers: [{{key: X-contained, value: $contained}}]
        fallback: []
      - name: bridged
        sip_config: {{method: invite, phone_number: "100", outbound_endpoint: human, outbound_encryption: UDP/RTP}}
        sip_headers: [{{key: X-contained, value: $contained}}]
        fallback: []
trunks:
  - {{name: callers, networks: [127.0.0.1/32]}}
  - {{name: human, networks: [127.0.0.2/32], target: "127.0.0.2:{HUMAN_PORT}"}}
"""


class Method(NamedTuple):
    """A way for a call to end: the number that asks for it, and what it may cost in times the reference."""

    title: str
    number: str
    scenario: str
    goal: float


METHODS = (
    Method("hang up (reference)", "300", "ended", 1.0),
    Method("BYE", "301", "ended", 1.3),
    Method("REFER", "302", "referred", 2.0),
    Method("INVITE", "303", "ended", 2.5),
)


class HandoffRun(NamedTuple):
    """One method at one rate: what SIPp counted, and microseconds of CPU for a call, ours and SIPp's."""

    method: Method
    counted: Counted
    cpu_us: float
    sipp_us: float
    parts: dict[str, float]

    @property
    def clean(self) -> bool:
        """Whether every call succeeded and nothing was sent twice."""
        return not self.counted.failed and not self.counted.resent


def write_scenarios(folder: Path) -> None:
    """The caller whose call is ended, the caller that is transferred, and the human."""
    ended = receive_request("BYE") + reply("200 OK") + '<timewait milliseconds="500"/>'
    told = [
        "Event: refer",
        "Subscription-State: terminated;reason=noresource",
        "Content-Type: message/sipfrag",
    ]
    notified = request("NOTIFY", 2, headers=[CONTACT, *told], body="SIP/2.0 200 OK\n") + receive(200)
    refer = receive_request("REFER") + reply("202 Accepted", headers=[CONTACT])
    write(folder / "ended.xml", invite(), answered(), ended)
    write(folder / "referred.xml", invite(), answered(), refer, notified, ended)
    leaving = request("BYE", 1, caller=False) + receive(200)
    write(folder / "human.xml", ring_and_answer(), leaving)


def run(server: ServerProcess, target: tuple[str, int], method: Method, rate: int, calls: int) -> HandoffRun:
    """So many calls at so many a second."""
    folder = server.folder
    limits = ["-r", str(rate), "-l", "4000", "-recv_timeout", "20000", "-timeout", str(30 + calls // rate)]
    human = None
    if method.number == "303":
        human = Sipp(
            folder, "human", PEER_CORE, "-sf", str(folder / "human.xml"), "-i", "127.0.0.2",
            "-p", str(HUMAN_PORT), "-m", str(calls), *limits,
        )  # fmt: skip
        time.sleep(0.5)
    before, parts = measure(server.pid).cpu_s, part_seconds(server.pid)
    children = children_seconds()
    caller = Sipp(
        folder, "caller", PEER_CORE, f"{target[0]}:{target[1]}", "-sf", str(folder / f"{method.scenario}.xml"),
        "-s", method.number, "-i", "127.0.0.1", "-p", str(CALLER_PORT), "-m", str(calls), *limits,
    )  # fmt: skip
    counted = caller.wait()
    time.sleep(SETTLE_S)  # the closing writes belong to the calls
    if human is not None:
        human.stop()
        answered_calls = human.count()
        counted = Counted(
            counted.good, counted.failed + answered_calls.failed, counted.resent + answered_calls.resent
        )
    spent, ended = measure(server.pid).cpu_s - before, part_seconds(server.pid)
    each = 1e6 / max(1, counted.good)
    split = {name: max(0.0, seconds - parts.get(name, 0.0)) * each for name, seconds in ended.items()}
    return HandoffRun(method, counted, spent * each, (children_seconds() - children) * each, split)


def children_seconds() -> float:
    """CPU seconds of the programs that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def show(runs: Sequence[HandoffRun]) -> bool:
    """The table; whether every run was clean and within its goal."""
    reference = runs[0].cpu_us
    print(
        f"{'':22} {'CPU us/call':>12} {'x hang up':>10} {'goal':>6} {'SIPp us':>8} {'x SIPp':>7} "
        f"{'failed':>7} {'resent':>7}"
    )
    held = True
    for found in runs:
        ratio = found.cpu_us / reference
        print(
            f"{found.method.title:22} {found.cpu_us:12.0f} {ratio:10.2f} {found.method.goal:6.1f} "
            f"{found.sipp_us:8.0f} {found.cpu_us / found.sipp_us:7.1f} "
            f"{found.counted.failed:7} {found.counted.resent:7}"
        )
        held = held and not found.counted.failed and ratio <= found.method.goal
    print()
    for found in runs:
        shares = (f"{name} {us:.0f}" for name, us in found.parts.items())
        print(f"{found.method.title}, us by part: {', '.join(shares)}")
    return held


def find_ceiling(server: ServerProcess, target: tuple[str, int], method: Method, seconds: int) -> None:
    """The highest of `RATES` at which every call succeeds and nothing is sent twice; one more try is granted."""
    best = 0
    for rate in RATES:
        for _ in range(2):
            found = run(server, target, method, rate, rate * seconds)
            print(
                f"{method.title}: {rate}/s: {found.counted.failed} failed, {found.counted.resent} resent, "
                f"{found.cpu_us:.0f} us/call",
                flush=True,
            )
            if found.clean:
                best = rate
                break
        else:
            break
    print(f"{method.title}: highest clean rate {best}/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and check that the goals hold."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.handoffs", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--calls", type=int, default=2000, help="calls of a measured run (%(default)s)")
    parser.add_argument(
        "--rate", type=int, default=100, help="calls a second of a measured run (%(default)s)"
    )
    parser.add_argument(
        "--ceiling", nargs="?", const="all", choices=("all", *(method.number for method in METHODS)),
        help="search the highest clean rate, of every method or of the one that is asked for by this number",
    )  # fmt: skip
    parser.add_argument("--seconds", type=int, default=5, help="length of a run of that search (%(default)s)")
    options = parser.parse_args(arguments)
    print(describe_machine())
    print(
        f"{options.calls} calls at {options.rate}/s; server on core {SERVER_CORE}, SIPp on core {PEER_CORE}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenarios(folder)
        (folder / "resources.yaml").write_text(RESOURCES)
        settings: dict[str, dict[str, Any]] = {
            "server": {"max_calls": 3000},
            "log": {"level": "error"},
            "rtp": {"port_first": 20000, "port_last": 39999},
        }
        server = ServerProcess(folder, settings)
        applied = server.command("apply", "-f", "resources.yaml")
        if applied.returncode:
            sys.exit(applied.stdout + applied.stderr)
        target = server.start().sip_udp
        try:
            pin(server.pid, SERVER_CORE)
            time.sleep(2)
            for method in METHODS:  # once before it counts
                run(server, target, method, options.rate, min(options.rate, options.calls))
            held = show([run(server, target, method, options.rate, options.calls) for method in METHODS])
            if options.ceiling:
                for method in (each for each in METHODS if options.ceiling in {"all", each.number}):
                    find_ceiling(server, target, method, options.seconds)
            log = server.log_tail()
        finally:
            server.stop()
    if log:
        print(f"the server's log:\n{log}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
