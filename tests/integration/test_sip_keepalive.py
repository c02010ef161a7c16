"""Keep-alives on streams (RFC 5626 section 3.5.1), and when a silent connection is given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.integration.sip_phone import FAST, HOST, OPTIONS, SDP, Phone, phone, until
from tests.ports import free_port
from tieline.net.sip_connection import StreamLimits
from tieline.sip.events import Flow, InviteReceived, OptionsCompleted, OptionsReceived, Transport

QUICK = StreamLimits(keepalive_s=0.15, pong_s=1.5, message_s=0.5)
"""A machine that holds both ends up for a second shall not make a pong late."""
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@asynccontextmanager
async def connected(to: Phone) -> AsyncIterator[tuple[Reader, Writer]]:
    reader, writer = await asyncio.open_connection(*to.address)
    writer.write(OPTIONS % (1, 1))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_silent_peer_is_pinged_and_stays_if_it_never_answered() -> None:
    async with phone(limits=QUICK) as called, connected(called) as (reader, _):
        for _ in range(4):
            assert await asyncio.wait_for(reader.readexactly(4), 30) == b"\r\n\r\n"
        assert called.endpoint.connections == 1


async def test_a_peer_that_answered_once_and_then_does_not_is_gone() -> None:
    async with phone(limits=QUICK) as called, connected(called) as (reader, writer):
        for _ in range(3):
            assert await asyncio.wait_for(reader.readexactly(4), 30) == b"\r\n\r\n"
            writer.write(b"\r\n")
        assert called.endpoint.connections == 1
        assert await asyncio.wait_for(reader.readexactly(4), 30) == b"\r\n\r\n"
        with contextlib.suppress(OSError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        await until(lambda: called.endpoint.connections == 0)


async def test_two_of_ours_keep_each_other() -> None:
    async with phone(limits=QUICK) as caller, phone(limits=QUICK) as called:
        caller.options(called.flow(Transport.TCP))
        await caller.event(OptionsCompleted)
        await asyncio.sleep(QUICK.pong_s + 0.5)
        assert caller.endpoint.connections == called.endpoint.connections == 1
        caller.options(called.flow(Transport.TCP))
        await caller.event(OptionsCompleted)
        assert called.endpoint.connections == 1


async def test_a_pong_is_no_message_that_takes_too_long() -> None:
    async with phone(limits=StreamLimits(message_s=0.2)) as called, connected(called) as (reader, writer):
        writer.write(b"\r\n")
        await asyncio.sleep(0.6)
        assert called.endpoint.connections == 1
        writer.write(OPTIONS % (2, 2))
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"SIP/2.0 200")


async def test_an_idle_connection_stays_while_a_call_lives_on_it() -> None:
    limits = StreamLimits(idle_s=0.3, message_s=0.2)
    async with phone(limits=limits, timers=FAST) as called, phone() as caller:
        caller.invite(called.flow(Transport.TCP))
        offered = await called.event(InviteReceived)
        assert isinstance(offered, InviteReceived)
        called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
        await asyncio.sleep(0.8)
        assert called.endpoint.connections == 1
        called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now))
        await until(lambda: called.endpoint.connections == 0)


async def serve_once(answer: Callable[[Reader, Writer], Awaitable[None]]) -> tuple[asyncio.Server, int]:
    port = free_port()
    return await asyncio.start_server(answer, HOST, port), port


async def test_a_connection_of_ours_that_went_away_is_made_anew() -> None:
    """Answers come back on the same connection; the next request opens another."""
    seen: list[int] = []

    async def answer(reader: Reader, writer: Writer) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(writer.get_extra_info("peername")[1])
        kept = [line for line in request.split("\r\n") if line.startswith(("Via", "From", "Call-ID", "CSeq"))]
        to = "To: <sip:x>;tag=1"
        writer.write(("\r\n".join(["SIP/2.0 200 OK", *kept, to, "Content-Length: 0"]) + "\r\n\r\n").encode())
        await writer.drain()
        writer.close()

    server, port = await serve_once(answer)
    async with phone() as caller:
        for _ in range(2):
            caller.options(Flow(Transport.TCP, (HOST, port)))
            done = await caller.event(OptionsCompleted)
            assert isinstance(done, OptionsCompleted)
            assert done.status == 200
            await until(lambda: caller.endpoint.connections == 0)
    assert len(set(seen)) == 2
    server.close()
    await server.wait_closed()


async def test_a_connection_that_is_being_closed_is_used_no_more() -> None:
    async with phone() as caller, phone() as called:
        caller.options(called.flow(Transport.TCP))
        await caller.event(OptionsCompleted)
        (old,) = caller.endpoint._streams._by_number.values()
        old.close()
        caller.options(called.flow(Transport.TCP))
        done = await caller.event(OptionsCompleted)
        assert isinstance(done, OptionsCompleted)
        assert done.status == 200
        assert list(caller.endpoint._streams._by_number.values()) != [old]
        assert not caller.endpoint._streams.send(b"x", old.flow)


async def test_many_connections_from_one_place() -> None:
    async with phone() as called:
        writers = []
        for number in range(50):
            _, writer = await asyncio.open_connection(*called.address)
            writer.write(OPTIONS % (number, number))
            writers.append(writer)
        for _ in writers:
            await called.event(OptionsReceived)
        assert called.endpoint.connections == 50
        for writer in writers:
            writer.close()
        await until(lambda: called.endpoint.connections == 0)
