"""Pools, numbers and reservations in SQLite. Writes run in the writer's thread, reads in the reader's."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tieline.errors import NotFound, TielineError
from tieline.model.lease import (
    NumberLease,
    Step,
    bind,
    claim,
    count_stray,
    is_no_show,
    release,
    state_at,
    unbind,
)
from tieline.model.pool import NumberAdmin, Pool, PoolStats
from tieline.model.reservation import BindRequest, BindResult, BindVerdict, Reservation, ReserveRequest
from tieline.store.base import PoolNumber
from tieline.store.errors import IdempotencyMismatch, InFlight, PoolExhausted
from tieline.store.identity import ReservationKeys, reservation_key
from tieline.store.records import attach, repeat_bind, stamp, storable
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_events import SqliteEvents
from tieline.store.sqlite_pools import read_delays, read_history, read_lingering, read_numbers, read_stats
from tieline.store.sqlite_rows import (
    ADMIN_NUMBER,
    NUMBER_COLUMNS,
    RESERVATION_COLUMNS,
    RESERVATION_WIDTH,
    STORE_LEASE,
    STORE_RESERVATION,
    lease_values,
    read_lease,
    read_reservation,
    reservation_values,
)
from tieline.store.sqlite_turn import PoolEntry, Wanted, next_free, take_in_turn
from tieline.store.sqlite_writer import Writer

HINT_LIFE = timedelta(seconds=1)
"""How long "nothing is free" is believed without asking again: another process may add numbers."""

_FROM = "FROM reservations r JOIN numbers n ON n.id = r.number_id JOIN pools p ON p.id = n.pool_id"
_SELECT = f"SELECT {RESERVATION_COLUMNS} {_FROM}"
_HAS_ID = "WHERE r.key = ? AND r.id = ?"
_BY_ID = f"{_SELECT} {_HAS_ID}"
_BY_KEY = f"SELECT {RESERVATION_COLUMNS}, r.body_hash {_FROM} WHERE r.project = ? AND r.idempotency_key = ?"
_BY_CALL = f"{_SELECT} WHERE r.sip_call_id = ? AND r.from_tag = ?"
_BOUND = f"SELECT r.id, r.epoch {_FROM} WHERE n.phase = 2 AND r.epoch = n.epoch"
_WITH_LEASE = f"SELECT {RESERVATION_COLUMNS}, {NUMBER_COLUMNS}, n.id, n.pool_id {_FROM} {_HAS_ID}"
_DIALLED = f"""
SELECT {RESERVATION_COLUMNS}, {NUMBER_COLUMNS}, n.id FROM numbers n JOIN pools p ON p.id = n.pool_id
    LEFT JOIN reservations r ON r.epoch = n.epoch AND r.number_id = n.id WHERE n.pool_id = ? AND n.number = ?"""  # noqa: S608
_NEWEST = f"{_SELECT} WHERE r.project = ? AND (?2 IS NULL OR p.name = ?2) ORDER BY r.key DESC LIMIT ?3"
_NEWEST_KEY = "SELECT max(coalesce(max(key), 0), ?) FROM reservations"
_STRAY = "UPDATE numbers SET strays = ?, recent_strays = ? WHERE id = ?"
_COUNT = {
    name: f"UPDATE pools SET {name} = {name} + 1 WHERE id = ?"  # noqa: S608 - names of ours
    for name in ("claimed", "expired", "released", "late", "stray")
}


class Hints:
    """Until when each pool is known to have no free number, so that refusing needs neither disk nor queue.

    Written by the writer's thread, read by the event loop.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, int | None]] = {}

    def set(self, pool: str, now: datetime, free_at: int | None) -> None:
        """As of `now`, nothing is free before `free_at` (None: before something happens)."""
        self._known[pool] = (now, free_at)

    def forget(self, pool: str | None = None) -> None:
        """A number of `pool` (of any pool) may be free earlier, or later, than was known."""
        if pool is None:
            self._known.clear()
        else:
            self._known.pop(pool, None)

    def wait_us(self, pool: str, now: datetime) -> int | None:
        """How long nothing will be free, in microseconds (-1: unknown but not yet); None when that is not known."""
        known = self._known.get(pool)
        if known is None or not known[0] <= now < known[0] + HINT_LIFE:
            return None
        if known[1] is None:
            return -1
        return wait if (wait := known[1] - stamp(now)) > 0 else None


