"""The two halves of a request as a scripted peer keeps them: one of its own, and one that came to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tieline.sip.events import Flow
from tieline.sip.message import Request
from tieline.testing.contact_center.steps import Header

T1, T2, GIVE_UP = 0.5, 4.0, 32.0
"""Seconds: the first repetition, the longest pause between two, and when to stop (RFC 3261 section 17)."""


class PeerState(StrEnum):
    """Where a call of a scripted peer stands."""

    CALLING = "calling"
    RINGING = "ringing"
    UP = "up"
    OVER = "over"


@dataclass(slots=True)
class Asked:
    """A request of the peer's own, repeated until it is answered."""

    method: str
    cseq: int
    branch: str
    data: bytes
    flow: Flow
    headers: tuple[Header, ...]
    body: bytes
    initial: bool
    started: float
    interval: float = T1
    repeats: bool = True
    done: bool = False
    tried: frozenset[str] = frozenset()


@dataclass(slots=True)
class Came:
    """A request that came to the peer, with the last response to it and the forks whose 2xx was acknowledged."""

    request: Request
    flow: Flow
    last: bytes = b""
    final: bool = False
    refused: bool = False
    acknowledged: set[str] = field(default_factory=set)
