"""Pools and their numbers: gauges, numbers with state and history, reservations, forecast, import, trying one out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles
from typing import Any

import msgspec

from tieline.admin.access import require
from tieline.admin.number_import import NumberImport, read_numbers
from tieline.admin.pool_pace import SAMPLE_S, Pace, PoolPace, PoolSample
from tieline.admin.reach import Reach
from tieline.admin.resources import ResourceAdmin
from tieline.admin.trail import AuditTrail
from tieline.calls.reservations import Reservations
from tieline.clock import Clock
from tieline.errors import InvalidInput, NotFound, TielineError
from tieline.model.audit import AuditChange
from tieline.model.erlang import erlang_b
from tieline.model.pool import NumberAdmin, NumberState, Pool, PoolStats
from tieline.model.pool_plan import HoldTimes, PoolPlan, SetupDelay, mean_hold_s, plan_pool
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.reservation import Reservation
from tieline.model.user import Right
from tieline.resources.plan import Plan
from tieline.store.base import PoolNumber, ReservationStore

SCANNED = 20_000
"""Numbers of a pool that are looked through for those in one state."""

MIN_DELAYS = 20
"""Fewer measured set-up delays say nothing about their 99th percentile."""

ASSUMED_DELAY = SetupDelay(median_s=4.0, p99_s=15.0)
"""What is taken for the set-up delay until enough calls were measured, in seconds."""

HIDDEN = "(hidden)"


class PoolView(Record):
    """A pool with its project and what is known of it now."""

    pool: Pool
    project: str
    stats: PoolStats


class ReservationView(Record):
    """A reservation; `attributes_json` and `expected_caller` are hidden without the right to personal data."""

    reservation: Reservation
    attributes_hidden: bool


class Forecast(Record):
    """Erlang B on measured figures beside what was measured.

    `measured_delay` says whether the set-up delay was measured or assumed; `predicted_share` is the share of requests
    that the pool's numbers refuse at this pace; `plan` None while nothing was asked for.
    """

    pace: Pace
    delay: SetupDelay
    measured_delay: bool
    hold_s: float
    load: float
    numbers: int
    predicted_share: float
    plan: PoolPlan | None


class Trial(Record):
    """A reservation made to be tried: what to dial, and the request that does the same."""

    reservation: Reservation
    dial: str
    curl: str


class PoolAdmin:
    """Pools and numbers. `pool_names` are those that are sampled."""

    def __init__(
        self,
        resources: ResourceAdmin,
        store: ReservationStore,
        reservations: Reservations,
        clock: Clock,
        trail: AuditTrail,
        *,
        pool_names: Callable[[], Iterable[str]],
        reach: Reach,
        default_region: str | None = None,
    ) -> None:
        self._resources = resources
        self._store = store
        self._reservations = reservations
        self._clock = clock
        self._trail = trail
        self._region = default_region
        self._pool_names = pool_names
        self._reach = reach
        self._pace = PoolPace()

    # -- looking ----------------------------------------------------------------------------------------------

    async def pools(self, who: Principal) -> list[PoolView]:
        """Every pool that they may see."""
        resources = await self._resources.resources(who)
        projects = {one.id: one.slug for one in resources.projects}
        now = self._clock.utc()
        return [
            PoolView(
                pool=one, project=projects.get(one.project, one.project),
                stats=await self._store.pool_stats(one.name, now),
            )
            for one in resources.pools
        ]  # fmt: skip

    async def pool(self, who: Principal, name: str) -> PoolView:
        """One pool. Raises `NotFound`."""
        pool, project = await self._find(who, name)
        stats = await self._store.pool_stats(name, self._clock.utc())
        return PoolView(pool=pool, project=project.slug, stats=stats)

    async def numbers(
        self,
        who: Principal,
        name: str,
        *,
        containing: str = "",
        state: NumberState | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[PoolNumber]:
        """A pool's numbers in order; those in one `state` are looked for among the first `SCANNED`."""
        await self._find(who, name)
        now = self._clock.utc()
        if state is None:
            return await self._store.pool_numbers(
                name, now, containing=containing, limit=limit, offset=offset
            )
        scanned = await self._store.pool_numbers(name, now, containing=containing, limit=SCANNED)
        return [one for one in scanned if one.state is state][offset : offset + limit]

    async def history(
        self, who: Principal, name: str, number: str, *, limit: int = 50
    ) -> list[ReservationView]:
        """The newest reservations of one number. Raises `NotFound`."""
        await self._find(who, name)
        found = await self._store.number_history(name, number, self._clock.utc(), limit=limit)
        return [_masked(who, one) for one in found]

    async def reservations(self, who: Principal, name: str, *, limit: int = 100) -> list[ReservationView]:
        """The newest reservations of a pool."""
        _, project = await self._find(who, name)
        found = await self._store.reservations(project.id, self._clock.utc(), pool=name, limit=limit)
        return [_masked(who, one) for one in found]

    # -- pace and forecast ------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Sample every pool, for ever."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_S)

    async def sample(self) -> None:
        """Take one sample of every pool."""
        names = frozenset(self._pool_names())
        self._pace.forget(names)
        for name in names:
            try:
                self._pace.note(await self._store.pool_stats(name, self._clock.utc()), self._clock.utc())
            except TielineError:
                continue  # removed a moment ago, or the disk is slow: the next sample tells

    async def samples(self, who: Principal, name: str) -> Sequence[PoolSample]:
        """The samples of the last hour, oldest first."""
        await self._find(who, name)
        return self._pace.samples(name)

    async def forecast(self, who: Principal, name: str) -> Forecast:
        """What the pool ought to refuse at the pace of the last hour, beside what it did."""
        pool, _ = await self._find(who, name)
        pace = self._pace.pace(name)
        delays = await self._store.setup_delays(name)
        measured = len(delays) >= MIN_DELAYS
        delay = _delay_of(delays, pace.no_show_share) if measured else ASSUMED_DELAY
        hold = HoldTimes(
            ttl_s=pool.ttl_s, claim_cooldown_s=pool.claim_cooldown_s, expiry_cooldown_s=pool.expiry_cooldown_s
        )
        held = mean_hold_s(delay, hold)
        load = pace.rate * held
        return Forecast(
            pace=pace,
            delay=delay,
            measured_delay=measured,
            hold_s=held,
            load=load,
            numbers=len(pool.numbers),
            predicted_share=erlang_b(len(pool.numbers), load) if load else 0.0,
            plan=plan_pool(pace.rate, delay, hold) if pace.rate > 0 else None,
        )

    # -- changing ---------------------------------------------------------------------------------------------

    async def set_state(self, who: Principal, name: str, number: str, state: NumberAdmin) -> None:
        """Drain, disable or reactivate a number. Raises `NotFound`."""
        require(who, Right.OPERATE)
        _, project = await self._find(who, name)
        before = await self._store.pool_numbers(name, self._clock.utc(), containing=number, limit=1)
        await self._store.set_number_admin(name, number, state)
        was = before[0].admin.value if before and before[0].number == number else None
        change = AuditChange(field=number, before=was, after=state.value)
        await self._trail.note(who, state.value, "pools", name, [change], account=project.account)

    async def release(self, who: Principal, name: str, reservation_id: str) -> Reservation:
        """Give a reservation up before its call comes. Raises `NotFound` or `Conflict`."""
        require(who, Right.OPERATE)
        _, project = await self._find(who, name)
        released = await self._reservations.release(project.id, reservation_id)
        await self._trail.note(who, "release", "reservations", reservation_id, account=project.account)
        return _masked(who, released).reservation

    async def read_numbers(self, who: Principal, name: str, text: str) -> NumberImport:
        """What a text of numbers, ranges or CSV would add to the pool; changes nothing."""
        pool, _ = await self._find(who, name)
        return read_numbers(text, pool.numbers, self._region)

    async def add_numbers(self, who: Principal, name: str, numbers: Sequence[str]) -> Plan:
        """Put numbers behind those that the pool has. Raises `InvalidFields` where one is another pool's already."""
        return await self._edit_numbers(
            who, name, lambda there: [*there, *(n for n in numbers if n not in there)]
        )

    async def remove_numbers(self, who: Principal, name: str, numbers: Sequence[str]) -> Plan:
        """Take numbers out of the pool; what is reserved on them still works."""
        gone = frozenset(numbers)
        return await self._edit_numbers(who, name, lambda there: [n for n in there if n not in gone])

    async def try_it(self, who: Principal, name: str, attributes_text: str) -> Trial:
        """Reserve a number as a client would. Raises `InvalidInput` for attributes that are no JSON object."""
        require(who, Right.OPERATE)
        _, project = await self._find(who, name)
        try:
            attributes = json.loads(attributes_text or "{}")
        except ValueError as error:
            raise InvalidInput(f"the attributes are not JSON: {error}", field="attributes") from None
        made = await self._reservations.reserve(project.id, attributes=attributes, pool=name)
        await self._trail.note(who, "reserve", "reservations", made.id, account=project.account)
        body = json.dumps({"attributes": attributes, "pool": name}, ensure_ascii=True)
        quoted = body.replace("'", "'\\''")
        curl = (
            f"curl -X POST {self._reach.http}/v1/conversations/dni-reservation \\\n"
            f"  -H 'x-api-key: YOUR_KEY' -H 'content-type: application/json' \\\n  -d '{quoted}'"
        )
        return Trial(reservation=made, dial=f"sip:{made.number}@{self._reach.sip_host()}", curl=curl)

    # -- inside -----------------------------------------------------------------------------------------------

    async def _find(self, who: Principal, name: str) -> tuple[Pool, Project]:
        resources = await self._resources.resources(who)
        pool = next((one for one in resources.pools if one.name == name), None)
        project = next((one for one in resources.projects if pool and one.id == pool.project), None)
        if pool is None or project is None:
            raise NotFound(f"there is no pool {name}")
        return pool, project

    async def _edit_numbers(self, who: Principal, name: str, change: Any) -> Plan:
        await self._find(who, name)

        def edit(there: dict[str, Any] | None) -> dict[str, Any]:
            if there is None:
                raise NotFound(f"there is no pool {name}")
            text = "\n".join(str(one) for one in there.get("numbers", ()))
            return {**there, "numbers": change(list(read_numbers(text, (), self._region).numbers))}

        return await self._resources.edit(who, "pools", name, edit)


def _masked(who: Principal, found: Reservation) -> ReservationView:
    if who.may(Right.PERSONAL_DATA):
        return ReservationView(reservation=found, attributes_hidden=False)
    hidden = msgspec.structs.replace(
        found, attributes_json="{}", expected_caller=HIDDEN if found.expected_caller else None
    )
    return ReservationView(reservation=hidden, attributes_hidden=True)


def _delay_of(delays: Sequence[float], no_show_share: float) -> SetupDelay:
    """Measured delays as the plan takes them; a median of nothing is taken for a tenth of a second."""
    middle = max(0.1, median(delays))
    return SetupDelay(
        median_s=middle,
        p99_s=max(middle, quantiles(delays, n=100)[98]),
        no_show_share=min(no_show_share, 0.99),
    )
