"""One media stream's WebSocket: what waits to be sent, marks that are waited for, and its end."""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol

from tieline.integrations.twilio.media_stream import write_audio, write_clear, write_mark

MOST_WAITING = 250
"""Messages that wait to be sent, five seconds of audio; a peer that reads more slowly than that loses the oldest."""


class StreamSocket(Protocol):
    """A WebSocket that Twilio has opened."""

    async def receive(self) -> str | bytes | None:
        """The next message; None once it is closed."""
        ...

    async def send(self, text: str) -> None:
        """Send a message; nothing once it is closed."""
        ...

    async def close(self) -> None:
        """Close it. May be repeated."""
        ...


class StreamWire:
    """What goes out on a stream. `stream_sid` is known once it has started; `send_all` is run beside the reading."""

    def __init__(self, socket: StreamSocket) -> None:
        self.stream_sid = ""
        self.dropped = 0
        self._socket = socket
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._marks: dict[str, asyncio.Future[None]] = {}
        self._names = itertools.count(1)
        self._closing = False

    async def send_all(self) -> None:
        """Send what waits, until `close` has been called and all of it is sent; then close the socket."""
        try:
            while (text := await self._waiting.get()) is not None:
                await self._socket.send(text)
        finally:
            await self._socket.close()

    def audio(self, pcmu: bytes) -> None:
        """Audio for the caller."""
        if self.stream_sid:
            self._put(write_audio(self.stream_sid, pcmu))

    def clear(self) -> None:
        """The caller is to hear nothing more of what was sent."""
        if self.stream_sid:
            self._put(write_clear(self.stream_sid))

    async def heard(self, limit_s: float) -> bool:
        """Wait until the caller has heard what was sent so far, at most `limit_s`; whether that was confirmed."""
        if not self.stream_sid or self._closing:
            return False
        name = f"m{next(self._names)}"
        done = self._marks[name] = asyncio.get_running_loop().create_future()
        self._put(write_mark(self.stream_sid, name))
        await asyncio.wait({done}, timeout=limit_s)
        self._marks.pop(name, None)
        return done.done() and not done.cancelled()

    def on_marked(self, name: str) -> None:
        """Twilio has played what was sent before this mark, or thrown it away."""
        done = self._marks.get(name)
        if done is not None and not done.done():
            done.set_result(None)

    def close(self) -> None:
        """Send what waits, then close. Nothing more is taken."""
        if not self._closing:
            self._closing = True
            self._waiting.put_nowait(None)
            self.lose()

    def lose(self) -> None:
        """The peer is gone: nobody confirms marks any more."""
        for done in self._marks.values():
            if not done.done():
                done.cancel()

    def _put(self, text: str) -> None:
        if self._closing:
            return
        if self._waiting.qsize() >= MOST_WAITING:
            self._waiting.get_nowait()
            self.dropped += 1
        self._waiting.put_nowait(text)
