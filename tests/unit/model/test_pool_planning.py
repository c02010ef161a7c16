"""Erlang-B, the plan, the rotation and the simulation, each checked against another way to the same figure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import InvalidInput
from tieline.model.erlang import erlang_b, erlang_b_numbers, hayward, hayward_numbers
from tieline.model.pool_plan import HoldTimes, SetupDelay, mean_hold_s, plan_pool
from tieline.model.pool_simulation import Policy, SimulationSetup, simulate_pool
from tieline.model.rotation import Rotation

DELAY = SetupDelay(median_s=4.0, p99_s=15.0, no_show_share=0.02)


def test_erlang_b_against_the_sum() -> None:
    for numbers, load in ((1, 1.0), (5, 3.0), (20, 12.5), (60, 59.5)):
        terms = [load**k / math.factorial(k) for k in range(numbers + 1)]
        assert erlang_b(numbers, load) == pytest.approx(terms[-1] / sum(terms))
    assert erlang_b(0, 5.0) == 1.0
    assert erlang_b(3, 0.0) == 0.0
    assert 0 < erlang_b(100_000, 99_000.0) < 0.01


@given(st.floats(0.01, 500), st.floats(1e-6, 0.5))
def test_the_inverse_is_the_smallest_that_suffices(load: float, target: float) -> None:
    numbers = erlang_b_numbers(load, target)
    assert erlang_b(numbers, load) <= target
    assert numbers == 0 or erlang_b(numbers - 1, load) > target


@given(st.floats(0.5, 200), st.floats(1e-4, 0.2), st.floats(0.5, 4))
def test_bursts_need_more_numbers(load: float, target: float, peakedness: float) -> None:
    numbers = hayward_numbers(load, target, peakedness)
    assert hayward(numbers, load, peakedness) <= target
    assert numbers == 0 or hayward(numbers - 1, load, peakedness) > target
    if peakedness >= 1:
        assert numbers >= erlang_b_numbers(load, target)


def test_hayward_without_bursts_is_erlang_b() -> None:
    assert hayward(74, 59.5, 1.0) == erlang_b(74, 59.5)
    assert hayward(5, 0.0, 2.0) == 0.0
    assert hayward_numbers(3.0, 1.0, 1.0) == 0


def test_the_reference_pool() -> None:
    plan = plan_pool(5.0, DELAY, HoldTimes())
    assert round(plan.load, 1) == 59.5
    assert [row.numbers for row in plan.rows] == [74, 82, 89]
    assert plan.expired_share == pytest.approx(0.02, abs=1e-4)
    assert (plan.rule_of_thumb, plan.naive) == (83, 60)
    assert 0.13 > erlang_b(plan.naive, plan.load) > 0.09
    assert plan_pool(5.0, DELAY, HoldTimes(), peakedness=2.0).rows[0].numbers > 74


@pytest.mark.parametrize("ttl_s", [5.0, 12.0, 60.0])
def test_the_mean_hold_time_against_draws(ttl_s: float) -> None:
    draws = random.Random(4)
    hold = HoldTimes(ttl_s=ttl_s)
    sample = []
    for _ in range(40_000):
        delay = draws.lognormvariate(DELAY.mu, DELAY.sigma)
        comes = draws.random() >= DELAY.no_show_share and delay <= ttl_s
        sample.append(delay + 5.0 if comes else ttl_s + 60.0)
    error = stdev(sample) / math.sqrt(len(sample))
    assert mean_hold_s(DELAY, hold) == pytest.approx(fmean(sample), abs=4 * error)


def test_a_fixed_delay() -> None:
    fixed = SetupDelay(median_s=4.0, p99_s=4.0)
    assert mean_hold_s(fixed, HoldTimes()) == 9.0
    assert mean_hold_s(fixed, HoldTimes(ttl_s=3.0)) == 63.0


def test_what_makes_no_sense_is_refused() -> None:
    attempts: list[Callable[[], object]] = [
        lambda: erlang_b(-1, 1.0),
        lambda: erlang_b(1, -1.0),
        lambda: erlang_b_numbers(1.0, 0.0),
        lambda: erlang_b_numbers(-1.0, 0.1),
        lambda: erlang_b_numbers(3e6, 0.01),
        lambda: hayward(1, 1.0, 0.0),
        lambda: hayward_numbers(1.0, 0.1, -1.0),
        lambda: plan_pool(0.0, DELAY, HoldTimes()),
        lambda: plan_pool(1.0, SetupDelay(median_s=5.0, p99_s=4.0), HoldTimes()),
        lambda: plan_pool(1.0, SetupDelay(median_s=1.0, p99_s=4.0, no_show_share=1.0), HoldTimes()),
        lambda: plan_pool(1.0, DELAY, HoldTimes(ttl_s=0.0)),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInput):
            attempt()


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 50), st.booleans(), st.integers(0, 50)), max_size=200
    )
)
def test_the_rotation_against_a_plain_search(steps: list[tuple[int, int, bool, int]]) -> None:
    rotation: Rotation[int] = Rotation()
    known: dict[int, tuple[bool, int]] = {}
    for slot, free_at, dirty, now in steps:
        if free_at == 50:
            rotation.drop(slot)
            known.pop(slot, None)
        else:
            rotation.put(slot, free_at, dirty=dirty)
            known[slot] = (dirty, free_at)
        assert rotation.next_free() == min((due for _, due in known.values()), default=None)
        if now % 3 == 0:
            free = [(is_dirty, due, one) for one, (is_dirty, due) in known.items() if due <= now]
            expected = min(free)[2] if free else None
            assert rotation.take(now) == expected
            known.pop(-1 if expected is None else expected, None)


def test_the_rotation_forgets_what_is_out_of_date() -> None:
    rotation: Rotation[int] = Rotation()
    for due in range(500):
        rotation.put(0, due, dirty=False)
    assert len(rotation._heaps[0]) < 30
    assert rotation.take(499) == 0


def test_refusals_of_a_seeded_run_equal_erlang_b() -> None:
    """Within three standard errors, estimated from the run's twenty parts."""
    setup = SimulationSetup(numbers=66, rate=5.0, delay=DELAY, hold=HoldTimes(), reservations=120_000)
    heard: list[int] = []
    result = simulate_pool(setup, random.Random(7), progress=heard.append)
    shares = [count * 20 / result.reservations for count in result.refused_by_batch]
    expected = erlang_b(66, 5.0 * mean_hold_s(DELAY, HoldTimes()))
    error = stdev(shares) / math.sqrt(len(shares))
    assert abs(result.refused_share - expected) < 3 * error
    assert error < expected / 10, "the run is long enough to tell"
    assert (heard[0], heard[-1], len(heard)) == (1200, 120_000, 100)


