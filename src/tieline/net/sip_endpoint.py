"""The asyncio shell of a SIP stack: feed, drain, flush, and one timer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from random import Random
from typing import TypeVar

from tieline.net.sip_connection import StreamLimits
from tieline.net.sip_stream import SipStreams
from tieline.net.sip_tls import TlsContexts
from tieline.net.sip_udp import SipUdp, bind_udp
from tieline.sip.config import Admission
from tieline.sip.events import Flow, SipEvent, Transport
from tieline.sip.stack import SipStack

_Result = TypeVar("_Result")


class SystemIds:
    """Identifiers that nobody can guess, from the machine's randomness."""

    def __init__(self) -> None:
        self._random = Random(secrets.randbits(128))

    def tag(self) -> str:
        """A dialog tag."""
        return secrets.token_hex(8)

    def branch(self) -> str:
        """A branch without its magic cookie."""
        return secrets.token_hex(8)

    def call_id(self) -> str:
        """A Call-ID."""
        return secrets.token_hex(16)

    def delay(self, low: float, high: float) -> float:
        """A number of seconds in between; nothing secret depends on it."""
        return self._random.uniform(low, high)


class SipEndpoint:
    """Joins one stack to the network.

    `on_event` is called for each event, in order, after the responses that the stack made itself have left; it may
    use the stack's verbs through `act`, or directly followed by `flush()`; `now()` is the time to give them.
    Without `tls` there is none, either way; `tls_name` finds the name for a peer that we are to call by TLS and whose
    flow does not say.
    """

    def __init__(
        self,
        stack: SipStack,
        on_event: Callable[[SipEvent], None],
        stream_limits: StreamLimits | None = None,
        tls: TlsContexts | None = None,
        tls_name: Callable[[Flow], str | None] | None = None,
    ) -> None:
        self.stack = stack
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._udp: SipUdp | None = None
        self._streams = SipStreams(self, stream_limits or StreamLimits(), stack.config.limits, tls, tls_name)
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")
        self._flushing = False

    async def start(
        self,
        *,
        udp: tuple[str, int] | None = None,
        tcp: tuple[str, int] | None = None,
        tls: tuple[str, int] | None = None,
    ) -> None:
        """Bind; port 0 takes a free one. What is advertised is the stack's matter. Raises `OSError`."""
        try:
            if udp is not None:
                self._udp = SipUdp(bind_udp(*udp), self.received, self.settled)
            for transport, address in ((Transport.TCP, tcp), (Transport.TLS, tls)):
                if address is not None:
                    self._streams.listen(transport, *address)
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every socket; calls are not ended here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        await self._streams.close()

    def address(self, transport: Transport) -> tuple[str, int] | None:
        """Where we really listen."""
        if transport is Transport.UDP:
            return None if self._udp is None else self._udp.address
        return self._streams.address(transport)

    @property
    def connections(self) -> int:
        """Open TCP and TLS connections."""
        return len(self._streams)

    @property
    def failed_handshakes(self) -> tuple[int, int]:
        """TLS handshakes that failed so far: those of peers that called us, and ours."""
        return self._streams.failed_in, self._streams.failed_out

    def now(self) -> float:
        """The time that the stack lives in, monotonic seconds."""
        return self._loop.time()

    # ------------------------------------------------------------------------------------------ from the network

    def received(self, data: bytes, flow: Flow) -> None:
        """One message for the stack."""
        self.stack.receive(data, flow, self._loop.time())

    def settled(self) -> None:
        """A batch has been read."""
        self.flush()

    def unframed(self, head: bytes, flow: Flow, status: int) -> None:
        """A stream that cannot be read on."""
        self.stack.receive_unframed(head, flow, self._loop.time(), status)

    def lost(self, flow: Flow) -> None:
        """A flow broke."""
        self.stack.connection_lost(flow, self._loop.time())
        self.flush()

    def admission(self, flow: Flow) -> Admission:
        """Whether a peer may connect."""
        return self.stack.admission(flow)

    def depends_on(self, flow: Flow) -> bool:
        """Whether a call or a transaction lives on a connection."""
        return self.stack.depends_on(flow)

    # ------------------------------------------------------------------------------------------ to the network

    def act(self, verb: Callable[[SipStack, float], _Result]) -> _Result:
        """Use a verb of the stack now, and send what it gave. The verb's errors pass through."""
        result = verb(self.stack, self._loop.time())
        self.flush()
        return result

    def flush(self) -> None:
        """Send what waits, hand over events, and see to the timer. Safe to call from `on_event`."""
        if self._flushing:
            return
        self._flushing = True
        try:
            stack = self.stack
            self._send()
            event = stack.next_event()
            while event is not None:
                self._on_event(event)
                event = stack.next_event()
            self._send()
        finally:
            self._flushing = False
            self._arm()

    def _send(self) -> None:
        queued = self.stack.outgoing()
        while queued:
            for data, flow in queued:
                if flow.transport is Transport.UDP:
                    sent = self._udp is not None and self._udp.send(data, flow)
                else:
                    sent = self._streams.send(data, flow)
                if not sent:
                    self.stack.connection_lost(flow, self._loop.time())
            queued = self.stack.outgoing()

    def _arm(self) -> None:
        deadline = self.stack.next_deadline()
        if deadline is None or deadline >= self._armed_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._armed_for = float("inf")
        self.stack.on_deadline(self._loop.time())
        self.flush()
