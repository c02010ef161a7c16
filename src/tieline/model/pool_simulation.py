"""A pool simulated, to check a policy before callers do: who is refused, and whose call gets another's data.

Reservations arrive at random (Poisson). Each caller dials after a lognormal delay, or never. A call in time claims
its number. A call after its lease is rescued while the number still remembers it; when the number was meanwhile
reserved for someone else, the late call takes that caller's data: the failure a pool exists to prevent. Callers
are not recognised by their number here, so the figures are those of the rotation alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from tieline.model.pool_plan import HoldTimes, SetupDelay
from tieline.model.record import Record
from tieline.model.rotation import Rotation


class Policy(StrEnum):
    """The order in which free numbers are handed out."""

    CLEAN_FIRST = "clean-first"
    LONGEST_IDLE = "longest-idle"
    RANDOM = "random"
    STACK = "stack"


class Draws(Protocol):
    """A seeded generator of random numbers, such as `random.Random`."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...

    def expovariate(self, lambd: float, /) -> float:
        """Exponential with the rate `lambd`."""
        ...

    def lognormvariate(self, mu: float, sigma: float, /) -> float:
        """Lognormal."""
        ...


class SimulationSetup(Record):
    """What is simulated. `rate` is reservations a second."""

    numbers: int
    rate: float
    delay: SetupDelay
    hold: HoldTimes
    policy: Policy = Policy.CLEAN_FIRST
    reservations: int = 100_000
    warm_up: int = 2_000


class SimulationResult(Record):
    """What came of it, after the warm-up. `refused_by_batch` are the refusals of twenty equal parts of the run.

    `wrong_data` counts calls that received another caller's attributes, `robbed` those callers who then found
    nothing; `lost_late` are late calls that were no longer known and were served as plain calls.
    """

    reservations: int
    refused: int
    claimed: int
    no_shows: int
    rescued: int
    lost_late: int
    wrong_data: int
    robbed: int
    refused_by_batch: tuple[int, ...]

    @property
    def refused_share(self) -> float:
        """The share of reservations refused."""
        return self.refused / self.reservations

    @property
    def wrong_data_per_million(self) -> float:
        """Calls with another caller's data in a million reservations."""
        return 1e6 * self.wrong_data / self.reservations


BATCHES = 20
"""Parts of a run, for judging how far its figures scatter."""


class _Order(Protocol):
    """Free numbers under a policy."""

    def put(self, slot: int, free_at: float, *, dirty: bool) -> None:
        """`slot` is free from `free_at` on."""
        ...

    def take(self, now: float) -> int | None:
        """The next number, or None."""
        ...


class _LongestIdle:
    """The longest free first, clean or not."""

    def __init__(self) -> None:
        self._rotation: Rotation[float] = Rotation()

    def put(self, slot: int, free_at: float, *, dirty: bool) -> None:
        del dirty
        self._rotation.put(slot, free_at, dirty=False)

    def take(self, now: float) -> int | None:
        return self._rotation.take(now)


class _Unordered:
    """Any free number, or the one freed last; `choose` picks the place in the list of free numbers."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._waiting: Rotation[float] = Rotation()
        self._free: list[int] = []

    def put(self, slot: int, free_at: float, *, dirty: bool) -> None:
        del dirty
        if slot in self._free:  # a late call was rescued on it
            self._free.remove(slot)
        self._waiting.put(slot, free_at, dirty=False)

    def take(self, now: float) -> int | None:
        while (slot := self._waiting.take(now)) is not None:
            self._free.append(slot)
        if not self._free:
            return None
        place = self._choose(len(self._free))
        self._free[place], self._free[-1] = self._free[-1], self._free[place]
        return self._free.pop()


def _order_of(policy: Policy, draws: Draws) -> _Order:
    orders: dict[Policy, Callable[[], _Order]] = {
        Policy.CLEAN_FIRST: Rotation,
        Policy.LONGEST_IDLE: _LongestIdle,
        Policy.RANDOM: lambda: _Unordered(lambda count: int(draws.random() * count)),
        Policy.STACK: lambda: _Unordered(lambda count: count - 1),
    }
    return orders[policy]()


class _Run:
    """One run: the numbers, the calls on their way, and the counts."""

    def __init__(self, setup: SimulationSetup, draws: Draws) -> None:
        self.setup = setup
        self._order = _order_of(setup.policy, draws)
        self._draws = draws
        self._holder: list[int | None] = [None] * setup.numbers
        self._expires: list[float] = [0.0] * setup.numbers
        self._calls: list[tuple[float, int, int]] = []
        self.counts = dict.fromkeys(
            ("claimed", "no_shows", "rescued", "lost_late", "wrong_data", "robbed"), 0
        )
        for slot in range(setup.numbers):
            self._order.put(slot, 0.0, dirty=False)

    def reserve(self, caller: int, now: float) -> bool:
        """A reservation; False when it was refused."""
        slot = self._order.take(now)
        if slot is None:
            return False
        setup, draws = self.setup, self._draws
        expires = now + setup.hold.ttl_s
        self._holder[slot] = caller
        self._expires[slot] = expires
        self._order.put(slot, expires + setup.hold.expiry_cooldown_s, dirty=True)
        if draws.random() < setup.delay.no_show_share:
            self.counts["no_shows"] += 1
        else:
            delay = draws.lognormvariate(setup.delay.mu, setup.delay.sigma)
            heapq.heappush(self._calls, (now + delay, caller, slot))
        return True

    def play_calls(self, until: float) -> None:
        """Let the calls that are due arrive."""
        while self._calls and self._calls[0][0] <= until:
            at, caller, slot = heapq.heappop(self._calls)
            holder = self._holder[slot]
            late = at > self._expires[slot]
            if holder is None:
                self.counts["robbed"] += 1
            elif holder == caller:
                self.counts["rescued" if late else "claimed"] += 1
                self._free(slot, at)
            elif late:
                self.counts["lost_late"] += 1
            else:
                self.counts["wrong_data"] += 1
                self._free(slot, at)

    def _free(self, slot: int, at: float) -> None:
        self._holder[slot] = None
        self._order.put(slot, at + self.setup.hold.claim_cooldown_s, dirty=False)


def simulate_pool(
    setup: SimulationSetup, draws: Draws, *, progress: Callable[[int], None] | None = None
) -> SimulationResult:
    """Play `setup.reservations` reservations; `progress` hears now and then how many have been played."""
    run = _Run(setup, draws)
    now = 0.0
    for caller in range(setup.warm_up):
        now += draws.expovariate(setup.rate)
        run.play_calls(now)
        run.reserve(caller, now)
    run.counts = dict.fromkeys(run.counts, 0)
    refused = [0] * BATCHES
    step = max(1, setup.reservations // 100)
    for played in range(setup.reservations):
        now += draws.expovariate(setup.rate)
        run.play_calls(now)
        if not run.reserve(setup.warm_up + played, now):
            refused[played * BATCHES // setup.reservations] += 1
        if progress is not None and played % step == step - 1:
            progress(played + 1)
    return SimulationResult(
        reservations=setup.reservations,
        refused=sum(refused),
        refused_by_batch=tuple(refused),
        **run.counts,
    )
