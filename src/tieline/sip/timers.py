"""One heap of deadlines for a whole stack. Cancelled entries stay until their time, but hold nothing alive."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Timer = list[Any]
"""[deadline, sequence number, callback or None, argument]"""

_CALLBACK = 2
_ARGUMENT = 3


class TimerHeap:
    """Deadlines in monotonic seconds; entries due at the same time fire in the order in which they were set."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._sequence = 0

    def set(self, deadline: float, callback: Callable[[Any, float], None], argument: object) -> Timer:
        """Call `callback(argument, now)` at `deadline`; the entry is what `cancel` takes."""
        self._sequence += 1
        timer: Timer = [deadline, self._sequence, callback, argument]
        heappush(self._heap, timer)
        return timer

    def cancel(self, timer: Timer) -> None:
        """Make an entry harmless and let go of what it held. Harmless when it has fired."""
        timer[_CALLBACK] = timer[_ARGUMENT] = None

    def next_deadline(self) -> float | None:
        """The earliest live deadline."""
        heap = self._heap
        while heap and heap[0][_CALLBACK] is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def fire(self, now: float) -> None:
        """Call everything that is due at `now`."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, callback, argument = heappop(heap)
            if callback is not None:
                callback(argument, now)

    def __len__(self) -> int:
        return sum(timer[_CALLBACK] is not None for timer in self._heap)
