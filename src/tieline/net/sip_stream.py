"""SIP over TCP and TLS: listening, calling, connection reuse, and the bounds that keep peers harmless."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Protocol

from tieline.net.addresses import bound_socket, is_wildcard
from tieline.net.sip_connection import Connection, StreamLimits
from tieline.net.sip_tls import TlsContexts, failure_reason
from tieline.net.stream_listener import StreamListener
from tieline.observe.logging import get_logger
from tieline.sip.config import Admission
from tieline.sip.events import Flow, Transport
from tieline.sip.message import Limits

_LINGER_S = 1.0


class StreamOwner(Protocol):
    """What the streams tell and ask: whole messages, the end of a batch, unreadable streams, lost flows."""

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

    def depends_on(self, flow: Flow) -> bool:
        """Whether a call lives on this connection."""
        ...


class SipStreams:
    """Every TCP and TLS connection of an endpoint, ours and the peers'.

    A connection is known by its number, and by whom it leads to: transport, address and, for TLS connections that we
    opened, the name that the certificate bears. `failed_in` and `failed_out` count TLS handshakes.
    """

    def __init__(
        self,
        owner: StreamOwner,
        limits: StreamLimits,
        message_limits: Limits,
        tls: TlsContexts | None = None,
        tls_name: Callable[[Flow], str | None] | None = None,
    ) -> None:
        self.owner = owner
        self.limits = limits
        self.message_limits = message_limits
        self.failed_in = self.failed_out = 0
        self._tls = tls
        self._tls_name = tls_name or (lambda _flow: None)
        self._listeners: dict[Transport, StreamListener] = {}
        self._by_number: dict[int, Connection] = {}
        self._by_target: dict[Flow, Connection] = {}
        self._per_host: dict[str, int] = {}
        self._seats = 0
        self._waiting: dict[Flow, list[bytes]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._last_number = 0
        self._emptied: asyncio.Event | None = None
        self._log = get_logger("sip")

    def listen(self, transport: Transport, host: str, port: int) -> None:
        """Accept connections. Raises `OSError`."""

        def accepted(sock: socket.socket, address: tuple[str, int]) -> None:
            self._accepted(sock, Flow(transport, address))

        self._listeners[transport] = StreamListener(bound_socket(host, port, socket.SOCK_STREAM), accepted)

    def address(self, transport: Transport) -> tuple[str, int] | None:
        """Where connections are accepted."""
        listener = self._listeners.get(transport)
        return None if listener is None else listener.address

    def __len__(self) -> int:
        return len(self._by_number)

    # ------------------------------------------------------------------------------------------ seats

    def _take_seat(self, host: str) -> bool:
        """Count one more connection, being made or up, unless there are too many."""
        mine = self._per_host.get(host, 0)
        if self._seats >= self.limits.connections or mine >= self.limits.connections_per_host:
            return False
        self._seats += 1
        self._per_host[host] = mine + 1
        return True

    def _give_seat(self, host: str) -> None:
        self._seats -= 1
        left = self._per_host[host] - 1
        if left:
            self._per_host[host] = left
        else:
            del self._per_host[host]

    def add(self, connection: Connection) -> None:
        """Number a connection that is up."""
        target = connection.flow
        self._last_number += 1
        connection.flow = Flow(target.transport, target.remote, self._last_number, target.host)
        self._by_number[self._last_number] = connection
        if connection.outbound or target.transport is Transport.TCP:  # whom a TLS peer is was not looked at
            self._by_target[target] = connection
        if connection.outbound:
            for data in self._waiting.pop(target, ()):
                connection.write(data)

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection and tell what depended on it."""
        flow = connection.flow
        if flow.connection is None or self._by_number.pop(flow.connection, None) is None:
            return
        target = _target(flow)
        if self._by_target.get(target) is connection:
            del self._by_target[target]
        self._give_seat(flow.remote[0])
        if not self._by_number and self._emptied is not None:
            self._emptied.set()
        self.owner.lost(flow)
        if target not in self._by_target and target not in self._waiting:
            self.owner.lost(target)

    # ------------------------------------------------------------------------------------------ accepting

    def _accepted(self, sock: socket.socket, flow: Flow) -> None:
        """A peer connected. Strangers that get no answer, and one too many, get no handshake either."""
        if self.owner.admission(flow) is Admission.DROP or not self._take_seat(flow.remote[0]):
            sock.close()
            return
        self._open(self._take_in(sock, flow))

    async def _take_in(self, sock: socket.socket, flow: Flow) -> None:
        context = self._tls.server if self._tls is not None and flow.transport is Transport.TLS else None
        limit_s = self.limits.handshake_s if context is not None else None
        connection = Connection(self, flow, outbound=False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, sock, ssl=context, ssl_handshake_timeout=limit_s
            )
        except OSError as error:
            self.failed_in += context is not None
            self._log.debug("< TLS handshake failed", peer=flow.remote[0], why=failure_reason(error))
        finally:
            if connection.flow.connection is None:
                self._give_seat(flow.remote[0])

    def _open(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    # ------------------------------------------------------------------------------------------ sending

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send on the connection of `flow`, on one to the same target, or on a new one.

        False when the numbered connection is gone, or a new one cannot be had.
        """
        if flow.connection is not None:
            found = self._by_number.get(flow.connection)
            if found is None or found.is_closing:
                return False
            found.write(data)
            return True
        found = self._by_target.get(flow)
        if found is not None and not found.is_closing:
            found.write(data)
            return True
        waiting = self._waiting.get(flow)
        if waiting is not None:
            waiting.append(data)
            return sum(map(len, waiting)) <= self.limits.unsent_bytes
        if (flow.transport is Transport.TLS and self._tls is None) or not self._take_seat(flow.remote[0]):
            return False
        self._waiting[flow] = [data]
        self._open(self._dial(flow))
        return True

    def name_of(self, flow: Flow) -> str:
        """The name that a TLS peer's certificate must bear: the flow's, the one known for the address, or that."""
        return flow.host or self._tls_name(flow) or flow.remote[0]

    async def _dial(self, flow: Flow) -> None:
        connection = Connection(self, flow, outbound=True)
        fault: str | None = None
        try:
            async with asyncio.timeout(self.limits.connect_s):
                await self._connect(connection)
            fault = connection.fault
        except (OSError, ValueError) as error:  # a name that can be no server name is a ValueError
            fault = failure_reason(error)
        finally:
            if connection.flow.connection is None:
                self._waiting.pop(flow, None)
                self._give_seat(flow.remote[0])
        if fault is None:
            return
        if flow.transport is Transport.TLS:
            self.failed_out += 1
            self._log.warning(
                "> TLS connection failed", peer=flow.remote[0], name=self.name_of(flow), why=fault
            )
        self.owner.lost(flow)

    async def _connect(self, connection: Connection) -> None:
        """From the address that we listen on, where there is one: peers know us by it."""
        flow = connection.flow
        listener = self._listeners.get(flow.transport)
        ours = listener.address[0] if listener is not None else ""
        same_family = (":" in ours) == (":" in flow.remote[0])
        context = self._tls.client if flow.transport is Transport.TLS and self._tls is not None else None
        name = self.name_of(flow) if context is not None else None
        if name is not None:
            name.encode("idna")  # now: the loop would leave its socket open when it finds out
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            *flow.remote,
            local_addr=(ours, 0) if not is_wildcard(ours) and same_family else None,
            ssl=context,
            server_hostname=name,
        )

    # ------------------------------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Stop listening, close every connection, wait for calls under way to be given up."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        for task in list(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
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


def _target(flow: Flow) -> Flow:
    return Flow(flow.transport, flow.remote, None, flow.host)
