"""SIP over TCP: framing, keep-alives, connection reuse, and the bounds that keep a slow or silent peer harmless."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast

from tieline.sip.config import Admission
from tieline.sip.events import Flow, Transport
from tieline.sip.framing import PONG, StreamFramer, Unframed
from tieline.sip.message import Limits

_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the stream side; times in seconds.

    `message_s` is how long a message may take from its first byte to its last (and how long a new connection may
    stay silent), `idle_s` how long a connection may carry nothing.
    """

    connections: int = 2_048
    connections_per_host: int = 128
    message_s: float = 10.0
    idle_s: float = 1_800.0
    connect_s: float = 5.0
    unsent_bytes: int = 1024 * 1024


class StreamOwner(Protocol):
    """What the streams tell: whole messages, the end of a batch, unreadable streams, lost flows."""

    def received(self, data: bytes, flow: Flow) -> None:
        """One whole message."""
        ...

    def settled(self) -> None:
        """The bytes at hand have been handed over."""
        ...

    def unframed(self, head: bytes, flow: Flow, status: int) -> None:
        """A message whose end cannot be found; the connection closes after the answer."""
        ...

    def lost(self, flow: Flow) -> None:
        """A flow can carry nothing any more."""
        ...

    def admission(self, flow: Flow) -> Admission:
        """Whether the peer may connect."""
        ...


class _Connection(asyncio.Protocol):
    def __init__(self, streams: SipStreams, outbound: Flow | None) -> None:
        self._streams = streams
        self._outbound = outbound
        self._framer = StreamFramer(streams.message_limits)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._message_since: float | None = self._heard_at
        self.transport: asyncio.Transport | None = None
        self.flow = Flow(Transport.TCP, ("", 0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        peer = transport.get_extra_info("peername")
        remote = self._outbound.remote if self._outbound is not None else (peer[:2] if peer else ("", 0))
        if self._streams.admit(self, remote):
            self._watch()
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        now = self._heard_at = self._loop.time()
        streams = self._streams
        for message in self._framer.feed(data):
            if isinstance(message, Unframed):
                streams.owner.unframed(message.head, self.flow, message.status)
                streams.owner.settled()
                self.close()
                return
            streams.owner.received(message, self.flow)
            self._message_since = None
        if not len(self._framer):
            self._message_since = None
        elif self._message_since is None:
            self._message_since = now
        if self._framer.pings:
            self._framer.pings = 0
            self.write(PONG)
        streams.owner.settled()

    def write(self, data: bytes) -> None:
        """Send bytes; a peer that does not read is cut off."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._streams.limits.unsent_bytes:
            transport.abort()

    def _watch(self) -> None:
        """One timer a connection, moved only when it fires."""
        limits = self._streams.limits
        due = self._heard_at + limits.idle_s
        if self._message_since is not None and self._outbound is None:
            due = min(due, self._message_since + limits.message_s)
        now = self._loop.time()
        if due <= now:
            self.close()
            return
        self._timer = self._loop.call_later(min(due - now, limits.message_s), self._watch)

    def close(self) -> None:
        """Close after what is written has left."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is unsent is lost."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._streams.remove(self)


class SipStreams:
    """Every TCP connection of an endpoint, ours and the peers'."""

    def __init__(self, owner: StreamOwner, limits: StreamLimits, message_limits: Limits) -> None:
        self.owner = owner
        self.limits = limits
        self.message_limits = message_limits
        self._server: asyncio.Server | None = None
        self._by_number: dict[int, _Connection] = {}
        self._by_remote: dict[tuple[str, int], _Connection] = {}
        self._per_host: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], list[bytes]] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        self._last_number = 0
        self._emptied: asyncio.Event | None = None
        self.address: tuple[str, int] | None = None

    async def listen(self, host: str, port: int) -> None:
        """Accept connections. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, None), host, port, backlog=256)
        self.address = self._server.sockets[0].getsockname()[:2]

    def __len__(self) -> int:
        return len(self._by_number)

    def admit(self, connection: _Connection, remote: tuple[str, int]) -> bool:
        """Number a new connection, or turn it away."""
        host = remote[0]
        if len(self._by_number) >= self.limits.connections:
            return False
        if self._per_host.get(host, 0) >= self.limits.connections_per_host:
            return False
        if self.owner.admission(Flow(Transport.TCP, remote)) is Admission.DROP:
            return False
        self._last_number += 1
        connection.flow = Flow(Transport.TCP, remote, self._last_number)
        self._by_number[self._last_number] = connection
        self._by_remote[remote] = connection
        self._per_host[host] = self._per_host.get(host, 0) + 1
        return True

    def remove(self, connection: _Connection) -> None:
        """Forget a closed connection and tell what depended on it."""
        flow = connection.flow
        if flow.connection is None or self._by_number.pop(flow.connection, None) is None:
            return
        if self._by_remote.get(flow.remote) is connection:
            del self._by_remote[flow.remote]
        left = self._per_host[flow.remote[0]] - 1
        if left:
            self._per_host[flow.remote[0]] = left
        else:
            del self._per_host[flow.remote[0]]
        if not self._by_number and self._emptied is not None:
            self._emptied.set()
        self.owner.lost(flow)
        self.owner.lost(Flow(Transport.TCP, flow.remote))

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send on the connection of `flow`, on one to the same address, or on a new one.

        False when the numbered connection is gone.
        """
        if flow.connection is not None:
            found = self._by_number.get(flow.connection)
            if found is None:
                return False
            found.write(data)
            return True
        found = self._by_remote.get(flow.remote)
        if found is not None:
            found.write(data)
            return True
        waiting = self._waiting.get(flow.remote)
        if waiting is not None:
            waiting.append(data)
            return sum(map(len, waiting)) <= self.limits.unsent_bytes
        self._waiting[flow.remote] = [data]
        task = asyncio.get_running_loop().create_task(self._dial(flow))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)
        return True

    async def _dial(self, flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        host, port = flow.remote
        try:
            async with asyncio.timeout(self.limits.connect_s):
                _, connection = await loop.create_connection(lambda: _Connection(self, flow), host, port)
        except (OSError, TimeoutError):
            self._waiting.pop(flow.remote, None)
            self.owner.lost(flow)
            return
        for data in self._waiting.pop(flow.remote, []):
            connection.write(data)

    async def close(self) -> None:
        """Stop listening, close every connection, wait for calls under way to be given up."""
        if self._server is not None:
            self._server.close()
        for task in list(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        for connection in list(self._by_number.values()):
            connection.close()
        if self._by_number:
            self._emptied = asyncio.Event()
            try:
                async with asyncio.timeout(_LINGER_S):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in list(self._by_number.values()):
                    connection.abort()
