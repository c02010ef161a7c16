"""One SIP stream, TCP or TLS: framing, the keep-alives of both sides, and the times after which it is given up."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tieline.net.certificate_names import certifies
from tieline.sip.events import Flow, Transport
from tieline.sip.framing import PING, PONG, StreamFramer, Unframed

if TYPE_CHECKING:
    from tieline.net.sip_stream import SipStreams


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the stream side; times in seconds.

    `message_s` is how long a message may take from its first byte to its last (and how long a new connection may
    stay silent), `idle_s` how long a connection that no call depends on may carry nothing. `connect_s` is the time
    for opening one, its TLS handshake included; `handshake_s` is a peer's time for its own. `keepalive_s` is the
    longest silence before we send a ping, 0 for none; a peer that has ever answered one and does not within `pong_s`
    is gone.
    """

    connections: int = 2_048
    connections_per_host: int = 128
    message_s: float = 10.0
    idle_s: float = 1_800.0
    connect_s: float = 5.0
    handshake_s: float = 5.0
    keepalive_s: float = 0.0
    pong_s: float = 10.0
    unsent_bytes: int = 1024 * 1024


class Connection(asyncio.Protocol):
    """`flow` is unnumbered until the connection is made; `outbound` says that we opened it.

    `fault` says why a connection that was made is not to be used: the peer is not whom it should be.
    """

    def __init__(self, streams: SipStreams, flow: Flow, *, outbound: bool) -> None:
        self._streams = streams
        self.outbound = outbound
        self._framer = StreamFramer(streams.message_limits)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._pinged_at = 0.0
        self._keepalive_s = streams.limits.keepalive_s * random.uniform(0.8, 1.0)  # RFC 5626 section 4.4
        self._message_since: float | None = self._heard_at
        self.transport: asyncio.Transport | None = None
        self.flow = flow
        self.fault: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is up, and encrypted where it should be."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        name = self._streams.name_of(self.flow) if self.outbound else None
        if self.flow.transport is Transport.TLS and name is not None:
            certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
            if not certifies(certificate, name):
                self.fault = f"the certificate does not name {name}"
                self.transport.abort()
                return
        self._streams.add(self)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes of any cut."""
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
        if not self._framer.midway:
            self._message_since = None
        elif self._message_since is None:
            self._message_since = now
        if self._framer.pings:
            self._framer.pings = 0
            self.write(PONG)
        streams.owner.settled()

    @property
    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.transport is None or self.transport.is_closing()

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
        now = self._loop.time()
        waits = limits.message_s
        if self._message_since is not None and not self.outbound:
            waits = min(waits, self._message_since + limits.message_s - now)
        if not self._streams.owner.depends_on(self.flow):
            waits = min(waits, self._heard_at + limits.idle_s - now)
        if waits <= 0:
            self.close()
            return
        if self._keepalive_s:
            waits = min(waits, self._keep_alive(now))
            if waits <= 0:
                self.abort()
                return
        self._timer = self._loop.call_later(waits, self._watch)

    def _keep_alive(self, now: float) -> float:
        """Ping a silent peer (RFC 5626 section 4.4.1); when to look again, 0 when it does not answer as it used to."""
        if self._pinged_at > self._heard_at and self._framer.pongs:
            left = self._pinged_at + self._streams.limits.pong_s - now
            if left <= 0:
                return 0.0
            return left
        left = max(self._heard_at, self._pinged_at) + self._keepalive_s - now
        if left > 0:
            return left
        self._pinged_at = now
        self._framer.expects_pong = True
        self.write(PING)
        return min(self._keepalive_s, self._streams.limits.pong_s)

    def close(self) -> None:
        """Close after what is written has left."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is unsent is lost."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream is gone, whoever ended it."""
        if self._timer is not None:
            self._timer.cancel()
        self._streams.remove(self)
