"""Virtual time: fast, in order, and it finds out who waits for ever."""

import asyncio

import pytest

from tieline.testing.virtual_time import (
    EPOCH,
    LoopClock,
    NothingToWaitFor,
    VirtualLoop,
    elapse,
    run_virtual,
    settle,
)


def test_an_hour_takes_no_time_and_timers_fire_in_order() -> None:
    async def story() -> list[str]:
        seen: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(3600, seen.append, "late")
        loop.call_later(1, seen.append, "early")
        await elapse(3601)
        assert LoopClock().monotonic() == pytest.approx(3601)
        assert (LoopClock().utc() - EPOCH).total_seconds() == pytest.approx(3601)
        return seen

    assert run_virtual(story()) == ["early", "late"]


def test_who_waits_for_nothing_is_told() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingToWaitFor):
        run_virtual(story())


def test_time_does_not_elapse_in_a_real_loop() -> None:
    with pytest.raises(RuntimeError, match="run_virtual"):
        asyncio.run(elapse(1))


def test_what_needs_no_time_happens_while_settling() -> None:
    async def story() -> None:
        done = asyncio.Event()
        asyncio.get_running_loop().call_soon(done.set)
        await settle()
        assert done.is_set()

    run_virtual(story(), VirtualLoop)
