"""One HTTP connection: what a peer may send, and for how long, before it has said what it wants; and how many may.

The parser beneath takes heads of any size, and waits for ever. A peer that sends headers without end, or one byte a
minute, would hold memory or a file descriptor for as long as it likes, and one that connects without end all of them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tieline.http.exchange import RETRY_AFTER, AsgiHandler

MAX_OVERHEAD = 65536
"""Bytes of a request besides its body: request line, headers, framing of chunks, trailers."""

REQUEST_S = 30.0
"""How long a request may take to come in whole, from its first byte, or from the connection's beginning.

For a body it is longer: see `LEAST_RATE`.
"""

LEAST_RATE = 10_000
"""Bytes a second of a body, at which a request may take longer: files are sent over slow lines, too."""

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a body on any path. Those of the API have less; what the studio takes from a browser is bounded here."""

LOOK_EVERY_S = 5.0

SPARE = 100
"""Connections over the limit that are told so. Further ones are cut at once."""

TELL_S = 5.0
"""How long a connection over the limit may take to ask what it is told no to."""

NO_WEBSOCKET = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class HttpConnection(HttpToolsProtocol):
    """uvicorn's, with limits. One timer a connection looks every few seconds, so that requests cost nothing more.

    Of more than `most` connections, WebSockets among them, those that come last are answered by `full`.
    """

    _begun_at: float | None = None
    _overhead = 0
    _body = 0
    _timer: asyncio.TimerHandle | None = None
    _is_over = False

    def __init__(self, *uvicorns: Any, most: int, full: AsgiHandler, **more: Any) -> None:
        super().__init__(*uvicorns, **more)
        self._most = most
        self._full: Any = full

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request is waited for from now on."""
        super().connection_made(transport)
        self._begun_at = self.loop.time()
        self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)
        over = len(self.connections) - self._most
        if over > SPARE:
            self._cut()
        elif over > 0:
            self._is_over = True
            self.app = self._full
            self._begun_at -= REQUEST_S - TELL_S

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody has to look any more."""
        self._stop_looking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request; the connection is cut when it holds too much besides the body."""
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_OVERHEAD and self._begun_at is not None:
            self._cut()

    def on_message_begin(self) -> None:
        """A request's first byte. What came with it is not counted: it is one read at most."""
        self._begun_at, self._overhead, self._body = self.loop.time(), 1, 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Part of a body, whose limits are those of its path."""
        self._overhead -= len(body)
        self._body += len(body)
        super().on_body(body)
        if self._body > MAX_BODY:
            self._cut()

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._begun_at = None
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection is a WebSocket's from now on, which has its own limits."""
        self._stop_looking()
        if self._is_over:
            self.transport.write(NO_WEBSOCKET % RETRY_AFTER[1])
            self.transport.close()
        else:
            super().handle_websocket_upgrade()

    def _look(self) -> None:
        begun_at, allowed_s = self._begun_at, REQUEST_S + self._body / LEAST_RATE
        if begun_at is not None and self.loop.time() - begun_at > allowed_s:
            self._cut()
        else:
            self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)

    def _stop_looking(self) -> None:
        self._begun_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        """End the connection without a word: whoever is so slow, or so long-winded, would not hear it."""
        self._stop_looking()
        transport: Any = self.transport
        if self._overhead:
            transport.abort()
        else:  # nothing has come, so a proxy may keep it in stock: the end is a polite one
            transport.close()
