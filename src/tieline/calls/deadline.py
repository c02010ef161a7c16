"""The one timer of a pure machine: armed for its next deadline, and moved whenever that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `on_due` with the time, in the loop's seconds, once the deadline that was set last has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[float], None]) -> None:
        self._loop = loop
        self._on_due = on_due
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float | None) -> None:
        """Wait for `due` in place of what was waited for before; None waits for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._fire, due)

    def _fire(self, due: float) -> None:
        # A loop may fire a timer by its clock's resolution too early, which must not mean to arm it again for nothing.
        self._timer = None
        self._on_due(max(self._loop.time(), due))
