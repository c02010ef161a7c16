"""One clock for every leg of a media process: 20 slots of 1 ms, each leg sends in its own slot every 20 ms.

Spreading the legs keeps packets from leaving in one burst every 20 ms. When the process has been late, slots that
are overdue by less than a frame are run at once, in order; anything older is skipped, and the frame number a leg
is given says how much media time has passed. So a leg never sends more than it owes, and its RTP timestamps stay
true to the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

SLOTS: Final = 20


class Ticking(Protocol):
    """Something that acts once a frame."""

    def tick(self, frame: int, now: float) -> None:
        """Act for frame number `frame`; numbers rise by one every 20 ms, by more after a stall."""
        ...


class FrameClock:
    """Runs the members' `tick` when their slot is due. Times are monotonic seconds.

    `on_defect` is called inside the handler of an exception that a member let out; the others tick on.
    """

    def __init__(self, now: float, on_defect: Callable[[], None]) -> None:
        self._on_defect = on_defect
        self._slots: list[list[Ticking]] = [[] for _ in range(SLOTS)]
        self._slot_of: dict[Ticking, int] = {}
        self._tick = math.floor(now * 1000)
        self.skipped = 0

    def add(self, member: Ticking, now: float) -> None:
        """Give `member` the emptiest slot."""
        if not self._slot_of:
            self._tick = math.floor(now * 1000)
        number = min(range(SLOTS), key=lambda slot: len(self._slots[slot]))
        self._slots[number].append(member)
        self._slot_of[member] = number

    def remove(self, member: Ticking) -> None:
        """Stop ticking `member`; not to be called from within a tick."""
        number = self._slot_of.pop(member, None)
        if number is not None:
            self._slots[number].remove(member)

    def run(self, now: float) -> None:
        """Run every slot that is due."""
        due = math.floor(now * 1000)
        tick = self._tick
        if due - tick > SLOTS:
            self.skipped += due - tick - SLOTS
            tick = due - SLOTS
        while tick < due:
            tick += 1
            frame, slot = divmod(tick, SLOTS)
            for member in self._slots[slot]:
                try:
                    member.tick(frame, now)
                except Exception:
                    self._on_defect()
        self._tick = tick

    def wait_s(self, now: float) -> float | None:
        """Seconds until the next slot with a member is due; None when nobody is waiting."""
        if not self._slot_of:
            return None
        tick = self._tick + 1
        while not self._slots[tick % SLOTS]:
            tick += 1
        return max(0.0, tick / 1000 - now)
