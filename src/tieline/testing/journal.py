"""What was done to the scripted parts of a call, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Journal(list[str]):
    """What was done, in order; can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, entry: str) -> None:
        """Note one deed, and wake those who wait."""
        super().append(entry)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, entry: str, times: int = 1) -> None:
        """Wait until `entry` has been noted so often."""
        await self._wait(lambda: self.count(entry) >= times)

    async def until_like(self, beginning: str) -> None:
        """Wait until something that begins so has been noted."""
        await self._wait(lambda: any(entry.startswith(beginning) for entry in self))

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            changed = asyncio.get_running_loop().create_future()
            self._waiting.add(changed)
            try:
                await changed
            finally:
                self._waiting.discard(changed)
