"""A small HTTP client for measuring: many keep-alive connections, as little work per request as Python allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

Request = Callable[[int], bytes]
"""Makes the bytes of the n-th request."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to: requests a second, counts by status, and latencies in seconds, sorted."""

    rate: float
    statuses: dict[int, int]
    latencies: list[float]

    def quantile(self, share: float) -> float:
        """The latency that `share` of the requests did not exceed, in milliseconds."""
        return 1000 * self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


class _Connection(asyncio.Protocol):
    """One connection: a request goes out when the answer before it has come, and not before its time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def send_next(self) -> None:
        number, due = self._run.take()
        if number is None or self._transport is None:
            return
        now = time.perf_counter()
        if due > now:
            asyncio.get_running_loop().call_later(due - now, self._send, number, due)
        else:
            self._send(number, due)

    def _send(self, number: int, due: float) -> None:
        if self._transport is None:
            return
        # At a given pace, time spent waiting for a free connection counts: the request was due.
        self._sent_at = due or time.perf_counter()
        self._transport.write(self._run.request(number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.find(b"content-length: ", 0, head) + 16
        length = int(self._buffer[at : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) < head + 4 + length:
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._run.note(status, time.perf_counter() - self._sent_at)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lose()


class _Run:
    def __init__(self, request: Request, count: int, interval_s: float) -> None:
        self.request = request
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.statuses: dict[int, int] = {}
        self.latencies: list[float] = []
        self._count, self._interval_s = count, interval_s
        self._taken = 0
        self._begun = time.perf_counter()

    def take(self) -> tuple[int | None, float]:
        if self._taken >= self._count:
            return None, 0.0
        self._taken += 1
        due = self._begun + self._taken * self._interval_s if self._interval_s else 0.0
        return self._taken - 1, due

    def note(self, status: int, latency: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append(latency)
        if len(self.latencies) == self._count and not self.done.done():
            self.done.set_result(None)

    def lose(self) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed a connection"))


async def load(
    host: str, port: int, request: Request, count: int, *, clients: int = 64, rate: float | None = None
) -> Load:
    """Send `count` requests over `clients` connections, as fast as they are answered or at `rate` a second."""
    loop = asyncio.get_running_loop()
    run = _Run(request, count, 1 / rate if rate else 0.0)
    made = [await loop.create_connection(lambda: _Connection(run), host, port) for _ in range(clients)]
    begun = time.perf_counter()
    for _, connection in made:
        connection.send_next()
    await run.done
    took = time.perf_counter() - begun
    for transport, _ in made:
        transport.abort()
    return Load(rate=count / took, statuses=run.statuses, latencies=sorted(run.latencies))


def get(path: str, host: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def post(path: str, host: str, key: str, body: bytes) -> bytes:
    """The bytes of a POST with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
