"""How fast a pool is used: its counters, sampled every few seconds and kept for an hour. Time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from tieline.model.pool import PoolStats
from tieline.model.record import Record

SAMPLE_S = 10.0
"""Seconds between two samples."""

KEPT = 360
"""Samples kept of a pool: an hour."""


class PoolSample(Record):
    """A pool's gauges and counters at one moment."""

    at: datetime
    stats: PoolStats


class Pace(Record):
    """What happened between the oldest sample that is kept and the newest: counts, and seconds between the two."""

    span_s: float
    reserved: int
    refused: int
    claimed: int
    expired: int

    @property
    def rate(self) -> float:
        """Requests a second, those that were refused among them."""
        return (self.reserved + self.refused) / self.span_s if self.span_s > 0 else 0.0

    @property
    def refused_share(self) -> float | None:
        """The share of requests that found the pool full; None when there were none."""
        asked = self.reserved + self.refused
        return self.refused / asked if asked else None

    @property
    def no_show_share(self) -> float:
        """The share of reservations that ended without their call."""
        ended = self.claimed + self.expired
        return self.expired / ended if ended else 0.0


class PoolPace:
    """The samples of every pool."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[PoolSample]] = {}

    def note(self, stats: PoolStats, now: datetime) -> None:
        """Take a sample. Counters that went back (the pool was made anew) begin a new series."""
        kept = self._samples.setdefault(stats.pool, deque(maxlen=KEPT))
        if kept and stats.reserved_total < kept[-1].stats.reserved_total:
            kept.clear()
        kept.append(PoolSample(at=now, stats=stats))

    def forget(self, known: frozenset[str]) -> None:
        """Drop pools that are there no more."""
        for name in self._samples.keys() - known:
            del self._samples[name]

    def samples(self, pool: str) -> Sequence[PoolSample]:
        """A pool's samples, oldest first."""
        return tuple(self._samples.get(pool, ()))

    def pace(self, pool: str) -> Pace:
        """What the samples of a pool say."""
        kept = self._samples.get(pool)
        if not kept or len(kept) < 2:
            return Pace(span_s=0.0, reserved=0, refused=0, claimed=0, expired=0)
        first, last = kept[0], kept[-1]
        return Pace(
            span_s=(last.at - first.at).total_seconds(),
            reserved=last.stats.reserved_total - first.stats.reserved_total,
            refused=last.stats.refused_total - first.stats.refused_total,
            claimed=last.stats.claimed_total - first.stats.claimed_total,
            expired=last.stats.expired_total - first.stats.expired_total,
        )
