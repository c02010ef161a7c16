"""How many calls one core of media carries.

Each call sends us RTP (parsed, its level decoded) and gets RTP from us (a clip, paced at 20 ms). The media process
has core 0 for itself; the load generator has core 1, one socket for all calls, and takes the arrival times from the
kernel, so that its own delays do not count. Calls are added until the 99.9th percentile of the packet spacing is
off by more than 12 ms, three times in a row: other programs on the core disturb, too, and the column `kept waiting`
shows for how much of the time they did.

    python -m bench.media [--goal 300] [--step 150] [--seconds 6] [--most 3000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import measure, pin
from tieline.media.messages import CloseLeg, ConnectLeg, LegClosed, Play, Report, StopPlay
from tieline.media.rtp import HEADER_BYTES, write_header
from tieline.net.media_link import MediaLink, MediaSettings

MEDIA_CORE, LOAD_CORE = 0, 1
LIMIT_MS = 12.0
ATTEMPTS = 3
FIRST_PORT, LAST_PORT = 30000, 39999
BUCKETS_PER_MS = 20
BUFFER_BYTES = 32 * 1024 * 1024
_TIMESTAMP = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33


@dataclass(frozen=True, slots=True)
class Step:
    """One load: how far packet spacing was off (ms), CPU of the media process, and packets that went missing."""

    calls: int
    off_p50: float
    off_p99: float
    off_p999: float
    off_max: float
    cpu: float
    waited: float
    us_per_frame: float
    memory: int
    received: int
    owed: int

    @property
    def steady(self) -> bool:
        """Whether the load was carried."""
        return self.off_p999 <= LIMIT_MS and self.received >= 0.995 * self.owed

    def bytes_per_call(self, at_rest: int) -> float:
        """What each call has added to the memory of the process."""
        return (self.memory - at_rest) / self.calls


class Load:
    """The far ends of all calls on one socket; a call is known by the port its packets come from."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.packets: list[bytearray] = []
        self.ports: list[int] = []
        self.frame = 0
        self.sent = 0

    def add(self, port: int) -> None:
        """One more call; its audio is loud and changes from byte to byte."""
        packet = bytearray(HEADER_BYTES) + bytes((port + 7 * place) & 0xFF for place in range(160))
        self.packets.append(packet)
        self.ports.append(port)

    def send(self, call: int) -> None:
        """The call's next packet."""
        frame = self.frame
        write_header(self.packets[call], 0, False, frame & 0xFFFF, 160 * frame & 0xFFFFFFFF, self.ports[call])
        self.socket.sendto(self.packets[call], ("127.0.0.1", self.ports[call]))
        self.sent += 1

    def drain(self) -> None:
        """Throw away what has arrived so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(256)

    def run(self, seconds: float) -> tuple[list[int], int]:
        """Send and receive for so long: how far each spacing was off, in 1/20 ms buckets, and packets received."""
        calls = range(len(self.ports))
        slots = [[call for call in calls if call % 20 == slot] for slot in range(20)]
        last: dict[int, int] = {}
        buckets = [0] * (BUCKETS_PER_MS * 1000)
        received = 0
        self.drain()
        started = time.monotonic()
        tick, last_tick = 0, int(seconds * 1000)
        receive, unpack = self.socket.recvmsg, _TIMESTAMP.unpack
        scale = 1_000_000 // BUCKETS_PER_MS
        while tick < last_tick:
            due = min(last_tick, int((time.monotonic() - started) * 1000))
            while tick < due:
                if tick % 20 == 0:
                    self.frame += 1
                for call in slots[tick % 20]:
                    self.send(call)
                tick += 1
            try:
                for _ in range(200):
                    _, ancillary, _, (_, port) = receive(256, 64)
                    seconds_part, nanoseconds = unpack(ancillary[0][2])
                    at = seconds_part * 1_000_000_000 + nanoseconds
                    before = last.get(port)
                    last[port] = at
                    received += 1
                    if before is not None:
                        buckets[min(abs(at - before - 20_000_000) // scale, len(buckets) - 1)] += 1
            except BlockingIOError:
                continue
        return buckets, received


def percentile(buckets: Sequence[int], share: float) -> float:
    """The value in ms below which `share` of the counted spacings lie."""
    wanted, seen = share * sum(buckets), 0
    for place, count in enumerate(buckets):
        seen += count
        if seen >= wanted and seen:
            return (place + 1) / BUCKETS_PER_MS
    return 0.0


def read_wait_s(pid: int) -> float:
    """Seconds for which the process was ready to run and the core was not free (proc(5), schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9


def measure_load(pid: int, load: Load, calls: int, seconds: float) -> Step:
    """Run the present load, print its line and give its figures."""
    load.run(1.0)
    before, waited_before, at = measure(pid), read_wait_s(pid), time.monotonic()
    buckets, received = load.run(seconds)
    after, waited_after, took = measure(pid), read_wait_s(pid), time.monotonic() - at
    cpu_s = after.cpu_s - before.cpu_s
    step = Step(
        calls, percentile(buckets, 0.5), percentile(buckets, 0.99), percentile(buckets, 0.999),
        percentile(buckets, 1.0), cpu_s / took, (waited_after - waited_before) / took,
        cpu_s / took / (50 * calls) * 1e6, after.resident, received, int(50 * calls * seconds),
    )  # fmt: skip
    print(
        f"{step.calls:6} {step.off_p50:8.2f} {step.off_p99:8.2f} {step.off_p999:8.2f} {step.off_max:8.2f} "
        f"{step.cpu:7.0%} {step.waited:13.1%} {step.us_per_frame:8.1f} {step.received / step.owed:9.2%}",
        flush=True,
    )
    return step


async def climb(
    link: MediaLink, load: Load, options: argparse.Namespace
) -> tuple[list[Step], dict[str, LegClosed]]:
    """Add calls step by step until spacing fails; the figures of every step, and of every leg at its end."""
    closed: dict[str, LegClosed] = {}

    def note(report: Report) -> None:
        if isinstance(report, LegClosed):
            closed[report.leg_id] = report

    (pid,) = link.pids
    link.put_clip("speech", bytes(place * 31 & 0xFF for place in range(8000 * 60)))
    steps: list[Step] = []
    calls = 0
    while calls < options.most:
        calls = options.goal if calls == 0 and options.goal < options.most else calls + options.step
        for number in range(len(load.ports), calls):
            port = await link.open_leg(f"leg-{number}", note)
            load.add(port)
            link.send(ConnectLeg(f"leg-{number}", load.address, 0, 101, True, True, 60.0))
        for _ in range(ATTEMPTS):
            for number in range(calls):
                link.send(Play(f"leg-{number}", len(steps) + 1, ["speech"]))
            await asyncio.sleep(0.2)
            steps.append(measure_load(pid, load, calls, options.seconds))
            for number in range(calls):
                link.send(StopPlay(f"leg-{number}"))
            if steps[-1].steady:
                break
        else:
            break
    for number in range(len(load.ports)):
        link.send(CloseLeg(f"leg-{number}"))
    async with asyncio.timeout(20):
        while len(closed) < len(load.ports):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return steps, closed


def bare_socket_calls() -> float:
    """The reference: microseconds for one `recvfrom_into` and one `sendto` of 172 bytes, and nothing else."""
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind(("127.0.0.1", 0))
    far.bind(("127.0.0.1", 0))
    near_address, far_address = near.getsockname(), far.getsockname()
    packet, buffer = bytes(172), bytearray(2048)
    rounds: list[float] = []
    for _ in range(20):
        spent = 0
        for _ in range(500):
            far.sendto(packet, near_address)
            began = time.perf_counter_ns()
            near.recvfrom_into(buffer)
            near.sendto(packet, far_address)
            spent += time.perf_counter_ns() - began
            far.recvfrom_into(buffer)
        rounds.append(spent / 500 / 1000)
    near.close()
    far.close()
    return statistics.median(rounds)


def describe_machine() -> str:
    """CPU, cores, kernel, Python and load, in a line."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:  # noqa: PTH123
        model = next(
            (line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "?"
        )
    system = os.uname()
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores, {system.sysname} {system.release}, "
        f"Python {sys.version.split()[0]}, load {load:.1f}"
    )


async def bench(options: argparse.Namespace) -> int:
    """Run the bench and print its table; 0 when the goal was met."""
    print(describe_machine())
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    link = MediaLink(MediaSettings(first_port=FIRST_PORT, last_port=LAST_PORT, max_calls=options.most))
    await link.start()
    load = Load()
    try:
        (pid,) = link.pids
        pin(pid, MEDIA_CORE)
        at_rest = measure(pid).resident
        print(
            f"{'calls':>6} {'off p50':>8} {'p99':>8} {'p99.9':>8} {'max ms':>8} "
            f"{'cpu':>7} {'kept waiting':>13} {'us/frame':>8} {'received':>9}"
        )
        steps, closed = await climb(link, load, options)
    finally:
        await link.stop()
        load.socket.close()
    carried = max((step.calls for step in steps if step.steady), default=0)
    clip_bytes = 8000 * 60
    last = steps[-1]
    lost = sum(leg.packets_lost for leg in closed.values())
    reference = bare_socket_calls()
    print(f"calls carried on one core: {carried} (goal {options.goal})")
    print(f"packets in: {load.sent} sent to us, {lost} lost; decoded: every one")
    print(
        f"CPU per call and frame (one packet in, one out): {steps[0].us_per_frame:.1f} us; "
        f"bare socket calls: {reference:.1f} us"
    )
    print(
        f"memory of the process: {at_rest / 1e6:.1f} MB at rest, "
        f"{(last.bytes_per_call(at_rest + clip_bytes)) / 1024:.1f} KiB a call"
    )
    return 0 if carried >= options.goal else 1


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="how many calls one core of media carries")
    parser.add_argument("--goal", type=int, default=300, help="the first load, and what is asked for")
    parser.add_argument("--step", type=int, default=150, help="calls added each time")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each load is measured")
    parser.add_argument("--most", type=int, default=3000, help="where to stop")
    return asyncio.run(bench(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
