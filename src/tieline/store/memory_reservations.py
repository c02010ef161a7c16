"""Pools, their numbers, reservations and resources in memory; the lease rules applied directly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from tieline.errors import NotFound
from tieline.model.facts import pool_exhausted, reservation_arrived, reservation_expired
from tieline.model.lease import (
    BindDecision,
    NumberLease,
    Phase,
    Step,
    bind,
    claim,
    count_stray,
    is_no_show,
    is_remembered,
    is_suspect,
    lease_seconds,
    number_state,
    release,
    state_at,
    take,
    unbind,
)
from tieline.model.pool import NumberAdmin, NumberState, Pool, PoolStats
from tieline.model.reservation import (
    BindRequest,
    BindResult,
    BindVerdict,
    Reservation,
    ReservationState,
    ReserveRequest,
)
from tieline.model.resources import Resources
from tieline.model.rotation import Rotation
from tieline.model.webhook import EventType
from tieline.store.base import PoolNumber
from tieline.store.errors import IdempotencyMismatch, PoolExhausted
from tieline.store.identity import new_reservation_ids
from tieline.store.memory_outbox import MemoryOutbox
from tieline.store.outbox import EXPIRED_WITHIN
from tieline.store.records import attach, describe_number, repeat_bind, stamp


class _Pool:
    """One pool: policy, leases by slot, and the rotation of those that are free or will be."""

    def __init__(self, policy: Pool) -> None:
        self.policy = policy
        self.numbers: frozenset[str] = frozenset()
        self.slots: dict[str, int] = {}
        self.leases: list[NumberLease] = []
        self.rotation: Rotation[int] = Rotation()
        self.counters: Counter[str] = Counter()

    def configure(self, policy: Pool) -> None:
        """Take a new policy and list of numbers; a number that stays keeps its state."""
        self.policy = policy
        self.numbers = frozenset(policy.numbers)
        for number in policy.numbers:
            if number not in self.slots:
                self.slots[number] = len(self.leases)
                self.leases.append(NumberLease(number=number))
        for slot in self.slots.values():
            self.store(self.leases[slot])

    def lease(self, number: str) -> NumberLease | None:
        """The lease of a number that is, or was, in the pool."""
        slot = self.slots.get(number)
        return None if slot is None else self.leases[slot]

    def store(self, lease: NumberLease) -> None:
        """Keep `lease`, and its place in the rotation."""
        slot = self.slots[lease.number]
        self.leases[slot] = lease
        is_member = lease.number in self.numbers
        if is_member and lease.admin is NumberAdmin.ACTIVE and lease.phase is not Phase.BOUND:
            self.rotation.put(slot, stamp(lease.free_at), dirty=lease.phase is Phase.LENT)
        else:
            self.rotation.drop(slot)

    def members(self) -> list[NumberLease]:
        """The leases of the pool's numbers, in order."""
        return [self.leases[self.slots[number]] for number in self.policy.numbers]


