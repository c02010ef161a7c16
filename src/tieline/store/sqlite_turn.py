"""Whose turn it is: taking the next numbers of a pool for a whole group of reservations at once.

Runs in the writer's thread, inside its transaction: nobody else writes between the look and the taking. However
many reservations a group holds, it costs the same few statements for each pool in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tieline.model.lease import NO_SHOW_WEIGHT, lease_seconds
from tieline.model.pool import Pool
from tieline.model.reservation import Reservation, ReservationState, ReserveRequest
from tieline.store.identity import ReservationKeys, new_reservation_ids
from tieline.store.records import stamp
from tieline.store.sqlite_rows import POLICY_NUMBER, STATE_NUMBER

_FREE = """
    SELECT * FROM (SELECT id, number, epoch, {lapsed} FROM numbers INDEXED BY numbers_in_turn
        WHERE pool_id = ?1 AND phase = {phase} AND free_at <= ?2 AND member = 1 AND admin = 0
        ORDER BY free_at, id LIMIT ?3)"""

# One text for all of them: each row fetched by itself would give up the interpreter once more.
_IN_TURN = f"""
SELECT json_group_array(json_array(id, number, epoch, lapsed)) FROM (
    {_FREE.format(phase=0, lapsed="0 AS lapsed")} UNION ALL {_FREE.format(phase=1, lapsed="released = 0")}
    LIMIT ?3)"""  # noqa: S608 - constants of ours

_TAKE = f"""
UPDATE numbers SET phase = 1, epoch = epoch + 1, expires_at = ?, free_at = ?, released = 0, last_used_at = ?,
    recent_strays = recent_strays / 2,
    no_shows = no_shows + (phase = 1 AND released = 0),
    no_show_rate = no_show_rate * {NO_SHOW_WEIGHT - 1} / {NO_SHOW_WEIGHT}
        + (phase = 1 AND released = 0) * {1000 // NO_SHOW_WEIGHT}
    WHERE id IN (SELECT value FROM json_each(?)) AND free_at <= ?"""  # noqa: S608 - two constants of ours

_NEXT_FREE = """
SELECT min(free_at) FROM (
    SELECT min(free_at) AS free_at FROM numbers INDEXED BY numbers_in_turn
        WHERE pool_id = ?1 AND phase = 0 AND member = 1 AND admin = 0
    UNION ALL
    SELECT min(free_at) FROM numbers INDEXED BY numbers_in_turn
        WHERE pool_id = ?1 AND phase = 1 AND member = 1 AND admin = 0)"""

_decode_numbers = msgspec.json.Decoder(list[tuple[int, str, int, int]]).decode

_COUNT = "UPDATE pools SET reserved = reserved + ?, expired = expired + ? WHERE id = ?"

_INSERTED = (
    "reserved_at, state, key, id, number_id, epoch, project, attributes, expires_at, expected_caller, caller_policy,"
    " idempotency_key, body_hash"
)
_INSERT_WIDTH = 11
_LARGEST_INSERT = 64


def _insert_statement(rows: int) -> str:
    """The statement that stores `rows` reservations: their common time, then the values of each."""
    row = f"(?1,{STATE_NUMBER[ReservationState.RESERVED]},{','.join('?' * _INSERT_WIDTH)})"
    values = ",".join([row] * rows)
    return f"INSERT INTO reservations ({_INSERTED}) VALUES {values}"  # noqa: S608 - question marks and a number


_INSERT = {rows: _insert_statement(rows) for rows in (1, 2, 4, 8, 16, 32, _LARGEST_INSERT)}


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A pool as the writer knows it: row id and policy (without numbers)."""

    id: int
    policy: Pool
    member: bool


class Wanted(msgspec.Struct, frozen=True):
    """One reservation that is waiting for its number."""

    request: ReserveRequest
    pool: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _Lease:
    """Numbers of a group that are lent until the same moment, which is given twice: `end`, and as stored."""

    end: datetime
    end_stamp: int
    free_stamp: int
    ids: list[int]


def take_in_turn(
    connection: sqlite3.Connection, entry: PoolEntry, wanted: Sequence[Wanted], keys: ReservationKeys
) -> list[Reservation]:
    """Reserve for as many of `wanted`, in order, as there are free numbers: clean first, longest free first."""
    now = max([one.now for one in wanted])
    at = stamp(now)
    taken = _find(connection, entry.id, at, len(wanted))
    if not taken:
        return []
    leases = _lease_out(entry.policy, taken, wanted, now)
    _take(connection, leases, at)
    first = keys.take(len(taken), at)
    made = []
    rows: list[Any] = []
    own_policy = entry.policy.caller_policy
    for key, identity, one, (number_id, number, epoch, _) in zip(
        range(first, first + len(taken)), new_reservation_ids(first, len(taken)), wanted, taken, strict=False
    ):
        request = one.request
        lease = leases[request.ttl_s]
        policy = request.caller_policy or own_policy
        made.append(
            Reservation(
                id=identity,
                pool=one.pool,
                project=request.project,
                number=number,
                epoch=epoch + 1,
                state=ReservationState.RESERVED,
                attributes_json=request.attributes_json,
                reserved_at=now,
                expires_at=lease.end,
                expected_caller=request.expected_caller,
                caller_policy=policy,
            )
        )
        rows += (
            key,
            identity,
            number_id,
            epoch + 1,
            request.project,
            request.attributes_json,
            lease.end_stamp,
            request.expected_caller,
            POLICY_NUMBER[policy],
            request.idempotency_key,
            request.body_hash,
        )
    _insert(connection, at, rows)
    connection.execute(_COUNT, (len(taken), sum([lapsed for *_, lapsed in taken]), entry.id))
    return made


def next_free(connection: sqlite3.Connection, entry: PoolEntry) -> int | None:
    """When the pool's next number becomes free by itself (stamp); None when none will."""
    found: int | None = connection.execute(_NEXT_FREE, (entry.id,)).fetchone()[0]
    return found


def _find(
    connection: sqlite3.Connection, pool_id: int, now: int, count: int
) -> list[tuple[int, str, int, int]]:
    """Up to `count` free numbers in turn: id, number, epoch, and whether its last reservation lapsed."""
    (rows,) = connection.execute(_IN_TURN, (pool_id, now, count)).fetchone()
    return _decode_numbers(rows)


def _lease_out(
    policy: Pool, taken: Sequence[tuple[int, str, int, int]], wanted: Sequence[Wanted], now: datetime
) -> dict[float | None, _Lease]:
    """The lease of each number taken, by the time asked for; times that come to the same share one."""
    by_length: dict[float, _Lease] = {}
    leases: dict[float | None, _Lease] = {}
    for one, number in zip(wanted, taken, strict=False):
        asked = one.request.ttl_s
        lease = leases.get(asked)
        if lease is None:
            seconds = lease_seconds(policy, asked)
            lease = by_length.get(seconds)
            if lease is None:
                end = now + timedelta(seconds=seconds)
                free = end + timedelta(seconds=policy.expiry_cooldown_s)
                lease = by_length[seconds] = _Lease(end, stamp(end), stamp(free), [])
            leases[asked] = lease
        lease.ids.append(number[0])
    return leases


def _take(connection: sqlite3.Connection, leases: dict[float | None, _Lease], now: int) -> None:
    """Lend the numbers out, those of one lease by one statement."""
    for lease in {id(lease): lease for lease in leases.values()}.values():
        ids = msgspec.json.encode(lease.ids).decode()
        done = connection.execute(_TAKE, (lease.end_stamp, lease.free_stamp, now, ids, now))
        if done.rowcount != len(lease.ids):
            raise sqlite3.IntegrityError("a number was taken twice")


def _insert(connection: sqlite3.Connection, now: int, rows: Sequence[Any]) -> None:
    """Store reservations, given as one flat row of values, by as few statements as powers of two allow."""
    start = 0
    for size in _sizes(len(rows) // _INSERT_WIDTH):
        end = start + size * _INSERT_WIDTH
        connection.execute(_INSERT[size], (now, *rows[start:end]))
        start = end


def _sizes(count: int) -> Iterable[int]:
    """`count` as a sum of the sizes that there are statements for, largest first."""
    size = _LARGEST_INSERT
    while count:
        while size > count:
            size //= 2
        yield size
        count -= size
