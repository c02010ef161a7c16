"""One heap of deadlines for a whole stack.

Cancelled entries hold nothing alive; they stay until their time, or until they are more than half of the heap: session
timers are set for hours and cancelled by every call.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

Timer = list[Any]
"""[deadline, sequence number, callback or None, argument]"""

_CALLBACK = 2
_ARGUMENT = 3
_MOST_CANCELLED = 1_000


class TimerHeap:
    """Deadlines in monotonic seconds; entries due at the same time fire in the order in which they were set."""

    __slots__ = ("_cancelled", "_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._sequence = 0
        self._cancelled = 0

    def set(self, deadline: float, callback: Callable[[Any, float], None], argument: object) -> Timer:
        """Call `callback(argument, now)` at `deadline`; the entry is what `cancel` takes."""
        self._sequence += 1
        timer: Timer = [deadline, self._sequence, callback, argument]
        heappush(self._heap, timer)
        return timer

    def cancel(self, timer: Timer) -> None:
        """Make an entry harmless and let go of what it held. Harmless when it has fired, or was never set."""
        if timer and timer[_CALLBACK] is not None:
            timer[_CALLBACK] = timer[_ARGUMENT] = None
            self._cancelled += 1
            if self._cancelled > _MOST_CANCELLED and 2 * self._cancelled > len(self._heap):
                self._heap = [each for each in self._heap if each[_CALLBACK] is not None]
                heapify(self._heap)
                self._cancelled = 0

    def next_deadline(self) -> float | None:
        """The earliest live deadline."""
        heap = self._heap
        while heap and heap[0][_CALLBACK] is None:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def fire(self, now: float) -> None:
        """Call everything that is due at `now`."""
        while self._heap and self._heap[0][0] <= now:
            timer = heappop(self._heap)
            _, _, callback, argument = timer
            if callback is None:
                self._cancelled -= 1
            else:
                timer[_CALLBACK] = timer[_ARGUMENT] = None
                callback(argument, now)

    def __len__(self) -> int:
        return sum(timer[_CALLBACK] is not None for timer in self._heap)
