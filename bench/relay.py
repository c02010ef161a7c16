"""How many relayed calls one core of media carries, RTP both ways.

Each call is two legs joined: what one far end sends, the other gets. The media process has core 0 for itself; the
load generator has core 1 and one socket for all far ends. A packet carries the time at which it was sent, and the
kernel says when it came back, so the delay is that of our process, its queue, and loopback. Calls are added until
packets are lost or the slowest of them takes more than 20 ms, three times in a row: other programs on the core
disturb, too, and the column `kept waiting` shows for how much of the time they did. `a call` is the share of a core
that a call takes; `offered` is below 100 % when the load generator itself is full, and then no more is claimed.

    python -m bench.relay [--goal 500] [--step 100] [--seconds 6] [--most 2000] [--srtp] [--transcode]

With `--srtp` one side of each call has SRTP (its packets are counted, the delay is that of the other direction); with
`--transcode` one side speaks A-law. What bounds the figure is shown below the table: the share of the kernel, and bare
socket calls of the same size. It fails below the goal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.media import (
    _TIMESTAMP,
    BUCKETS_PER_MS,
    FIRST_PORT,
    LAST_PORT,
    LOAD_CORE,
    MEDIA_CORE,
    bare_socket_calls,
    describe_machine,
    percentile,
    read_wait_s,
)
from bench.processes import measure, pin
from bench.srtp import SecuredLoad
from tieline.media.g711 import PCMA, PCMU
from tieline.media.messages import CloseLeg, ConnectLeg, JoinLegs, LegClosed, Report
from tieline.media.rtp import HEADER_BYTES, write_header
from tieline.net.media_link import MediaLink, MediaSettings

LIMIT_MS = 20.0
ATTEMPTS = 3
_STAMP_BYTES = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One load: the delay of packets (ms), CPU of the media process, of which the kernel's, and packets lost."""

    calls: int
    p50: float
    p99: float
    p999: float
    most: float
    cpu: float
    kernel: float
    waited: float
    us_per_packet: float
    received: int
    sent: int
    offered: float

    @property
    def carried(self) -> bool:
        """Whether every packet arrived in time; those still under way at the end are forgiven."""
        return self.offered >= 0.98 and self.most <= LIMIT_MS and self.received >= 0.999 * self.sent


