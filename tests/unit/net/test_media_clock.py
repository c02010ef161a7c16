"""The frame clock: spread, steady, and no debt after a stall."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.net.media_clock import SLOTS, FrameClock


class Member:
    def __init__(self) -> None:
        self.ticks: list[tuple[int, float]] = []

    def tick(self, frame: int, now: float) -> None:
        self.ticks.append((frame, now))


class Broken(Member):
    def tick(self, frame: int, now: float) -> None:
        raise ZeroDivisionError


def no_defect() -> None:
    pytest.fail("a member raised")


def run(clock: FrameClock, *, first_ms: int, last_ms: int) -> None:
    for millisecond in range(first_ms, last_ms):
        clock.run(millisecond / 1000 + 0.0005)


def test_each_member_ticks_once_a_frame() -> None:
    clock, member = FrameClock(0.0, no_defect), Member()
    clock.add(member, 0.0)
    run(clock, first_ms=0, last_ms=1001)
    frames = [frame for frame, _ in member.ticks]
    assert len(frames) == 50
    assert frames == list(range(frames[0], frames[0] + 50))
    gaps = {
        round((later[1] - earlier[1]) * 1000)
        for earlier, later in zip(member.ticks, member.ticks[1:], strict=False)
    }
    assert gaps == {20}


def test_members_are_spread_over_the_frame() -> None:
    clock = FrameClock(0.0, no_defect)
    members = [Member() for _ in range(3 * SLOTS)]
    for member in members:
        clock.add(member, 0.0)
    run(clock, first_ms=0, last_ms=SLOTS + 1)
    per_millisecond = Counter(int(member.ticks[0][1] * 1000) for member in members)
    assert set(per_millisecond.values()) == {3}
    for member in members[:SLOTS]:
        clock.remove(member)
    for _ in range(SLOTS):
        clock.add(Member(), 0.02)


def test_a_short_delay_is_caught_up_and_a_long_one_is_not() -> None:
    clock, member = FrameClock(0.0, no_defect), Member()
    clock.add(member, 0.0)
    run(clock, first_ms=0, last_ms=100)
    before = len(member.ticks)
    clock.run(0.115)
    assert len(member.ticks) <= before + 1
    before, (last, _) = len(member.ticks), member.ticks[-1]
    clock.run(5.0)
    assert len(member.ticks) == before + 1, "one frame is sent, not the 240 that were missed"
    assert member.ticks[-1][0] - last > 200, "and it says how much time has passed"
    assert clock.skipped > 4000


def test_the_wait_is_for_the_next_slot_in_use() -> None:
    clock, member = FrameClock(0.0, no_defect), Member()
    assert clock.wait_s(0.0) is None
    clock.add(member, 10.0)
    clock.run(10.0)
    while True:
        wait = clock.wait_s(10.0)
        assert wait is not None
        assert 0 <= wait <= 0.02
        if wait > 0:
            clock.run(10.0 + wait)
            break
    assert member.ticks
    assert clock.wait_s(99.0) == 0.0
    clock.remove(member)
    clock.remove(member)
    assert clock.wait_s(10.1) is None


def test_a_clock_that_was_idle_owes_nothing() -> None:
    clock, member = FrameClock(0.0, no_defect), Member()
    clock.add(member, 100.0)
    clock.run(100.0)
    assert member.ticks == []
    assert clock.skipped == 0


def test_a_member_that_raises_silences_no_other() -> None:
    defects: list[int] = []
    clock = FrameClock(0.0, lambda: defects.append(1))
    members: list[Member] = [Broken() for _ in range(SLOTS)]
    members += [Member() for _ in range(SLOTS)]
    for member in members:
        clock.add(member, 0.0)
    run(clock, first_ms=0, last_ms=41)
    assert len(defects) >= SLOTS
    assert all(len(member.ticks) == 2 for member in members[SLOTS:])


@given(st.lists(st.integers(0, 60), max_size=60))
def test_no_member_sends_more_than_it_owes(pauses: list[int]) -> None:
    clock, member = FrameClock(0.0, no_defect), Member()
    clock.add(member, 0.0)
    now = 0
    for pause in pauses:
        now += pause
        clock.run(now / 1000)
    assert len(member.ticks) <= now / 20 + 1
    frames = [frame for frame, _ in member.ticks]
    assert frames == sorted(set(frames))
