"""The lag of the event loop, in virtual time: on one that gives way, and on one that is held up."""

from __future__ import annotations

import asyncio

import pytest

from tieline.observe.loop_lag import watch_lag
from tieline.testing.virtual_time import VirtualLoop, elapse, run_virtual


async def watch(held_up_s: float) -> list[float]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    seen: list[float] = []
    watching = asyncio.create_task(watch_lag(seen.append))
    await elapse(0.11)
    loop.hold_up(held_up_s)
    await elapse(0.11)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    return seen


def test_a_loop_that_gives_way_has_no_lag() -> None:
    seen = run_virtual(watch(0.0))
    assert len(seen) == 4
    assert max(seen) < 0.001


def test_a_loop_that_is_held_up_shows_it() -> None:
    assert 0.25 < max(run_virtual(watch(0.3))) < 0.35
