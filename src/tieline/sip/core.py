"""What the parts of a stack share: settings, outgoing queue, events, timers, legs, counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from tieline.sip.config import DEFAULT_OPTIONS, BusyFor, IdSource, PeerOptions, PeerOptionsOf, SipConfig
from tieline.sip.events import Flow, Outgoing, SipEvent, Transport
from tieline.sip.leg import Leg, TraceEntry
from tieline.sip.tables import LEG, LegInput, LegState
from tieline.sip.timers import TimerHeap

if TYPE_CHECKING:
    from tieline.sip.transaction import Transaction


def default_port(transport: Transport) -> int:
    """The port of a URI or Via that names none (RFC 3261 section 19.1.2)."""
    return 5061 if transport is Transport.TLS else 5060


@dataclass(slots=True)
class Counters:
    """What a stack counts; the field names are a closed label set."""

    requests_received: int = 0
    responses_received: int = 0
    messages_sent: int = 0
    retransmissions_received: int = 0
    retransmissions_sent: int = 0
    keepalives: int = 0
    dropped_malformed: int = 0
    dropped_oversized: int = 0
    dropped_stranger: int = 0
    dropped_unmatched: int = 0
    refused_stranger: int = 0
    refused_malformed: int = 0
    refused_full: int = 0
    refused_request: int = 0
    challenged: int = 0

    def items(self) -> Iterator[tuple[str, int]]:
        """Every counter as (label, value)."""
        return ((each.name, getattr(self, each.name)) for each in fields(self))


_PARTING = frozenset({LegState.BYE_WAITING, LegState.ENDING, LegState.OVER})


class Core:
    """Shared state of one stack; no decisions. `partings` are called when a leg begins to end, and when it is over."""

    def __init__(
        self,
        config: SipConfig,
        ids: IdSource,
        peers: PeerOptionsOf | None = None,
        busy: BusyFor | None = None,
    ) -> None:
        self.config = config
        self.ids = ids
        self.options_of: PeerOptionsOf = peers or (lambda _: DEFAULT_OPTIONS)
        self.busy_for: BusyFor = busy or (lambda _: None)
        self.draining = False
        self.counters = Counters()
        self.timers = TimerHeap()
        self.outgoing: list[Outgoing] = []
        self.events: deque[SipEvent] = deque()
        self.legs: dict[int, Leg] = {}
        self.by_tag: dict[str, Leg] = {}
        self.referred: dict[str, Leg] = {}
        self.pinned: dict[int, set[Leg | Transaction]] = {}
        self.partings: list[Callable[[Leg, float], None]] = []
        self._last_id = 0
        self._contacts: dict[tuple[Transport, tuple[str, int] | None, bool, str], str] = {}
        self.server_line = f"Server: {config.user_agent}\r\n"
        self.agent_line = f"User-Agent: {config.user_agent}\r\n"

    def sent_by(self, transport: Transport, options: PeerOptions) -> str:
        """Our host and port as this peer is told them, a literal IPv6 address in brackets.

        The peer's own setting goes first, then the transport's. A transport that we only open streams on has no
        address of its own: another one's host with the default port stands in, since answers come back on the stream.
        """
        address = options.advertised or self.config.advertised.get(transport)
        if address is None:
            host, _ = next(iter(self.config.advertised.values()))
            address = (host, default_port(transport))
        host, port = address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def contact(
        self, transport: Transport, options: PeerOptions, *, secure: bool = False, user: str | None = None
    ) -> str:
        """Our Contact for this peer; `secure` where it must be a `sips` URI (RFC 3261 sections 8.1.1.8, 12.1.1).

        `user` is our name there, the stack's own without it.
        """
        user = user or self.config.contact_user
        key = (transport, options.advertised, secure, user)
        found = self._contacts.get(key)
        if found is None:
            where = f"{user}@{self.sent_by(transport, options)}"
            suffix = "" if transport is Transport.UDP else f";transport={transport.value.lower()}"
            found = f"<sips:{where}>" if secure else f"<sip:{where}{suffix}>"
            self._contacts[key] = found
        return found

    def next_id(self) -> int:
        """A number that was never given out before."""
        self._last_id += 1
        return self._last_id

    def new_leg(self, state: LegState, flow: Flow, call_id: str, options: PeerOptions | None = None) -> Leg:
        """A leg with a fresh local tag, known by id and tag; `options` None goes by the flow."""
        leg = Leg(self.next_id(), state, flow, call_id, self.ids.tag())
        leg.options = options or self.options_of(flow)
        leg.contact = self.contact(flow.transport, leg.options)
        leg.trace_room = self.config.trace_bytes
        if not self.config.trace_messages:
            leg.trace = None
        self.legs[leg.id] = leg
        self.by_tag[leg.local_tag] = leg
        self.pin(flow, leg)
        return leg

    def pin(self, flow: Flow, user: Leg | Transaction) -> None:
        """Note who depends on a stream, so that its loss costs nobody else anything."""
        if flow.connection is not None:
            self.pinned.setdefault(flow.connection, set()).add(user)

    def unpin(self, flow: Flow, user: Leg | Transaction) -> None:
        """The opposite of `pin`."""
        if flow.connection is not None:
            users = self.pinned.get(flow.connection)
            if users is not None:
                users.discard(user)
                if not users:
                    del self.pinned[flow.connection]

    def send(self, data: bytes, flow: Flow, leg: Leg | None, now: float) -> None:
        """Queue bytes for the wire and note them in the leg's ladder."""
        self.counters.messages_sent += 1
        self.outgoing.append(Outgoing(data, flow))
        if leg is not None:
            self.note(leg, "out", data, flow, now)

    def note(self, leg: Leg, direction: str, data: bytes, flow: Flow, now: float) -> None:
        """Keep a message for the leg's ladder, within its bounds."""
        trace = leg.trace
        if trace is not None and len(trace) < self.config.trace_messages and leg.trace_room >= len(data):
            leg.trace_room -= len(data)
            trace.append(TraceEntry(now, direction, data, flow))

    def step(self, leg: Leg, given: LegInput, now: float) -> bool:
        """Take one step of the leg's table; False when its state has no row for it."""
        state = LEG[leg.state].get(given)
        if state is None:
            return False
        leg.state = state
        if state in _PARTING:
            for parting in self.partings:
                parting(leg, now)
        if state is LegState.OVER:
            self._end(leg, now)
        return True

    def _end(self, leg: Leg, now: float) -> None:
        # A fork of a call that we make bears the tag of the call's leg, which goes on.
        if self.by_tag.get(leg.local_tag) is leg:
            del self.by_tag[leg.local_tag]
        self.unpin(leg.flow, leg)
        for wait in leg.ack_waits.values():
            self.timers.cancel(wait.timer)
        leg.ack_waits.clear()
        self.timers.set(now + self.config.timers.t64, self._reap, leg)

    def _reap(self, leg: Leg, _now: float) -> None:
        self.legs.pop(leg.id, None)
        if self.referred.get(leg.local_tag) is leg:
            del self.referred[leg.local_tag]

    def forget(self, leg: Leg) -> None:
        """Let go of a leg that is over."""
        leg.trace = None
        self.legs.pop(leg.id, None)