class RelayLoad(SecuredLoad):
    """The far ends of all calls. Leg `2 n` is joined with leg `2 n + 1`; with SRTP it is the odd ones that have it."""

    def send(self, call: int) -> None:
        """The leg's next packet, with the time in it."""
        packet, port, frame = self.packets[call], self.ports[call], self.frame
        write_header(packet, PCMU, False, frame & 0xFFFF, 160 * frame & 0xFFFFFFFF, port)
        packet[HEADER_BYTES : HEADER_BYTES + _STAMP_BYTES] = time.time_ns().to_bytes(_STAMP_BYTES, "big")
        session = self.secured.get(call)
        datagram = packet if session is None else session.protect(bytes(packet))
        self.socket.sendto(datagram, ("127.0.0.1", port))
        self.sent += 1

    def run(self, seconds: float) -> tuple[list[int], int]:
        """Send and receive for so long: the delays in 1/20 ms buckets, and the packets received."""
        legs = range(len(self.ports))
        slots = [[leg for leg in legs if leg % 20 == slot] for slot in range(20)]
        readable = frozenset(port for leg, port in enumerate(self.ports) if leg not in self.secured)
        buckets = [0] * (BUCKETS_PER_MS * 1000)
        received = 0
        self.drain()
        started = time.monotonic()
        tick, last_tick = 0, int(seconds * 1000)
        receive, unpack = self.socket.recvmsg, _TIMESTAMP.unpack
        scale = 1_000_000 // BUCKETS_PER_MS
        stamp = slice(HEADER_BYTES, HEADER_BYTES + _STAMP_BYTES)
        # The last 50 ms are for what is still under way.
        while tick < last_tick + 50:
            due = int((time.monotonic() - started) * 1000)
            while tick < due:
                if tick % 20 == 0:
                    self.frame += 1
                if tick < last_tick:
                    for leg in slots[tick % 20]:
                        self.send(leg)
                tick += 1
            try:
                for _ in range(200):
                    data, ancillary, _, (_, port) = receive(256, 64)
                    received += 1
                    if port in readable:
                        whole, part = unpack(ancillary[0][2])
                        delay = whole * 1_000_000_000 + part - int.from_bytes(data[stamp], "big")
                        buckets[min(max(delay, 0) // scale, len(buckets) - 1)] += 1
            except BlockingIOError:
                continue
        return buckets, received


def kernel_seconds(pid: int) -> float:
    """System time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return int(fields[12]) / os.sysconf("SC_CLK_TCK")


def measure_load(pid: int, load: RelayLoad, calls: int, seconds: float) -> Step:
    """Run the present load, print its line and give its figures."""
    load.run(1.0)
    sent_before = load.sent
    before, kernel_before, waited_before = measure(pid).cpu_s, kernel_seconds(pid), read_wait_s(pid)
    at = time.monotonic()
    buckets, received = load.run(seconds)
    took = time.monotonic() - at
    cpu_s, kernel_s = measure(pid).cpu_s - before, kernel_seconds(pid) - kernel_before
    sent = load.sent - sent_before
    step = Step(
        calls, percentile(buckets, 0.5), percentile(buckets, 0.99), percentile(buckets, 0.999),
        percentile(buckets, 1.0), cpu_s / took, kernel_s / max(cpu_s, 0.001),
        (read_wait_s(pid) - waited_before) / took, cpu_s / max(sent, 1) * 1e6, received, sent,
        (seconds + 0.05) / took,
    )  # fmt: skip
    print(
        f"{step.calls:6} {step.p50:8.2f} {step.p99:8.2f} {step.p999:8.2f} {step.most:8.2f} {step.cpu:7.0%} "
        f"{step.kernel:8.0%} {step.waited:13.1%} {step.us_per_packet:10.1f} {step.cpu / step.calls:10.3%} "
        f"{step.received / step.sent:9.2%} {step.offered:8.0%}",
        flush=True,
    )
    return step


async def add_calls(
    link: MediaLink, load: RelayLoad, calls: int, closed: dict[str, LegClosed], options: argparse.Namespace
) -> None:
    """Open and join legs until there are so many calls; transcoding and SRTP are the odd legs' business."""
    kind = PCMA if options.transcode else PCMU

    def note(report: Report) -> None:
        if isinstance(report, LegClosed):
            closed[report.leg_id] = report

    for leg in range(len(load.ports), 2 * calls):
        name = f"leg-{leg}"
        load.add(await link.open_leg(name, note))
        codec = kind if leg % 2 else PCMU
        keys = load.keys_of(leg) if options.srtp and leg % 2 else None
        link.send(ConnectLeg(name, load.address, codec, 101, True, True, 60.0, keys))
        if leg % 2:
            link.send(JoinLegs(f"leg-{leg - 1}", name))
    await asyncio.sleep(0.2)


async def climb(link: MediaLink, load: RelayLoad, options: argparse.Namespace) -> tuple[list[Step], int]:
    """Add calls step by step until the relay fails; the steps, and packets that were not authentic."""
    closed: dict[str, LegClosed] = {}
    (pid,) = link.pids
    steps: list[Step] = []
    calls = 0
    while calls < options.most:
        calls = min(options.goal if calls == 0 else calls + options.step, options.most)
        await add_calls(link, load, calls, closed, options)
        for _ in range(ATTEMPTS):
            steps.append(measure_load(pid, load, calls, options.seconds))
            if steps[-1].carried:
                break
        else:
            break
    for leg in range(len(load.ports)):
        link.send(CloseLeg(f"leg-{leg}"))
    async with asyncio.timeout(20):
        while len(closed) < len(load.ports):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return steps, sum(leg.packets_unauthentic for leg in closed.values())


async def bench(options: argparse.Namespace) -> int:
    """Run the bench and print its table; 0 when the goal was met."""
    print(describe_machine())
    print(
        f"SRTP on one side: {'yes' if options.srtp else 'no'}; transcoding: {'yes' if options.transcode else 'no'}"
    )
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    link = MediaLink(MediaSettings(first_port=FIRST_PORT, last_port=LAST_PORT, max_calls=2 * options.most))
    await link.start()
    load = RelayLoad()
    try:
        pin(link.pids[0], MEDIA_CORE)
        print(
            f"{'calls':>6} {'delay p50':>8} {'p99':>8} {'p99.9':>7} {'max ms':>8} {'cpu':>7} {'kernel':>8} "
            f"{'kept waiting':>13} {'us/packet':>10} {'a call':>10} {'received':>9} {'offered':>8}"
        )
        steps, unauthentic = await climb(link, load, options)
    finally:
        await link.stop()
        load.socket.close()
    return conclude(steps, unauthentic, options.goal)


def conclude(steps: Sequence[Step], unauthentic: int, goal: int) -> int:
    """Print what was carried and what bounds it; 0 when the goal was met."""
    carried = max((step.calls for step in steps if step.carried), default=0)
    fullest = max(steps, key=lambda step: step.cpu)
    print(f"relayed calls carried on one core: {carried} (goal {goal})")
    print(
        f"one packet in and on: {fullest.us_per_packet:.1f} us at {fullest.calls} calls, {fullest.kernel:.0%} of it "
        f"the kernel's; bare socket calls: {bare_socket_calls():.1f} us; one core is full at about "
        f"{1e6 / fullest.us_per_packet / 100:.0f} calls"
    )
    if any(step.offered < 0.98 for step in steps):
        print("the load generator could not offer more: the limit of the relay was not reached")
    if unauthentic:
        print(f"packets that were not authentic: {unauthentic}")
    return 0 if carried >= goal else 1


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.relay", description="how many relayed calls one core of media carries"
    )
    parser.add_argument("--goal", type=int, default=500, help="the first load, and what is asked for")
    parser.add_argument("--step", type=int, default=100, help="calls added each time")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each load is measured")
    parser.add_argument("--most", type=int, default=2000, help="where to stop")
    parser.add_argument("--srtp", action="store_true", help="SRTP on one side of each call")
    parser.add_argument("--transcode", action="store_true", help="µ-law on one side, A-law on the other")
    return asyncio.run(bench(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
