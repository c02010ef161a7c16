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


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Stands for what connections over the limit are told."""
    close = [(b"connection", b"close"), (b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 503, "headers": close})
    await send({"type": "http.response.body", "body": b"full"})


def made(state: ServerState, ws: Any = "none") -> HttpConnection:
    """A connection of a server that takes two."""
    config = uvicorn.Config(answer, log_config=None, lifespan="off", ws=ws)
    return HttpConnection(config, state, {}, most=2, full=refuse)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Send parts to a server, and hear what it says until it ends the connection."""
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: made(state, "websockets-sansio"), "127.0.0.1", 0)

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
    one = made(ServerState())
    ended: list[str] = []
    transport: Any = SimpleNamespace(abort=lambda: ended.append("cut"))
    one.transport = transport
    one.on_message_begin()
    one._begun_at = one.loop.time() - connection.REQUEST_S - 10
    one._body = body
    one._look()
    one._stop_looking()
    assert bool(ended) is cut


async def test_no_body_is_larger_than_any_may_be(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_BODY", 100_000)
    assert await exchange(HEAD + b"Content-Length: 200000\r\n\r\n", *[b"x" * 10_000] * 20) == b""
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert await exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20) == b""


ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


class Pipe:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: str | None = None

    def write(self, data: bytes) -> None:
        self.said += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "cut"

    def get_extra_info(self, _: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.ended is not None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def connected(state: ServerState, *parts: bytes) -> tuple[HttpConnection, Pipe]:
    """A connection on which something was asked, and how it was answered."""
    one, pipe = made(state, "websockets-sansio"), Pipe()
    one.connection_made(pipe)  # type: ignore[arg-type]
    for part in parts:
        one.data_received(part)
    await asyncio.gather(*state.tasks)
    return one, pipe


async def test_connections_over_the_limit_are_told_so_and_the_others_stay() -> None:
    state = ServerState()
    first, first_pipe = await connected(state, ASK)
    second, second_pipe = await connected(state, ASK)
    third, third_pipe = await connected(state, ASK)
    assert [b" 200 " in one.said for one in (first_pipe, second_pipe, third_pipe)] == [True, True, False]
    assert third_pipe.said.endswith(b"full")
    assert [one.ended for one in (first_pipe, second_pipe, third_pipe)] == [None, None, "closed"]
    browser, browser_pipe = await connected(state, UPGRADE)
    assert browser_pipe.said.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 5\r\n" in browser_pipe.said
    assert browser_pipe.ended == "closed"
    for one in (second, third, browser):
        one.connection_lost(None)
    first.data_received(ASK)
    await asyncio.gather(*state.tasks)
    assert first_pipe.said.count(b" 200 ") == 2
    fourth, fourth_pipe = await connected(state, ASK)
    assert b" 200 " in fourth_pipe.said
    for one in (first, fourth):
        one.connection_lost(None)


async def test_connections_far_over_the_limit_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SPARE", 1)
    state = ServerState()
    opened = [await connected(state) for _ in range(4)]
    assert [pipe.ended for _, pipe in opened] == [None, None, None, "closed"]
    assert opened[2][0]._begun_at is not None
    assert opened[2][0].loop.time() - opened[2][0]._begun_at >= connection.REQUEST_S - connection.TELL_S
    for one, _ in opened:
        one.connection_lost(None)
