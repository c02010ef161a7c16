"""Virtual time for asyncio: timers fire in order and at once, and a program that waits for nothing is found out.

    run_virtual(story())          # an hour of timeouts takes as long as the code between them

For code that waits for timers and for itself; sockets and threads live in real time and have no place here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

_Result = TypeVar("_Result")

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
"""What `LoopClock.utc` says at the loop's time 0."""


class NothingToWaitFor(RuntimeError):
    """Every task waits, and no timer is set that could wake one."""


class _JumpingSelector(selectors.SelectSelector):
    """Never sleeps: where a loop would sleep until its next timer, time moves there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; else move the time by `timeout` seconds."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise NothingToWaitFor("every task waits and no timer is set")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now

    def hold_up(self, seconds: float) -> None:
        """Let time pass as a callback does that does not give way: timers that were due meanwhile fire late."""
        self._jumping.now += seconds


class LoopClock:
    """A `tieline.clock.Clock` that follows the running loop, from `EPOCH`."""

    def monotonic(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def utc(self) -> datetime:
        """`EPOCH` and the loop's time."""
        return EPOCH + timedelta(seconds=self.monotonic())


def run_virtual(
    story: Coroutine[Any, Any, _Result], loop_factory: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop
) -> _Result:
    """Run a coroutine to its end in virtual time. Raises `NothingToWaitFor` when it can never end."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        task = loop.create_task(story)
        try:
            return loop.run_until_complete(task)
        except NothingToWaitFor:
            task.cancel()
            loop.run_until_complete(asyncio.wait({task}))
            raise


async def elapse(seconds: float) -> None:
    """Let virtual time pass. Raises `RuntimeError` in a loop where that would be a real wait."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise RuntimeError("time passes by itself here; use `run_virtual`")
    await asyncio.sleep(seconds)


async def settle() -> None:
    """Let everything happen that needs no time to pass."""
    await elapse(1e-6)
