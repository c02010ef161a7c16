"""A call that is up, as those who watch see it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from tieline.model.call import CallState
from tieline.model.record import Record

FAIR_LOSS, POOR_LOSS = 0.01, 0.05
"""Shares of lost packets from which G.711 is heard to suffer, and from which words are missed."""

FAIR_JITTER_MS, POOR_JITTER_MS = 30.0, 60.0
"""Jitter that the usual buffers of phones take in, and jitter that they do not."""


class Health(StrEnum):
    """How the sound from a peer gets through. `silent` means that nothing comes although it should."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    SILENT = "silent"


class LegSound(Record):
    """How the sound of one leg got through until a few seconds ago; `health` is of the time since it was told before.

    The figures are those that are kept at the end of the call.
    """

    leg: str
    codec: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_late: int
    packets_discarded: int
    jitter_ms: float
    peak_level: float
    health: Health


def health_of(received: int, lost: int, jitter_ms: float, *, owed: bool) -> Health:
    """Health by what came within some seconds; `owed` says whether the peer is to send at all."""
    if received <= 0:
        return Health.SILENT if owed else Health.GOOD
    share = max(lost, 0) / (received + max(lost, 0))
    if share >= POOR_LOSS or jitter_ms >= POOR_JITTER_MS:
        return Health.POOR
    if share >= FAIR_LOSS or jitter_ms >= FAIR_JITTER_MS:
        return Health.FAIR
    return Health.GOOD


def worst(sound: Iterable[LegSound]) -> Health | None:
    """The worst health among legs; None without any."""
    return max((one.health for one in sound), key=list(Health).index, default=None)


class LiveCall(Record):
    """One call at one moment. `said` is the agent's last utterance, `heard` the caller's last input, both personal.

    `project` and `account` are ids; `state_since` is when `state` began. `sound` is of each leg, as far as it is told.
    """

    id: str
    account: str
    project: str
    env: str
    channel: str
    trunk: str
    caller: str | None
    callee: str | None
    sip_call_id: str
    shared_id: str | None
    state: CallState
    started_at: datetime
    state_since: datetime
    answered_at: datetime | None
    flow: str | None = None
    step: str | None = None
    said: str | None = None
    heard: str | None = None
    sound: tuple[LegSound, ...] = ()