def test_clean_first_against_the_other_orders() -> None:
    """Without a cool-down the order alone decides whose data a late call gets."""
    wrong = {}
    for policy in Policy:
        setup = SimulationSetup(
            numbers=60,
            rate=4.0,
            delay=DELAY,
            hold=HoldTimes(ttl_s=10.0, claim_cooldown_s=0.0, expiry_cooldown_s=0.0),
            policy=policy,
            reservations=20_000,
        )
        result = simulate_pool(setup, random.Random(1))
        wrong[policy] = result.wrong_data_per_million
        assert result.refused == 0
        assert result.wrong_data >= result.robbed // 2
    assert wrong[Policy.CLEAN_FIRST] < wrong[Policy.LONGEST_IDLE] / 50
    assert wrong[Policy.LONGEST_IDLE] < wrong[Policy.RANDOM] < wrong[Policy.STACK]


def test_a_simulation_counts_every_caller() -> None:
    setup = SimulationSetup(
        numbers=8, rate=2.0, delay=DELAY, hold=HoldTimes(ttl_s=6.0, expiry_cooldown_s=1.0), reservations=5_000
    )
    result = simulate_pool(setup, random.Random(3))
    calls = result.claimed + result.rescued + result.lost_late + result.wrong_data + result.robbed
    assert calls + result.no_shows + result.refused == pytest.approx(result.reservations, abs=40)
    assert result.lost_late > 0
    assert result.rescued > 0


@pytest.mark.parametrize("policy", [Policy.RANDOM, Policy.STACK])
def test_a_number_is_in_the_list_of_free_ones_once(policy: Policy) -> None:
    """A late call is rescued on a number that already waits to be handed out."""
    setup = SimulationSetup(
        numbers=20,
        rate=1.0,
        delay=SetupDelay(median_s=4.0, p99_s=15.0),
        hold=HoldTimes(ttl_s=5.0, claim_cooldown_s=0.0, expiry_cooldown_s=0.0),
        policy=policy,
        reservations=4_000,
    )
    result = simulate_pool(setup, random.Random(5))
    assert result.rescued > 0
    assert result.refused == 0


@pytest.mark.parametrize("policy", Policy)
def test_a_full_pool_refuses_under_every_policy(policy: Policy) -> None:
    setup = SimulationSetup(
        numbers=2, rate=1.0, delay=DELAY, hold=HoldTimes(), policy=policy, reservations=500, warm_up=0
    )
    assert simulate_pool(setup, random.Random(5)).refused_share > 0.8
