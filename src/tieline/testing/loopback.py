"""Two or more SIP stacks wired together in memory, in virtual time, over a network that loses, doubles and reorders.

Deterministic: the same seed and the same calls give the same messages. Nothing here waits.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tieline.sip.config import Admit, PeerOptions, SipConfig, Timers
from tieline.sip.events import Flow, Outgoing, SipEvent, Transport
from tieline.sip.stack import SipStack

Address = tuple[str, int]


class SeededIds:
    """Identifiers from a seed; unique within the source, and between sources of different seeds."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)
        self._prefix = str(seed)

    def _name(self) -> str:
        return f"{self._random.getrandbits(48):012x}"

    def tag(self) -> str:
        """A dialog tag."""
        return self._name()

    def branch(self) -> str:
        """A branch without its magic cookie."""
        return self._name()

    def call_id(self) -> str:
        """A Call-ID."""
        return f"{self._name()}-{self._prefix}"

    def delay(self, low: float, high: float) -> float:
        """A number of seconds in between."""
        return self._random.uniform(low, high)


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: probabilities of loss and doubling, and the range of delay in seconds.

    A range of delay reorders. `until` is the virtual time at which the network becomes perfect.
    """

    loss: float = 0.0
    duplication: float = 0.0
    min_delay: float = 0.001
    max_delay: float = 0.001
    until: float = float("inf")


@dataclass
class Endpoint:
    """One stack at one address. `events` are those already taken from it, oldest first."""

    address: Address
    stack: SipStack
    events: list[SipEvent] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)


class Guest(Protocol):
    """Anything else that lives on the network by bytes and time, at one address of its own."""

    @property
    def address(self) -> Address:
        """Where it is."""
        ...

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message."""
        ...

    def outgoing(self) -> list[Outgoing]:
        """What it wants sent."""
        ...

    def next_deadline(self) -> float | None:
        """When `on_deadline` is wanted next."""
        ...

    def on_deadline(self, now: float) -> None:
        """Do what is due."""
        ...


@dataclass(order=True)
class _Packet:
    at: float
    order: int
    data: bytes = field(compare=False)
    source: Address = field(compare=False)
    target: Address = field(compare=False)
    transport: Transport = field(compare=False)


class Loopback:
    """A network of stacks. `now` is virtual monotonic time; `run_for` moves it."""

    def __init__(self, seed: int = 0, weather: Weather | None = None) -> None:
        self.now = 0.0
        self.weather = weather or Weather()
        self.endpoints: dict[Address, Endpoint] = {}
        self.guests: dict[Address, Guest] = {}
        self._random = Random(seed)
        self._packets: list[_Packet] = []
        self._order = itertools.count()
        self._connections: dict[tuple[Address, Address], int] = {}

    def add(
        self,
        host: str,
        port: int = 5060,
        *,
        timers: Timers | None = None,
        admit: Admit | None = None,
        config: SipConfig | None = None,
        options: PeerOptions | None = None,
    ) -> Endpoint:
        """A new stack at `host`:`port`, for UDP and TCP alike; `options` say how it speaks to everybody."""
        address = (host, port)
        config = config or SipConfig(
            advertised={Transport.UDP: address, Transport.TCP: address}, timers=timers or Timers()
        )
        peers = None if options is None else lambda _: options
        endpoint = Endpoint(address, SipStack(config, SeededIds(f"{host}-{port}"), admit, peers))
        self.endpoints[address] = endpoint
        return endpoint

    def join(self, guest: Guest) -> None:
        """Put something that is no stack on the network."""
        self.guests[guest.address] = guest

    def flow(self, source: Endpoint, target: Endpoint, transport: Transport = Transport.UDP) -> Flow:
        """The flow by which `source` reaches `target`."""
        connection = None
        if transport is Transport.TCP:
            connection = self._connection(source.address, target.address)
        return Flow(transport, target.address, connection)

    def _connection(self, one: Address, other: Address) -> int:
        key = (one, other) if one < other else (other, one)
        return self._connections.setdefault(key, len(self._connections) + 1)

    def flush(self) -> None:
        """Take what the stacks want sent and their events."""
        for endpoint in self.endpoints.values():
            for outgoing in endpoint.stack.outgoing():
                endpoint.sent.append(outgoing.data)
                self._post(endpoint.address, outgoing)
            event = endpoint.stack.next_event()
            while event is not None:
                endpoint.events.append(event)
                event = endpoint.stack.next_event()
        for guest in self.guests.values():
            for outgoing in guest.outgoing():
                self._post(guest.address, outgoing)

    def _post(self, source: Address, outgoing: Outgoing) -> None:
        transport = outgoing.flow.transport
        weather = self.weather if self.now < self.weather.until else Weather()
        copies = 1
        if transport is Transport.UDP:
            copies = 0 if self._random.random() < weather.loss else 1
            copies += self._random.random() < weather.duplication
        for _ in range(copies):
            delay = weather.min_delay
            if transport is Transport.UDP:
                delay = self._random.uniform(weather.min_delay, weather.max_delay)
            packet = _Packet(
                self.now + delay,
                next(self._order),
                outgoing.data,
                source,
                outgoing.flow.remote,
                transport,
            )
            heapq.heappush(self._packets, packet)

    def _next_time(self) -> float | None:
        times = [packet.at for packet in self._packets[:1]]
        parties: list[SipStack | Guest] = [endpoint.stack for endpoint in self.endpoints.values()]
        for party in [*parties, *self.guests.values()]:
            deadline = party.next_deadline()
            if deadline is not None:
                times.append(deadline)
        return min(times, default=None)

    def next_due(self) -> float | None:
        """When something is to happen next, in virtual time; None when nothing is."""
        return self._next_time()

    def _deliver(self) -> None:
        while self._packets and self._packets[0].at <= self.now:
            packet = heapq.heappop(self._packets)
            endpoint = self.endpoints.get(packet.target)
            target = self.guests.get(packet.target) if endpoint is None else endpoint.stack
            if target is not None:
                connection = None
                if packet.transport is Transport.TCP:
                    connection = self._connection(packet.source, packet.target)
                target.receive(packet.data, Flow(packet.transport, packet.source, connection), self.now)

    def run_for(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass, delivering and firing whatever is due."""
        end = self.now + seconds
        self.flush()
        due = self._next_time()
        while due is not None and due <= end:
            self.now = max(self.now, due)
            self._deliver()
            for endpoint in self.endpoints.values():
                endpoint.stack.on_deadline(self.now)
            for guest in self.guests.values():
                guest.on_deadline(self.now)
            self.flush()
            due = self._next_time()
        self.now = end

    def take(self, endpoint: Endpoint) -> list[SipEvent]:
        """The events of `endpoint` since the last time, and forget them."""
        self.flush()
        events, endpoint.events = endpoint.events, []
        return events
