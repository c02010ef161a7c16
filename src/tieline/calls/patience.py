"""How long a call waits for things at its end: as long as they take, unless somebody is in a hurry."""

from __future__ import annotations

import asyncio
from typing import Any

HURRY_S = 1.0
"""How long each thing may still take that an interrupted call waits for."""


class Patience:
    """Waits for one thing after another; `lose` cuts what is being waited for, and all that follows, short."""

    def __init__(self) -> None:
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lose(self) -> None:
        """Hurry from now on."""
        if not self._lost.done():
            self._lost.set_result(None)

    async def wait(self, awaited: asyncio.Future[Any], limit_s: float | None = None) -> bool:
        """Wait for it, at most `limit_s`, or a moment once in a hurry; whether it came. Cancels nothing."""
        if awaited.done():
            return True
        wanted: set[asyncio.Future[Any]] = {awaited, self._lost}
        await asyncio.wait(wanted, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done() and self._lost.done():
            await asyncio.wait({awaited}, timeout=HURRY_S)
        return awaited.done()