class SqliteReservations(SqliteEvents):
    """The `ReservationStore` protocol, and the part of the writer's group policy that concerns it."""

    _writer: Writer
    _reader: Reader

    def __init__(self) -> None:
        super().__init__()
        self._pools: dict[str, PoolEntry] = {}
        self._keys = ReservationKeys()
        self._hints = Hints()
        self._in_flight: set[tuple[str, str]] = set()
        self._refused: Counter[str] = Counter()
        self._refused_lock = threading.Lock()

    # ----------------------------------------------------------------------------------------------- reserve

    async def reserve(self, request: ReserveRequest, pool: str, now: datetime) -> Reservation:
        """Hold the next number of `pool`.

        Raises `PoolExhausted`, `IdempotencyMismatch`, `InFlight` or `NotFound`.
        """
        key = None if request.idempotency_key is None else (request.project, request.idempotency_key)
        try:
            # A keyed request may be a replay, which an exhausted pool still answers: it has to be looked up.
            if key is not None:
                return await self._reserve_once(key, Wanted(request, pool, now))
            if (wait := self._hints.wait_us(pool, now)) is not None:
                raise self._exhausted(self._pools[pool], wait)
            reservation: Reservation = await self._writer.submit_alike(Wanted(request, pool, now))
        except PoolExhausted as refused:
            with self._refused_lock:
                self._refused[pool] += 1
            self._tell_exhausted(self._pools.get(pool), now, refused.retry_after_s)
            raise
        return reservation

    async def _reserve_once(self, key: tuple[str, str], wanted: Wanted) -> Reservation:
        """Reserve under an idempotency key that no other request is using at the moment."""
        if key in self._in_flight:
            raise InFlight(key[1])
        self._in_flight.add(key)
        try:
            reservation: Reservation = await self._writer.submit_alike(wanted)
        finally:
            self._in_flight.discard(key)
        return reservation

    def _reserve_group(self, connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> list[Any]:
        """Reserve for a group; a reservation or a `TielineError` for each, in order."""
        results: list[Any] = [None] * len(wanted)
        by_pool: dict[str, list[int]] = {}
        keys: set[tuple[str, str]] = set()
        for position, one in enumerate(wanted):
            if one.request.idempotency_key is not None:
                results[position] = self._replay(connection, one, one.request.idempotency_key, keys)
                if results[position] is not None:
                    continue
            positions = by_pool.get(one.pool)
            if positions is None:
                by_pool[one.pool] = [position]
            else:
                positions.append(position)
        for pool, positions in by_pool.items():
            entry = self._pools.get(pool)
            if entry is None or not entry.member:
                for position in positions:
                    results[position] = _no_pool(pool)
                continue
            made = take_in_turn(connection, entry, [wanted[at] for at in positions], self._keys)
            for position, reservation in zip(positions, made, strict=False):
                results[position] = reservation
            self._tell_lapsed(connection, entry, made)
            refused = positions[len(made) :]
            if refused:
                now = max(wanted[position].now for position in positions)
                free_at = next_free(connection, entry)
                self._hints.set(pool, now, free_at)
                wait = -1 if free_at is None else free_at - stamp(now)
                for position in refused:
                    results[position] = self._exhausted(entry, wait)
        return results

    @staticmethod
    def _replay(
        connection: sqlite3.Connection, one: Wanted, key: str, keys: set[tuple[str, str]]
    ) -> Reservation | TielineError | None:
        """The replay or the refusal of a request whose idempotency key is in use; None when it is new.

        `keys` gathers the idempotency keys of the group: a client that hung up may have left a twin behind.
        """
        if (one.request.project, key) in keys:
            return InFlight(key)
        keys.add((one.request.project, key))
        row = connection.execute(_BY_KEY, (one.request.project, key)).fetchone()
        if row is None:
            return None
        if row[-1] != one.request.body_hash:
            return IdempotencyMismatch(key)
        return msgspec.structs.replace(state_at(read_reservation(row), one.now), replayed=True)

    @staticmethod
    def _exhausted(entry: PoolEntry, wait_us: int) -> PoolExhausted:
        wait_s = entry.policy.claim_cooldown_s + 1.0 if wait_us < 0 else wait_us / 1e6
        return PoolExhausted(entry.policy.name, retry_after_s=wait_s)

    # ------------------------------------------------------------------------------------------- other writes

    async def bind(self, request: BindRequest, now: datetime) -> BindResult:
        """Attach the call to what is reserved on its number, or say why not. Repeating it gives the same answer."""
        request = msgspec.structs.replace(
            request, sip_call_id=storable(request.sip_call_id), from_tag=storable(request.from_tag)
        )
        return await self._writer.submit(lambda connection: self._bind(connection, request, now))

    def _bind(self, connection: sqlite3.Connection, request: BindRequest, now: datetime) -> BindResult:
        holder = connection.execute(_BY_CALL, (request.sip_call_id, request.from_tag)).fetchone()
        if holder is not None:
            return repeat_bind(read_reservation(holder), request, now)
        entry = self._entry(request.pool)
        row = connection.execute(_DIALLED, (entry.id, request.number)).fetchone()
        if row is None:
            return BindResult(verdict=BindVerdict.STRAY)
        reservation = None if row[0] is None else read_reservation(row)
        lease = read_lease(row[RESERVATION_WIDTH:])
        number_id = row[-1]
        decision = bind(lease, reservation, request, entry.policy, now)
        if decision.verdict is BindVerdict.STRAY:
            counted = count_stray(lease)
            connection.execute(_STRAY, (counted.strays, counted.recent_strays, number_id))
            connection.execute(_COUNT["stray"], (entry.id,))
        if decision.step is None:
            return BindResult(verdict=decision.verdict)
        if decision.verdict is BindVerdict.LATE:
            connection.execute(_COUNT["late"], (entry.id,))
            if is_no_show(lease, now):
                connection.execute(_COUNT["expired"], (entry.id,))
        _store(connection, number_id, decision.step)
        self._hints.forget(request.pool)
        result = attach(decision.verdict, decision.step.reservation, request, now)
        self._tell_bound(connection, request, result, now)
        return result

    async def claim(self, reservation_id: str, epoch: int, now: datetime, *, verified: bool) -> bool:
        """BOUND -> CLAIMED; the number starts its cool-down. False when fenced off."""

        def rule(lease: NumberLease, reservation: Reservation, pool: Pool) -> Step | None:
            return claim(lease, reservation, pool, now, verified=verified)

        return await self._writer.submit(
            lambda connection: self._move(connection, reservation_id, epoch, rule)
        )

    async def unbind(self, reservation_id: str, epoch: int, now: datetime) -> bool:
        """BOUND -> RESERVED after set-up failed; at least the pool's grace remains. False when fenced off."""

        def rule(lease: NumberLease, reservation: Reservation, pool: Pool) -> Step | None:
            return unbind(lease, reservation, pool, now)

        return await self._writer.submit(
            lambda connection: self._move(connection, reservation_id, epoch, rule)
        )

    def _move(
        self,
        connection: sqlite3.Connection,
        reservation_id: str,
        epoch: int,
        rule: Callable[[NumberLease, Reservation, Pool], Step | None],
    ) -> bool:
        """Apply a rule to what a call holds, if it still holds it."""
        row = connection.execute(_WITH_LEASE, (reservation_key(reservation_id), reservation_id)).fetchone()
        if row is None:
            return False
        reservation, lease = read_reservation(row), read_lease(row[RESERVATION_WIDTH:])
        entry = self._entry(reservation.pool)
        step = rule(lease, reservation, entry.policy) if reservation.epoch == epoch else None
        if step is None:
            return False
        if step.reservation.sip_call_id is not None:
            connection.execute(_COUNT["claimed"], (entry.id,))
        _store(connection, row[-2], step)
        self._hints.forget(reservation.pool)
        return True

    async def release(self, reservation_id: str, project: str, now: datetime) -> Reservation:
        """The client gives a reservation up. Raises `NotFound`, or `Conflict` once a call has it."""
        return await self._writer.submit(
            lambda connection: self._release(connection, reservation_id, project, now)
        )

    def _release(
        self, connection: sqlite3.Connection, reservation_id: str, project: str, now: datetime
    ) -> Reservation:
        row = connection.execute(_WITH_LEASE, (reservation_key(reservation_id), reservation_id)).fetchone()
        reservation = None if row is None else read_reservation(row)
        if reservation is None or reservation.project != project:
            raise NotFound("no such reservation", reservation_id=reservation_id)
        entry = self._entry(reservation.pool)
        step = release(read_lease(row[RESERVATION_WIDTH:]), reservation, entry.policy, now)
        if step is None:
            return state_at(reservation, now)
        connection.execute(_COUNT["released"], (entry.id,))
        _store(connection, row[-2], step)
        self._hints.forget(reservation.pool)
        return step.reservation

    async def set_number_admin(self, pool: str, number: str, admin: NumberAdmin) -> None:
        """Drain, disable or reactivate one number. Raises `NotFound`."""

        def job(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE numbers SET admin = ? WHERE pool_id = ? AND number = ? AND member = 1",
                (ADMIN_NUMBER[admin], self._member_entry(pool).id, number),
            )
            if not done.rowcount:
                raise NotFound(f"pool {pool!r} has no number {number}", pool=pool, number=number)
            self._hints.forget(pool)

        await self._writer.submit(job)

    # ------------------------------------------------------------------------------------------------- reads

    async def reservation(self, reservation_id: str, now: datetime) -> Reservation | None:
        """One reservation, its state as of `now`."""
        row = await self._reader.read(
            lambda connection: connection.execute(
                _BY_ID, (reservation_key(reservation_id), reservation_id)
            ).fetchone()
        )
        return None if row is None else state_at(read_reservation(row), now)

    async def reservations(
        self, project: str, now: datetime, *, pool: str | None = None, limit: int = 100
    ) -> Sequence[Reservation]:
        """The newest reservations of a project."""
        rows = await self._reader.read(
            lambda connection: connection.execute(_NEWEST, (project, pool, limit)).fetchall()
        )
        return [state_at(read_reservation(row), now) for row in rows]

    async def pool_stats(self, pool: str, now: datetime) -> PoolStats:
        """Numbers by state, and counters. Raises `NotFound`."""
        stats = await self._reader.read(lambda connection: read_stats(connection, pool, now))
        with self._refused_lock:
            pending = self._refused[pool]
        return msgspec.structs.replace(stats, refused_total=stats.refused_total + pending)

    async def pool_numbers(
        self, pool: str, now: datetime, *, containing: str = "", limit: int = 1000, offset: int = 0
    ) -> Sequence[PoolNumber]:
        """The pool's numbers in order, those that contain the given digits. Raises `NotFound`."""
        return await self._reader.read(
            lambda connection: read_numbers(connection, pool, now, containing, limit, offset)
        )

    async def number_history(
        self, pool: str, number: str, now: datetime, *, limit: int = 50
    ) -> Sequence[Reservation]:
        """The newest reservations of one number. Raises `NotFound`."""
        return await self._reader.read(lambda connection: read_history(connection, pool, number, now, limit))

    async def setup_delays(self, pool: str, *, limit: int = 500) -> Sequence[float]:
        """Seconds from reservation to call of the newest claimed reservations. Raises `NotFound`."""
        return await self._reader.read(lambda connection: read_delays(connection, pool, limit))

    async def lingering_pools(self, now: datetime) -> Sequence[Pool]:
        """Pools with, as `numbers`, those that were removed while a reservation on them is still to be honoured."""
        return await self._reader.read(lambda connection: read_lingering(connection, now))

    # ----------------------------------------------------------------------------------------------- inwards

    def _entry(self, pool: str) -> PoolEntry:
        entry = self._pools.get(pool)
        if entry is None:
            raise _no_pool(pool)
        return entry

    def _member_entry(self, pool: str) -> PoolEntry:
        entry = self._entry(pool)
        if not entry.member:
            raise _no_pool(pool)
        return entry

    def _load_keys(self, connection: sqlite3.Connection) -> None:
        """Begin behind the newest reservation, whoever made it."""
        self._keys.last = connection.execute(_NEWEST_KEY, (self._keys.last,)).fetchone()[0]

    def _flush_refused(self, connection: sqlite3.Connection) -> None:
        """Store the refusals counted since the last commit; called only where a commit is due anyway."""
        with self._refused_lock:
            pending = dict(self._refused)
            self._refused.clear()
        for pool, count in pending.items():
            connection.execute("UPDATE pools SET refused = refused + ? WHERE name = ?", (count, pool))

    def _settle_bound(
        self, connection: sqlite3.Connection, answered: Callable[[str | None], bool], now: datetime
    ) -> None:
        """Claim what answered calls had bound when the process died, and un-bind the rest."""

        def rule(lease: NumberLease, reservation: Reservation, pool: Pool) -> Step | None:
            if answered(reservation.conversation_id):
                return claim(lease, reservation, pool, now, verified=False)
            return unbind(lease, reservation, pool, now)

        for reservation_id, epoch in connection.execute(_BOUND).fetchall():
            self._move(connection, reservation_id, epoch, rule)


def _store(connection: sqlite3.Connection, number_id: int, step: Step) -> None:
    done = connection.execute(STORE_LEASE, lease_values(step.lease, number_id))
    if done.rowcount != 1:
        raise sqlite3.IntegrityError("the number has moved on to another epoch")
    connection.execute(STORE_RESERVATION, reservation_values(step.reservation))


def _no_pool(pool: str) -> NotFound:
    return NotFound(f"no pool named {pool!r}", pool=pool)
