"""The media half of `bench.tls`: legs with RTP both ways, plain and SRTP by turns in one media process.

`python -m bench.srtp` runs it alone.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys

from pylibsrtp import Policy, Session

from bench.media import (
    FIRST_PORT,
    LAST_PORT,
    LOAD_CORE,
    MEDIA_CORE,
    Load,
    bare_socket_calls,
    describe_machine,
)
from bench.processes import pin, thread_seconds
from tieline.media.g711 import PCMU
from tieline.media.messages import CloseLeg, ConnectLeg, LegClosed, Play, Report, SrtpKeys, StopPlay
from tieline.media.rtp import write_header
from tieline.net.media_link import MediaLink, MediaSettings

SUITE = "AES_CM_128_HMAC_SHA1_80"
ROUNDS = 3


class SecuredLoad(Load):
    """The far ends of all legs, with SRTP for those that have keys."""

    def __init__(self) -> None:
        super().__init__()
        self.secured: dict[int, Session] = {}

    def keys_of(self, leg: int) -> SrtpKeys:
        """Make a leg's keys, the far end's included."""
        theirs = leg.to_bytes(2, "big") * 15
        self.secured[leg] = Session(Policy(key=theirs, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
        return SrtpKeys(SUITE, bytes(30), theirs)

    def send(self, call: int) -> None:
        """The leg's next packet."""
        packet, port, frame = self.packets[call], self.ports[call], self.frame
        write_header(packet, PCMU, False, frame & 0xFFFF, 160 * frame & 0xFFFFFFFF, port)
        session = self.secured.get(call)
        self.socket.sendto(packet if session is None else session.protect(bytes(packet)), ("127.0.0.1", port))
        self.sent += 1


async def _turn(link: MediaLink, secure: bool, legs: int, seconds: float, name: str) -> tuple[float, int]:
    """One turn: microseconds of the process for a packet in and one out, and packets that were not authentic."""
    closed: list[LegClosed] = []

    def note(report: Report) -> None:
        if isinstance(report, LegClosed):
            closed.append(report)

    load = SecuredLoad()
    try:
        for leg in range(legs):
            leg_id = f"{name}-{leg}"
            load.add(await link.open_leg(leg_id, note))
            keys = load.keys_of(leg) if secure else None
            link.send(ConnectLeg(leg_id, load.address, PCMU, 101, True, True, 60.0, keys))
            link.send(Play(leg_id, 1, ["speech"]))
        await asyncio.sleep(0.2)
        load.run(0.5)
        (pid,) = link.pids
        before, sent = thread_seconds(pid), load.sent
        load.run(seconds)
        us = (thread_seconds(pid) - before) / max(1, load.sent - sent) * 1e6
        for leg in range(legs):
            link.send(StopPlay(f"{name}-{leg}"))
            link.send(CloseLeg(f"{name}-{leg}"))
        async with asyncio.timeout(20):
            while len(closed) < legs:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        load.socket.close()
    return us, sum(leg.packets_unauthentic for leg in closed)


async def measure_media(legs: int, seconds: float) -> float:
    """Print what both cost; the ratio of SRTP to plain RTP."""
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    link = MediaLink(MediaSettings(first_port=FIRST_PORT, last_port=LAST_PORT, max_calls=2 * legs))
    await link.start()
    found: dict[bool, list[float]] = {False: [], True: []}
    bad = 0
    try:
        (pid,) = link.pids
        pin(pid, MEDIA_CORE)
        link.put_clip("speech", bytes(place * 31 & 0xFF for place in range(8000 * 60)))
        await _turn(link, False, legs, 1.0, "warm")
        for number in range(ROUNDS):
            for secure in (False, True):
                us, unauthentic = await _turn(link, secure, legs, seconds, f"{number}-{secure}")
                found[secure].append(us)
                bad += unauthentic
    finally:
        await link.stop()
    plain, secured = statistics.median(found[False]), statistics.median(found[True])
    print(f"media, {legs} legs, {ROUNDS} turns of {seconds:g} s each, packet in and packet out, {SUITE}:")
    for title, us in (("RTP (reference)", plain), ("SRTP", secured)):
        print(f"{title:24} {us:6.1f} us, {us * 50 / 1e4:.3f} % of a core a call, {us / plain:.2f} times RTP")
    print(f"bare socket calls: {bare_socket_calls():.1f} us; packets that were not authentic: {bad}")
    return secured / plain if not bad else float("inf")


def main() -> int:
    """Run it alone, with the conditions of `bench.tls`."""
    print(describe_machine())
    return 0 if asyncio.run(measure_media(200, 5.0)) < float("inf") else 1


if __name__ == "__main__":
    sys.exit(main())
