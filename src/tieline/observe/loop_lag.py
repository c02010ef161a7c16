"""How late the event loop runs: what a timer set for a moment is late by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

INTERVAL_S = 0.05
"""Between two measurements."""


async def watch_lag(note: Callable[[float], None]) -> NoReturn:
    """Tell `note` the lag in seconds, some twenty times a second, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_S
        await asyncio.sleep(INTERVAL_S)
        note(max(0.0, loop.time() - due))
