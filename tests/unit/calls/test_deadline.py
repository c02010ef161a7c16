"""The timer of a pure machine, in virtual time."""

from __future__ import annotations

import asyncio

from tieline.calls.deadline import Deadline
from tieline.testing.virtual_time import elapse, run_virtual


def test_the_deadline_that_was_set_last_counts_and_fires_once() -> None:
    async def story() -> list[float]:
        told: list[float] = []
        deadline = Deadline(asyncio.get_running_loop(), told.append)
        deadline.set(1.0)
        deadline.set(3.0)
        await elapse(2.0)
        assert told == []
        await elapse(10.0)
        return told

    assert run_virtual(story()) == [3.0]


def test_none_waits_for_nothing() -> None:
    async def story() -> list[float]:
        told: list[float] = []
        deadline = Deadline(asyncio.get_running_loop(), told.append)
        deadline.set(None)
        deadline.set(1.0)
        deadline.set(None)
        await elapse(5.0)
        return told

    assert run_virtual(story()) == []
