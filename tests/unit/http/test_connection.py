"""What a connection of HTTP may send, and for how long, before it has said what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tieline.http import connection
from tieline.http.connection import MAX_OVERHEAD, HttpConnection

Exchange = Callable[..., Awaitable[bytes]]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Send parts to a server, and hear what it says until it ends the connection."""
    config = uvicorn.Config(answer, log_config=None, lifespan="off", ws="none")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpConnection(config, state, {}), "127.0.0.1", 0)

    async def send(*parts: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        heard = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(20):
                heard = await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
        return heard

    yield send
    server.close()


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


async def test_a_request_in_parts_is_answered(exchange: Exchange) -> None:
    body = b"x" * 200_000
    said = await exchange(HEAD + b"Content-Length: 200000\r\n\r\n", body[:70_000], body[70_000:])
    assert said.endswith(b"200000")


async def test_heads_without_end_are_cut(exchange: Exchange) -> None:
    line = b"X-More: " + b"x" * 1000 + b"\r\n"
    assert await exchange(HEAD, *[line] * (4 * MAX_OVERHEAD // len(line))) == b""


async def test_one_line_without_end_is_cut(exchange: Exchange) -> None:
    assert await exchange(b"GET /", *[b"x" * 10_000] * 40) == b""


async def test_trailers_without_end_are_cut(exchange: Exchange) -> None:
    begin = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    assert await exchange(begin, *[b"X-More: " + b"x" * 1000 + b"\r\n"] * 300) == b""


@pytest.mark.parametrize(
    "parts",
    [(), (b"GET / HTTP",), (HEAD + b"Content-Length: 5\r\n\r\nab",)],
    ids=["nothing", "half a head", "half a body"],
)
async def test_slow_peers_are_cut(
    exchange: Exchange, parts: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_S", 0.0)
    monkeypatch.setattr(connection, "LOOK_EVERY_S", 0.01)
    assert await exchange(*parts) == b""


@pytest.mark.parametrize(("body", "cut"), [(0, True), (50_000, True), (200_000, False)])
async def test_a_body_may_take_its_time(body: int, cut: bool) -> None:
    """As long as it keeps coming: what has come counts as time."""
    config = uvicorn.Config(answer, log_config=None, lifespan="off", ws="none")
    config.load()
    made = HttpConnection(config, ServerState(), {})
    ended: list[str] = []
    transport: Any = SimpleNamespace(abort=lambda: ended.append("cut"))
    made.transport = transport
    made.on_message_begin()
    made._begun_at = made.loop.time() - connection.REQUEST_S - 10
    made._body = body
    made._look()
    made._stop_looking()
    assert bool(ended) is cut
