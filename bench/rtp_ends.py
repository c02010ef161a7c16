"""The far ends of running calls: RTP in and out at 50 packets a second, with what arrives timed by the kernel.

An end is told where its peer is, and hears nobody else. What it sends carries the time at which it
was sent, so that an end which hears another end of ours knows how long the packet was under way; everything else that
is heard is judged by the spacing of packets, which should be 20 ms.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.media import BUCKETS_PER_MS, percentile
from tieline.media.g711 import PCMU
from tieline.media.rtp import HEADER_BYTES, write_header

_SO_TIMESTAMPNS = 35
_TIMESTAMP = struct.Struct("@qq")
_MARK = b"tieline bench"
_STAMP = slice(HEADER_BYTES + len(_MARK), HEADER_BYTES + len(_MARK) + 8)
_FRAME_NS = 20_000_000
_SCALE = 1_000_000 // BUCKETS_PER_MS
_BUCKETS = BUCKETS_PER_MS * 2000
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """What some ends heard: packets, those missing by number, and how far spacing was off, or the delay, in ms."""

    received: int
    lost: int
    p50: float
    p99: float
    p999: float
    most: float


class RtpEnd:
    """One end on a socket of its own; `remote` is None until the peer is known."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.port: int = self.socket.getsockname()[1]
        self.remote: tuple[str, int] | None = None
        self._packet = bytearray(HEADER_BYTES) + _MARK + bytes(160 - len(_MARK))
        self._sequence = 0
        self.sent = 0
        self.clear()

    def clear(self) -> None:
        """Forget what was heard so far."""
        self.received = 0
        self.spacing = [0] * _BUCKETS
        self.delay = [0] * _BUCKETS
        self._last_at = 0
        self._first = self._highest = -1

    @property
    def lost(self) -> int:
        """Numbers that are missing between the first and the last packet heard."""
        return 0 if self._first < 0 else max(0, self._highest - self._first + 1 - self.received)

    def send(self) -> None:
        """The next packet, if it is known where to."""
        if self.remote is None:
            return
        packet, sequence = self._packet, self._sequence
        write_header(packet, PCMU, False, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, self.port)
        packet[_STAMP] = time.time_ns().to_bytes(8, "big")
        self.socket.sendto(packet, self.remote)
        self._sequence += 1
        self.sent += 1

    def hear(self) -> None:
        """Take everything that has arrived."""
        while True:
            try:
                data, ancillary, _, source = self.socket.recvmsg(512, 64)
            except BlockingIOError:
                return
            if source != self.remote:
                continue
            whole, part = _TIMESTAMP.unpack(ancillary[0][2])
            at = whole * 1_000_000_000 + part
            self.received += 1
            self._number(int.from_bytes(data[2:4], "big"))
            if data[HEADER_BYTES : HEADER_BYTES + len(_MARK)] == _MARK:
                delay = max(0, at - int.from_bytes(data[_STAMP], "big"))
                self.delay[min(delay // _SCALE, _BUCKETS - 1)] += 1
            if self._last_at:
                off = abs(at - self._last_at - _FRAME_NS)
                self.spacing[min(off // _SCALE, _BUCKETS - 1)] += 1
            self._last_at = at

    def _number(self, sequence: int) -> None:
        """Extend the sequence number over its wraps."""
        if self._first < 0:
            self._first = self._highest = sequence
            return
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead < 0x8000:
            self._highest += ahead


def figures(ends: Sequence[RtpEnd], *, delay: bool = False) -> Figures:
    """The figures of some ends together."""
    columns = zip(*(end.delay if delay else end.spacing for end in ends), strict=True)
    buckets = [sum(column) for column in columns]
    shares = [percentile(buckets, share) for share in (0.5, 0.99, 0.999, 1.0)]
    return Figures(sum(end.received for end in ends), sum(end.lost for end in ends), *shares)


def run(ends: Sequence[RtpEnd], seconds: float, every_second: Callable[[int], bool] | None = None) -> None:
    """Send and hear for so long; `every_second` is told the seconds so far, and ends it by returning False.

    Sending is spread over the frame. It waits in `epoll` and so leaves the core to others: arrivals are timed by the
    kernel, and a packet that leaves late is stamped when it leaves.
    """
    poll = select.epoll()
    hearing = {end.socket.fileno(): end.hear for end in ends}
    for descriptor in hearing:
        poll.register(descriptor, select.EPOLLIN)
    slots = [[end for number, end in enumerate(ends) if number % 20 == slot] for slot in range(20)]
    started = time.monotonic()
    tick, last_tick = 0, round(seconds * 1000)
    try:
        while tick < last_tick:
            due = min(last_tick, int((time.monotonic() - started) * 1000))
            while tick < due:
                for end in slots[tick % 20]:
                    end.send()
                tick += 1
                if tick % 1000 == 0 and every_second is not None and not every_second(tick // 1000):
                    return
            wait = max(0.0, started + (tick + 1) / 1000 - time.monotonic())
            for descriptor, _ in poll.poll(wait):
                hearing[descriptor]()
    finally:
        poll.close()
