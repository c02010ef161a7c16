"""Two clocks with two jobs: monotonic seconds for timers, aware UTC for records.

`steady_utc` is UTC that never jumps: it is read once when the clock is made and then advances with the
monotonic clock, so that a stepped wall clock neither expires nor extends a lease.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the shells ask the time of; `tieline.testing.clock.FakeClock` stands in for it in tests."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin; never goes back. For timers."""
        ...

    def utc(self) -> datetime:
        """Aware UTC that advances steadily. For records and leases."""
        ...


class SystemClock:
    """The machine's clocks; UTC is anchored once and advanced by the monotonic clock."""

    def __init__(self, anchor: datetime | None = None) -> None:
        self._origin = time.monotonic()
        self._anchor = anchor or datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Aware UTC, unaffected by steps of the wall clock after start."""
        return self._anchor + timedelta(seconds=time.monotonic() - self._origin)

    def wall_offset_s(self) -> float:
        """How far the wall clock has been stepped away from `utc` since start, in seconds."""
        return (datetime.now(UTC) - self.utc()).total_seconds()
