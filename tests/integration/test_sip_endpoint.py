"""The asyncio shell on real sockets: UDP and TCP, plain asyncio and uvloop, and peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from tests.integration.sip_phone import FAST, HOST, OPTIONS, SDP, Phone, phone, until
from tests.ports import free_port
from tieline.net.sip_connection import StreamLimits
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.net.sip_udp import bind_udp
from tieline.sip.config import Admission, SipConfig
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    LegRefused,
    OptionsCompleted,
    SipEvent,
    Transport,
)
from tieline.sip.stack import SipStack


async def play_call(transport: Transport) -> None:
    async with phone() as caller, phone() as called:
        leg = caller.invite(called.flow(transport))
        offered = await called.event(InviteReceived)
        assert isinstance(offered, InviteReceived)
        called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
        await caller.event(LegAnswered)
        await called.event(AckReceived)
        called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now, [("X-contained", "true")]))
        ended = await caller.event(ByeReceived)
        assert isinstance(ended, ByeReceived)
        assert ended.leg_id == leg
        assert ended.headers["x-contained"] == "true"
        await called.event(ByeCompleted)
        expected = 1 if transport is Transport.TCP else 0
        assert caller.endpoint.connections == called.endpoint.connections == expected


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("loop_factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_a_call(transport: Transport, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(play_call(transport))


async def test_silence_is_a_refusal() -> None:
    silent = bind_udp(HOST, 0)
    async with phone(timers=FAST) as caller:
        leg = caller.invite(Flow(Transport.UDP, silent.getsockname()))
        assert await caller.event(LegRefused) == LegRefused(leg, 408, None)
        assert caller.endpoint.stack.counters.retransmissions_sent >= 4
    silent.close()


async def test_nobody_listens() -> None:
    async with phone() as caller:
        leg = caller.invite(Flow(Transport.TCP, (HOST, 1)))
        assert await caller.event(LegRefused) == LegRefused(leg, 503, None)


async def test_an_address_that_cannot_be_sent_to() -> None:
    async with phone() as caller:
        leg = caller.invite(Flow(Transport.UDP, ("255.255.255.255", 5060)))
        assert await caller.event(LegRefused) == LegRefused(leg, 503, None)


async def test_a_connection_that_is_not_made_in_time() -> None:
    # A listener whose backlog is full answers no further SYN.
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    await asyncio.sleep(0.1)
    async with phone(limits=StreamLimits(connect_s=0.2, unsent_bytes=2_000)) as caller:
        first = caller.invite(Flow(Transport.TCP, listener.getsockname()))
        others = [caller.invite(Flow(Transport.TCP, listener.getsockname())) for _ in range(6)]
        refused = [await caller.event(LegRefused) for _ in range(7)]
        assert {event.leg_id for event in refused if isinstance(event, LegRefused)} == {first, *others}
    for each in [listener, *fillers]:
        each.close()


async def test_stop_while_dialling() -> None:
    async with phone() as caller:
        caller.invite(Flow(Transport.TCP, (HOST, 1)))


async def test_the_port_is_taken() -> None:
    async with phone() as first:
        config = SipConfig(advertised={Transport.UDP: first.address, Transport.TCP: first.address})
        second = SipEndpoint(SipStack(config, SystemIds()), print)
        with pytest.raises(OSError, match="in use"):
            await second.start(udp=first.address)
        with pytest.raises(OSError, match="in use"):
            await second.start(udp=(HOST, 0), tcp=first.address)
        assert second.address(Transport.UDP) is None
        assert first.endpoint.address(Transport.UDP) == first.endpoint.address(Transport.TCP) == first.address


async def test_many_datagrams_at_once() -> None:
    async with phone() as called:
        with bind_udp(HOST, 0) as peer:
            for number in range(300):
                peer.sendto(OPTIONS % (number, number), called.address)
            peer.sendto(b"\r\n\r\n", called.address)
            await until(lambda: called.endpoint.stack.counters.keepalives > 0)
            assert called.endpoint.stack.counters.requests_received == 300


@asynccontextmanager
async def connected(to: Phone) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*to.address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class TestStream:
    async def test_segments_and_several_messages_at_once(self) -> None:
        async with phone() as called, connected(called) as (reader, writer):
            data = (OPTIONS % (1, 1)) + (OPTIONS % (2, 2))
            for at in range(0, len(data), 100):
                writer.write(data[at : at + 100])
                await writer.drain()
                await asyncio.sleep(0.005)
            for _ in range(2):
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
                assert head.startswith(b"SIP/2.0 200")

    async def test_ping(self) -> None:
        async with phone() as called, connected(called) as (reader, writer):
            writer.write(b"\r\n\r\n")
            assert await asyncio.wait_for(reader.readexactly(2), 30) == b"\r\n"

    async def test_no_content_length_is_answered_and_closed(self) -> None:
        async with phone() as called, connected(called) as (reader, writer):
            writer.write((OPTIONS % (1, 1)).replace(b"Content-Length: 0\r\n", b""))
            assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"SIP/2.0 400")

    async def test_too_long_is_answered_and_closed(self) -> None:
        async with phone(message_bytes=1_000) as called, connected(called) as (reader, writer):
            writer.write((OPTIONS % (1, 1)).replace(b"Length: 0", b"Length: 1000"))
            assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"SIP/2.0 513")

    @pytest.mark.parametrize("first", [b"", b"OPTIONS sip:a@b SI", OPTIONS % (1, 1) + b"OPT"])
    async def test_a_message_that_is_not_finished_in_time(self, first: bytes) -> None:
        async with phone(limits=StreamLimits(message_s=0.2)) as called, connected(called) as (reader, writer):
            writer.write(first)
            await asyncio.wait_for(reader.read(), 30)
            assert called.endpoint.connections == 0

    async def test_an_idle_connection_is_closed(self) -> None:
        async with phone(limits=StreamLimits(idle_s=0.3)) as called, connected(called) as (reader, writer):
            writer.write(OPTIONS % (1, 1))
            await asyncio.wait_for(reader.read(), 30)

    async def test_a_peer_that_does_not_read_is_cut_off(self) -> None:
        async with phone(limits=StreamLimits(unsent_bytes=20_000)) as called:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, called.address)

            async def talk() -> None:
                for number in range(200_000):
                    await loop.sock_sendall(sock, OPTIONS % (number, number))

            with pytest.raises(OSError, match=r"reset|pipe"):
                await asyncio.wait_for(talk(), 30)
            sock.close()

    @pytest.mark.parametrize("limits", [StreamLimits(connections=1), StreamLimits(connections_per_host=1)])
    async def test_too_many_connections(self, limits: StreamLimits) -> None:
        async with phone(limits=limits) as called, connected(called) as (reader, writer):
            writer.write(OPTIONS % (1, 1))
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            async with connected(called) as (other, _):
                assert await asyncio.wait_for(other.read(), 30) == b""
            assert called.endpoint.connections == 1

    async def test_strangers_may_not_connect(self) -> None:
        async with phone(admit=lambda _flow: Admission.DROP) as called, connected(called) as (reader, _):
            assert await asyncio.wait_for(reader.read(), 30) == b""
            assert called.endpoint.connections == 0

    async def test_the_connection_is_used_again(self) -> None:
        async with phone() as caller, phone() as called:
            for _ in range(3):
                caller.endpoint.act(
                    lambda stack, now: stack.options(called.flow(Transport.TCP), "sip:127.0.0.1", now)
                )
                done = await caller.event(OptionsCompleted)
                assert isinstance(done, OptionsCompleted)
                assert done.status == 200
            assert called.endpoint.connections == 1

    async def test_two_requests_while_the_connection_is_made(self) -> None:
        async with phone() as caller, phone() as called:
            for _ in range(2):
                caller.endpoint.act(
                    lambda stack, now: stack.options(called.flow(Transport.TCP), "sip:127.0.0.1", now)
                )
            for _ in range(2):
                await caller.event(OptionsCompleted)
            assert called.endpoint.connections == 1

    async def test_a_lost_connection_is_made_anew_for_the_next_request(self) -> None:
        async with phone() as called:
            async with phone() as caller:
                caller_address = caller.address
                caller.invite(called.flow(Transport.TCP))
                offered = await called.event(InviteReceived)
                assert isinstance(offered, InviteReceived)
                called.endpoint.act(lambda stack, now: stack.answer(offered.leg_id, SDP, now))
                await called.event(AckReceived)
            await until(lambda: called.endpoint.stack.leg(offered.leg_id).flow.connection is None)
            accepted = asyncio.Event()
            seen: list[bytes] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                seen.append(await reader.readline())
                accepted.set()
                writer.close()

            server = await asyncio.start_server(serve, *caller_address)
            called.endpoint.act(lambda stack, now: stack.bye(offered.leg_id, now))
            await asyncio.wait_for(accepted.wait(), 30)
            assert seen[0].startswith(b"BYE ")
            done = await called.event(ByeCompleted)
            assert isinstance(done, ByeCompleted)
            assert done.status == 503
            server.close()
            await server.wait_closed()


async def test_an_owner_that_fails_does_not_stop_the_timers() -> None:
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))

    def owner(_event: SipEvent) -> None:
        raise RuntimeError("a defect")

    address = (HOST, free_port())
    config = SipConfig(advertised={Transport.UDP: address}, timers=FAST)
    endpoint = SipEndpoint(SipStack(config, SystemIds()), owner)
    await endpoint.start(udp=address)
    with bind_udp(HOST, 0) as peer:
        peer.sendto(OPTIONS % (1, 1), address)
        await until(lambda: bool(failures) and endpoint.stack.is_idle())
    await endpoint.stop()
