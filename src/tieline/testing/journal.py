"""What was done to the scripted parts of a call, in order."""

from __future__ import annotations

import asyncio


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
        while self.count(entry) < times:
            changed = asyncio.get_running_loop().create_future()
            self._waiting.add(changed)
            try:
                await changed
            finally:
                self._waiting.discard(changed)
