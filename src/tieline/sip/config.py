"""What a SIP stack is told once: timers, addresses, limits; and what it must be given: identifiers, admission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from tieline.sip.events import Flow, Transport
from tieline.sip.message import Limits


@dataclass(frozen=True, slots=True)
class Timers:
    """The base timers of RFC 3261 section 17.1.1.1, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def t64(self) -> float:
        """64*T1: timers B, F, H, J, L and M, and the wait for an ACK."""
        return 64 * self.t1


class Admission(StrEnum):
    """What to do with a datagram or connection by its address alone."""

    KNOWN = "known"
    REFUSE = "refuse"
    DROP = "drop"


class IdSource(Protocol):
    """Where names and chances come from: the machine's randomness in a server, a seed in tests."""

    def tag(self) -> str:
        """A new dialog tag: a token with at least 32 bits of chance."""
        ...

    def branch(self) -> str:
        """A new branch without its `z9hG4bK` prefix."""
        ...

    def call_id(self) -> str:
        """A new Call-ID."""
        ...

    def delay(self, low: float, high: float) -> float:
        """A random number of seconds between `low` and `high`."""
        ...


Admit = Callable[[Flow], Admission]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What we answer a digest challenge with (RFC 3261 section 22, RFC 8760)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """How to speak to one peer. `advertised` replaces the stack's own address in Via and Contact.

    `credentials` answer its challenges; `required` are the credentials its own INVITEs must prove (None: no
    challenge), asked for in `realm`, with a challenge for each of `algorithms` (`SHA-256`, `MD5`) in their order:
    peers that read only the first one may need MD5 alone. `session_expires_s` None turns session timers off,
    `min_se_s` is the least we take (RFC 4028); `timer_required` and `reliable_required` put the extension into Require
    of our INVITEs and refuse INVITEs without it (421); `reliable` says whether we claim 100rel at all (RFC 3262).
    `large_over_tcp` moves requests that are too long for a datagram to TCP (RFC 3261 section 18.1.1). `others` are
    further peers at the same address, each with credentials of its own to prove: a call is that one's whose it proves.
    """

    advertised: tuple[str, int] | None = None
    credentials: Credentials | None = None
    required: Credentials | None = None
    realm: str = "tieline"
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    session_expires_s: int | None = 1800
    min_se_s: int = 90
    timer_required: bool = False
    reliable: bool = True
    reliable_required: bool = False
    large_over_tcp: bool = False
    others: tuple[PeerOptions, ...] = ()


DEFAULT_OPTIONS = PeerOptions()

PeerOptionsOf = Callable[[Flow], PeerOptions]


class Busy(NamedTuple):
    """Why an INVITE is refused by 503 before anything is done for it, and the Retry-After that goes with it."""

    why: str
    retry_after_s: int


BusyFor = Callable[[Flow], Busy | None]
"""Whether new calls of a peer are refused at present, without a transaction; None when they are looked at."""

INFO_TYPES = frozenset({"application/dtmf-relay", "application/dtmf"})


@dataclass(frozen=True, slots=True)
class SipConfig:
    """Everything that a stack needs to know. `advertised` is the host and port in Via and Contact, per transport."""

    advertised: Mapping[Transport, tuple[str, int]]
    user_agent: str = "Tieline"
    contact_user: str = "tieline"
    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    trying_at_once: bool = True
    max_legs: int = 10_000
    retry_after_s: int = 5
    info_types: frozenset[str] = INFO_TYPES
    custom_headers: int = 64
    """At most so many headers of the owner's in one message."""
    trace_messages: int = 64
    """At most so many messages are kept per leg for its ladder, 0 for none."""
    trace_bytes: int = 65_536
    stranger_refusals_per_s: float = 20.0
    """Refusals to unknown addresses that are put on the wire; more are dropped."""
    stranger_report_interval_s: float = 10.0
    stranger_sources: int = 1_024
    """Addresses remembered for their reports; more share one report."""
