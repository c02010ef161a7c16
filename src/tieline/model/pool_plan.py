"""How many numbers a pool needs: from the pace of reservations and how long each one holds its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from tieline.errors import InvalidInput
from tieline.model.erlang import hayward_numbers
from tieline.model.record import Record

TARGETS = (0.01, 0.001, 0.0001)
"""The shares of refused reservations that a plan is made for."""

_NORMAL = NormalDist()
_Z99 = _NORMAL.inv_cdf(0.99)


class SetupDelay(Record):
    """How long callers take from reservation to answered call: lognormal, in seconds; a share never calls."""

    median_s: float
    p99_s: float
    no_show_share: float = 0.0

    @property
    def mu(self) -> float:
        """Mean of the logarithm."""
        return math.log(self.median_s)

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.p99_s / self.median_s) / _Z99


class HoldTimes(Record):
    """A pool's durations in seconds: the lease, the cool-down after a claim, the quarantine after an expiry."""

    ttl_s: float = 60.0
    claim_cooldown_s: float = 5.0
    expiry_cooldown_s: float = 60.0


class PlanRow(Record):
    """The numbers needed to refuse at most the share `target`, and the share of them busy on average."""

    target: float
    numbers: int
    utilisation: float


class PoolPlan(Record):
    """A plan: mean seconds a number is held, offered load in erlangs, late share, and a row for each target.

    `rule_of_thumb` is A + 3*sqrt(A); `naive` is pace times lease, which is what people guess.
    """

    rate: float
    mean_hold_s: float
    load: float
    expired_share: float
    rows: tuple[PlanRow, ...]
    rule_of_thumb: int
    naive: int


def mean_hold_s(delay: SetupDelay, hold: HoldTimes) -> float:
    """The mean seconds from a number's reservation until it is free again.

    A call within the lease holds it for the set-up and the short cool-down; otherwise it is held for the whole
    lease and the quarantine.
    """
    in_time = _share_in_time(delay, hold.ttl_s)
    mean_in_time = _partial_mean(delay, hold.ttl_s)
    calls = 1 - delay.no_show_share
    claimed = calls * in_time
    return (
        calls * mean_in_time
        + claimed * hold.claim_cooldown_s
        + (1 - claimed) * (hold.ttl_s + hold.expiry_cooldown_s)
    )


def plan_pool(
    rate: float,
    delay: SetupDelay,
    hold: HoldTimes,
    *,
    targets: Sequence[float] = TARGETS,
    peakedness: float = 1.0,
) -> PoolPlan:
    """Plan a pool for `rate` reservations a second. Raises `InvalidInput`."""
    _check(rate, delay, hold)
    held = mean_hold_s(delay, hold)
    load = rate * held
    rows = []
    for target in targets:
        numbers = hayward_numbers(load, target, peakedness)
        rows.append(
            PlanRow(target=target, numbers=numbers, utilisation=load * (1 - target) / max(numbers, 1))
        )
    return PoolPlan(
        rate=rate,
        mean_hold_s=held,
        load=load,
        expired_share=1 - (1 - delay.no_show_share) * _share_in_time(delay, hold.ttl_s),
        rows=tuple(rows),
        rule_of_thumb=math.ceil(load + 3 * math.sqrt(load)),
        naive=math.ceil(rate * held),
    )


def _share_in_time(delay: SetupDelay, ttl_s: float) -> float:
    """P(D <= T)."""
    if delay.sigma == 0:
        return float(delay.median_s <= ttl_s)
    return _NORMAL.cdf((math.log(ttl_s) - delay.mu) / delay.sigma)


def _partial_mean(delay: SetupDelay, ttl_s: float) -> float:
    """E[D; D <= T]."""
    if delay.sigma == 0:
        return delay.median_s if delay.median_s <= ttl_s else 0.0
    mean = math.exp(delay.mu + delay.sigma**2 / 2)
    return mean * _NORMAL.cdf((math.log(ttl_s) - delay.mu) / delay.sigma - delay.sigma)


def _check(rate: float, delay: SetupDelay, hold: HoldTimes) -> None:
    if not 0 < rate < math.inf:
        raise InvalidInput("the rate must be positive", field="rate")
    if not 0 < delay.median_s <= delay.p99_s < math.inf:
        raise InvalidInput("the set-up delay needs a positive median, not above its 99th percentile")
    if not 0 <= delay.no_show_share < 1:
        raise InvalidInput("the share of no-shows lies between 0 and 1", field="no_shows")
    if hold.ttl_s <= 0 or hold.claim_cooldown_s < 0 or hold.expiry_cooldown_s < 0:
        raise InvalidInput("lease and cool-downs must not be negative")
