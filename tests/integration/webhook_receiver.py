"""A receiver of webhooks made of a socket: answers well, badly, slowly, or not at all, and keeps what it got."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LINGER_S = 0.1
"""How long a TLS handshake that the other side broke off may take to end."""

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Got:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body."""
        found: dict[str, Any] = json.loads(self.body)
        return found


async def say(writer: asyncio.StreamWriter, *parts: bytes, pause_s: float = 0.0) -> None:
    """Write parts, with pauses between them."""
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(pause_s)


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answer so."""
    lines = "".join(f"{one}\r\n" for one in headers)
    text = f"HTTP/1.1 {code} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return lambda writer: say(writer, text)


async def well(writer: asyncio.StreamWriter) -> None:
    """Answer 200."""
    await say(writer, OK)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""


class Receiver:
    """Listens on a loopback port. `answer` is what the next requests get."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._host, self.port, self._tls = host, port, tls
        self.got: list[Got] = []
        self.connections = 0
        self.answer: Answer = well
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://{self._host}:{self.port}/hook?a=b"

    def subjects(self, subject: str) -> list[str]:
        """The types of events about a subject, as they came."""
        return [one.event["type"] for one in self.got if one.event["subject"] == subject]

    async def __aenter__(self) -> Receiver:
        await self.start()
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await asyncio.sleep(LINGER_S if self._tls else 0)
            self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *fields = head.split("\r\n")
                headers = {
                    name: value.strip() for name, _, value in (one.partition(":") for one in fields if one)
                }
                body = await reader.readexactly(int(headers.get("Content-Length", "0")))
                self.got.append(Got(line, headers, body))
                await self.answer(writer)
                if self.answer is not well:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
