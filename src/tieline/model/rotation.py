"""The order in which a pool's numbers are handed out: clean before dirty, and within each the longest free first."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T", int, float)
"""A time: whole microseconds in a store, seconds in a simulation."""


class Rotation(Generic[T]):
    """Numbers by slot (an integer), each due to be free at a time of type `T`; taking one costs log n.

    A slot that is put again forgets what was said of it before.
    """

    def __init__(self) -> None:
        self._due: dict[int, tuple[bool, T]] = {}
        self._heaps: tuple[list[tuple[T, int]], list[tuple[T, int]]] = ([], [])

    def put(self, slot: int, free_at: T, *, dirty: bool) -> None:
        """`slot` is free from `free_at` on, as a clean or a dirty number."""
        self._due[slot] = (dirty, free_at)
        heap = self._heaps[dirty]
        heappush(heap, (free_at, slot))
        if len(heap) > 4 * len(self._due) + 16:
            heap[:] = [entry for entry in heap if self._due.get(entry[1]) == (dirty, entry[0])]
            heapify(heap)

    def drop(self, slot: int) -> None:
        """Take `slot` out of the rotation."""
        self._due.pop(slot, None)

    def take(self, now: T) -> int | None:
        """The slot to hand out at `now`, out of the rotation from here on; None when none is free."""
        for dirty in (False, True):
            first = self._first(dirty=dirty)
            if first is not None and first[0] <= now:
                heappop(self._heaps[dirty])
                del self._due[first[1]]
                return first[1]
        return None

    def next_free(self) -> T | None:
        """When the next slot becomes free, or became free; None when there is none to wait for."""
        due = [first[0] for dirty in (False, True) if (first := self._first(dirty=dirty)) is not None]
        return min(due, default=None)

    def _first(self, *, dirty: bool) -> tuple[T, int] | None:
        """The first entry of a heap that still holds, after dropping those that do not."""
        heap = self._heaps[dirty]
        while heap and self._due.get(heap[0][1]) != (dirty, heap[0][0]):
            heappop(heap)
        return heap[0] if heap else None
