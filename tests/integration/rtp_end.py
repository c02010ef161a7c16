"""The far end of a call's audio, written against the RFCs and not against our own code: G.711 µ-law and keys."""

from __future__ import annotations

import asyncio
import os
import struct
from typing import NamedTuple, cast

PCMU, EVENTS = 0, 101
FRAME = 160
SILENCE = b"\xff" * FRAME
KEYS = "0123456789*#ABCD"
LOUD = 3
"""µ-law segment from which on a sample counts as sound."""


class Heard(NamedTuple):
    """One packet that arrived."""

    at: float
    payload_type: int
    payload: bytes
    source: tuple[str, int]

    @property
    def loud(self) -> bool:
        """Whether it carries sound."""
        return any((~byte >> 4) & 7 >= LOUD for byte in self.payload)


class RtpEnd(asyncio.DatagramProtocol):
    """Hears from the moment it is opened; answers to where it hears from."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.remote: tuple[str, int] | None = None
        self._changed = asyncio.Event()
        self._sequence = int.from_bytes(os.urandom(2), "big")
        self._timestamp = 0
        self._ssrc = os.urandom(4)
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, host: str = "127.0.0.1") -> RtpEnd:
        """Bind to a free port."""
        loop = asyncio.get_running_loop()
        _, end = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        return end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(Heard(asyncio.get_running_loop().time(), data[1] & 0x7F, data[12:], addr))
        self.remote = addr
        self._changed.set()

    async def close(self) -> None:
        """Hear no more."""
        if self._transport is not None:
            self._transport.close()
            await asyncio.sleep(0)

    async def anything(self, after: int = 0) -> None:
        """Wait until more than `after` packets have arrived."""
        async with asyncio.timeout(40):
            while len(self.heard) <= after:
                self._changed.clear()
                await self._changed.wait()

    async def speech(self) -> None:
        """Wait until sound has been heard that had not been heard before, and then half a second of none."""
        start = len(self.heard)
        async with asyncio.timeout(40):
            while True:
                await self.anything(len(self.heard))
                loud = [index for index, packet in enumerate(self.heard[start:]) if packet.loud]
                if loud and len(self.heard) - start - loud[-1] > 25:
                    return

    async def send_silence(self, seconds: float) -> None:
        """Speak nothing, packet by packet."""
        for _ in range(round(seconds * 50)):
            await self.say(SILENCE)

    async def say(self, frame: bytes) -> None:
        """Speak one frame of 20 ms."""
        self.send(PCMU, frame)
        self._timestamp += FRAME
        await asyncio.sleep(0.02)

    async def press(self, keys: str, *, marker: bool = True, ends: int = 3) -> None:
        """Press keys as RFC 4733 events of 100 ms, the last packet repeated up to `ends` times."""
        for key in keys:
            start = self._timestamp
            for step in range(1, 6):
                self._event(key, start, step, marker=marker and step == 1, end=False)
                await asyncio.sleep(0.02)
            for _ in range(ends):
                self._event(key, start, 6, marker=False, end=True)
            self._timestamp = start + 6 * FRAME
            await self.send_silence(0.1)

    def _event(self, key: str, start: int, step: int, *, marker: bool, end: bool) -> None:
        payload = struct.pack("!BBH", KEYS.index(key), 0x80 * end | 10, step * FRAME)
        self.send(EVENTS | 0x80 * marker, payload, start)

    def send(self, payload_type: int, payload: bytes, timestamp: int | None = None) -> None:
        """One packet to where we hear from."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        at = self._timestamp if timestamp is None else timestamp
        self.send_raw(
            struct.pack("!BBHI4s", 0x80, payload_type, self._sequence, at & 0xFFFFFFFF, self._ssrc) + payload
        )

    def send_raw(self, datagram: bytes) -> None:
        """Any bytes to where we hear from."""
        assert self._transport is not None
        assert self.remote is not None, "nothing heard yet"
        self._transport.sendto(datagram, self.remote)
