"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


class FakeClock:
    """Both clocks of `tieline.clock.Clock`, moved together by `advance`."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed_s = 0.0

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._passed_s

    def utc(self) -> datetime:
        """The start, advanced."""
        return self._start + timedelta(seconds=self._passed_s)

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises `ValueError` when it would go back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._passed_s += seconds