class MemoryReservations(MemoryOutbox):
    """The `ReservationStore` and `ResourceStore` protocols."""

    def __init__(self) -> None:
        super().__init__()
        self._resources = Resources()
        self._version = 0
        self._pools: dict[str, _Pool] = {}
        self._reservations: dict[str, Reservation] = {}
        self._current: dict[tuple[str, str], str] = {}
        self._by_call: dict[tuple[str, str], str] = {}
        self._by_key: dict[tuple[str, str], tuple[str, str | None]] = {}

    async def open(self, now: datetime) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go."""

    # ------------------------------------------------------------------------------------------ reservations

    async def reserve(self, request: ReserveRequest, pool: str, now: datetime) -> Reservation:
        """Hold the next number of `pool`. Raises `PoolExhausted`, `IdempotencyMismatch` or `NotFound`."""
        key = (request.project, request.idempotency_key or "")
        if request.idempotency_key is not None and key in self._by_key:
            reservation_id, body_hash = self._by_key[key]
            if body_hash != request.body_hash:
                raise IdempotencyMismatch(request.idempotency_key)
            return msgspec.structs.replace(state_at(self._reservations[reservation_id], now), replayed=True)
        here = self._member_pool(pool)
        slot = here.rotation.take(stamp(now))
        if slot is None:
            here.counters["refused"] += 1
            due = here.rotation.next_free()
            wait = here.policy.claim_cooldown_s + 1.0 if due is None else (due - stamp(now)) / 1e6
            account = self._account_of(here.policy.project)
            self._tell(pool_exhausted(pool, here.policy.project, account, now, wait))
            raise PoolExhausted(pool, retry_after_s=wait)
        free = here.leases[slot]
        self._tell_expired(pool, free, now)
        here.counters["expired"] += is_no_show(free, now)
        here.counters["reserved"] += 1
        held = take(free, here.policy, lease_seconds(here.policy, request.ttl_s), now)
        here.store(held)
        (reservation_id,) = new_reservation_ids(stamp(now), 1)
        reservation = Reservation(
            id=reservation_id,
            pool=pool,
            project=request.project,
            number=held.number,
            epoch=held.epoch,
            state=ReservationState.RESERVED,
            attributes_json=request.attributes_json,
            reserved_at=now,
            expires_at=held.expires_at,
            expected_caller=request.expected_caller,
            caller_policy=request.caller_policy or here.policy.caller_policy,
        )
        self._reservations[reservation_id] = reservation
        self._current[pool, held.number] = reservation_id
        if request.idempotency_key is not None:
            self._by_key[key] = (reservation_id, request.body_hash)
        return reservation

    async def bind(self, request: BindRequest, now: datetime) -> BindResult:
        """Attach the call to what is reserved on its number, or say why not. Repeating it gives the same answer."""
        holder = self._by_call.get((request.sip_call_id, request.from_tag))
        if holder is not None:
            return repeat_bind(self._reservations[holder], request, now)
        here = self._pool(request.pool)
        lease = here.lease(request.number)
        if lease is None:
            return BindResult(verdict=BindVerdict.STRAY)
        current = self._current.get((request.pool, request.number))
        decision = bind(lease, self._reservations.get(current or ""), request, here.policy, now)
        return self._carry_out(here, lease, decision, request, now)

    def _carry_out(
        self, here: _Pool, lease: NumberLease, decision: BindDecision, request: BindRequest, now: datetime
    ) -> BindResult:
        """Store what a bind decided."""
        if decision.verdict is BindVerdict.STRAY:
            here.counters["stray"] += 1
            here.store(count_stray(lease))
        if decision.step is None:
            return BindResult(verdict=decision.verdict)
        if decision.verdict is BindVerdict.LATE:
            here.counters["late"] += 1
            here.counters["expired"] += is_no_show(lease, now)
        reservation = decision.step.reservation
        self._store(here, decision.step)
        self._by_call[request.sip_call_id, request.from_tag] = reservation.id
        result = attach(decision.verdict, reservation, request, now)
        self._tell(
            reservation_arrived(
                reservation, self._account_of(reservation.project), request.conversation_id, now,
                caller_matched=result.caller_matched,
            )
        )  # fmt: skip
        return result

    async def expired_reservation_events(self, now: datetime, limit: int) -> int:
        """Put in an event for each reservation that expired lately without its call and has none yet."""
        lapsed = [
            (name, lease)
            for name, here in self._pools.items()
            for lease in here.leases
            if is_no_show(lease, now) and lease.expires_at > now - EXPIRED_WITHIN
        ]
        lapsed.sort(key=lambda pair: pair[1].expires_at)
        told = 0
        for name, lease in lapsed:
            told += told < limit and self._tell_expired(name, lease, now)
        return told

    def _tell_expired(self, pool: str, lease: NumberLease, now: datetime) -> bool:
        """Tell of a number's last reservation if nobody called on it; whether that was news."""
        held = self._reservations.get(self._current.get((pool, lease.number), ""))
        type_ = EventType.RESERVATION_EXPIRED
        if held is None or type_ not in self.wanted_events or not is_no_show(lease, now):
            return False
        news = not self._times_told(type_, held.id)
        self._tell(reservation_expired(held, self._account_of(held.project)))
        return news

    async def claim(self, reservation_id: str, epoch: int, now: datetime, *, verified: bool) -> bool:
        """BOUND -> CLAIMED; the number starts its cool-down. False when fenced off."""
        return self._claim(reservation_id, epoch, now, verified=verified)

    def _claim(self, reservation_id: str, epoch: int, now: datetime, *, verified: bool) -> bool:
        found = self._held(reservation_id, epoch)
        if found is None:
            return False
        here, lease, reservation = found
        step = claim(lease, reservation, here.policy, now, verified=verified)
        if step is not None:
            here.counters["claimed"] += 1
            self._store(here, step)
        return step is not None

    async def unbind(self, reservation_id: str, epoch: int, now: datetime) -> bool:
        """BOUND -> RESERVED after set-up failed; at least the pool's grace remains. False when fenced off."""
        return self._unbind(reservation_id, epoch, now)

    def _unbind(self, reservation_id: str, epoch: int, now: datetime) -> bool:
        found = self._held(reservation_id, epoch)
        if found is None:
            return False
        here, lease, reservation = found
        step = unbind(lease, reservation, here.policy, now)
        if step is not None:
            del self._by_call[reservation.sip_call_id or "", reservation.from_tag or ""]
            self._store(here, step)
        return step is not None

    async def release(self, reservation_id: str, project: str, now: datetime) -> Reservation:
        """The client gives a reservation up. Raises `NotFound`, or `Conflict` once a call has it."""
        reservation = self._reservations.get(reservation_id)
        if reservation is None or reservation.project != project:
            raise NotFound("no such reservation", reservation_id=reservation_id)
        here = self._pool(reservation.pool)
        lease = here.leases[here.slots[reservation.number]]
        step = release(lease, reservation, here.policy, now)
        if step is None:
            return state_at(reservation, now)
        here.counters["released"] += 1
        self._store(here, step)
        return step.reservation

    async def reservation(self, reservation_id: str, now: datetime) -> Reservation | None:
        """One reservation, its state as of `now`."""
        found = self._reservations.get(reservation_id)
        return None if found is None else state_at(found, now)

    async def reservations(
        self, project: str, now: datetime, *, pool: str | None = None, limit: int = 100
    ) -> Sequence[Reservation]:
        """The newest reservations of a project."""
        wanted = (
            found
            for found in sorted(self._reservations.values(), key=lambda found: found.id, reverse=True)
            if found.project == project and pool in {None, found.pool}
        )
        return [state_at(found, now) for _, found in zip(range(limit), wanted, strict=False)]

    # ------------------------------------------------------------------------------------------------- pools

    async def pool_stats(self, pool: str, now: datetime) -> PoolStats:
        """Numbers by state, and counters. Raises `NotFound`."""
        here = self._member_pool(pool)
        members = here.members()
        states = Counter(number_state(lease, now) for lease in members)
        lapsed = sum(is_no_show(lease, now) for lease in here.leases)
        counters = here.counters
        return PoolStats(
            pool=pool,
            numbers=len(members),
            by_state={state: states[state] for state in NumberState},
            suspect=sum(is_suspect(lease, now) for lease in members),
            reserved_total=counters["reserved"],
            claimed_total=counters["claimed"],
            expired_total=counters["expired"] + lapsed,
            released_total=counters["released"],
            refused_total=counters["refused"],
            late_total=counters["late"],
            stray_total=counters["stray"],
        )

    async def pool_numbers(
        self, pool: str, now: datetime, *, containing: str = "", limit: int = 1000, offset: int = 0
    ) -> Sequence[PoolNumber]:
        """The pool's numbers in order, those that contain the given digits. Raises `NotFound`."""
        members = [one for one in self._member_pool(pool).members() if containing in one.number]
        return [describe_number(pool, lease, now) for lease in members[offset : offset + limit]]

    async def number_history(
        self, pool: str, number: str, now: datetime, *, limit: int = 50
    ) -> Sequence[Reservation]:
        """The newest reservations of one number. Raises `NotFound`."""
        if number not in self._member_pool(pool).slots:
            raise NotFound(f"pool {pool!r} has no number {number}", pool=pool, number=number)
        wanted = (one for one in self._reservations.values() if (one.pool, one.number) == (pool, number))
        newest = sorted(wanted, key=lambda one: one.epoch, reverse=True)
        return [state_at(one, now) for one in newest[:limit]]

    async def set_number_admin(self, pool: str, number: str, admin: NumberAdmin) -> None:
        """Drain, disable or reactivate one number. Raises `NotFound`."""
        here = self._member_pool(pool)
        if number not in here.numbers:
            raise NotFound(f"pool {pool!r} has no number {number}", pool=pool, number=number)
        here.store(msgspec.structs.replace(here.leases[here.slots[number]], admin=admin))

    async def lingering_pools(self, now: datetime) -> Sequence[Pool]:
        """Pools with, as `numbers`, those that were removed while a reservation on them is still to be honoured."""
        found = []
        for name in sorted(self._pools):
            here = self._pools[name]
            numbers = tuple(
                lease.number
                for lease in here.leases
                if lease.number not in here.numbers and is_remembered(lease, now)
            )
            if numbers:
                found.append(msgspec.structs.replace(here.policy, numbers=numbers))
        return found

    # --------------------------------------------------------------------------------------------- resources

    async def resources(self) -> Resources:
        """All resources as last applied."""
        return self._resources

    async def apply(self, change: Callable[[Resources], Resources], now: datetime) -> Resources:
        """Replace the resources by `change(current)`; a number that stays keeps its state."""
        self._resources = change(self._resources)
        wanted = {pool.name: pool for pool in self._resources.pools}
        for name, policy in wanted.items():
            self._pools.setdefault(name, _Pool(policy)).configure(policy)
        for name, here in self._pools.items():
            if name not in wanted:
                here.configure(msgspec.structs.replace(here.policy, numbers=()))
        self._version += 1
        return self._resources

    async def unsealed_secrets(self) -> int:
        """Nothing comes to rest here."""
        return 0

    async def resources_version(self) -> int:
        """Grows with every apply."""
        return self._version

    # ----------------------------------------------------------------------------------------------- inwards

    def _pool(self, name: str) -> _Pool:
        here = self._pools.get(name)
        if here is None:
            raise NotFound(f"no pool named {name!r}", pool=name)
        return here

    def _member_pool(self, name: str) -> _Pool:
        here = self._pool(name)
        if not any(pool.name == name for pool in self._resources.pools):
            raise NotFound(f"no pool named {name!r}", pool=name)
        return here

    def _held(self, reservation_id: str, epoch: int) -> tuple[_Pool, NumberLease, Reservation] | None:
        """The pool, lease and reservation that a call names, unless the number has moved on."""
        reservation = self._reservations.get(reservation_id)
        if reservation is None or reservation.epoch != epoch:
            return None
        here = self._pool(reservation.pool)
        return here, here.leases[here.slots[reservation.number]], reservation

    def _store(self, here: _Pool, step: Step) -> None:
        here.store(step.lease)
        self._reservations[step.reservation.id] = step.reservation

    def _settle_bound(self, answered: Callable[[str | None], bool], now: datetime) -> None:
        """Claim what answered calls had bound when the process died, and un-bind the rest."""
        bound = [held for held in self._reservations.values() if held.state is ReservationState.BOUND]
        for held in bound:
            if answered(held.conversation_id):
                self._claim(held.id, held.epoch, now, verified=False)
            else:
                self._unbind(held.id, held.epoch, now)
