"""Targets that failed lately: tried last, for a time that doubles with every further failure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

_Key = TypeVar("_Key", bound=Hashable)

_REMEMBERED = 4_096


@dataclass(slots=True)
class _Record:
    failures: int
    until: float


class Quarantine:
    """Times are monotonic seconds. `first_s` is the time after the first failure, `longest_s` the most."""

    def __init__(self, first_s: float = 60.0, longest_s: float = 600.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._records: dict[Hashable, _Record] = {}

    def fail(self, key: Hashable, now: float) -> bool:
        """Note a failure; whether that is news. Failures during a quarantine neither count nor make it longer."""
        record = self._records.pop(key, None) or _Record(0, now)
        fresh = record.until <= now
        if fresh:
            wait = min(self._longest_s, self._first_s * 2**record.failures)
            record = _Record(min(record.failures + 1, 30), now + wait)
        self._records[key] = record
        if len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]
        return fresh

    def clear(self, key: Hashable) -> bool:
        """Note a success; whether that is news."""
        return self._records.pop(key, None) is not None

    def holds(self, key: Hashable, now: float) -> bool:
        """Whether a target is in quarantine."""
        record = self._records.get(key)
        return record is not None and record.until > now

    def count(self, now: float) -> int:
        """How many targets are in quarantine."""
        return sum(record.until > now for record in self._records.values())

    def order(self, keys: Iterable[_Key], now: float) -> list[_Key]:
        """The healthy ones as they came, then the others, first whose time is up first."""
        return sorted(keys, key=lambda key: self._records[key].until if self.holds(key, now) else 0.0)
