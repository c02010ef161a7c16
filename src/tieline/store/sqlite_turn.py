"""Whose turn it is: taking the next numbers of a pool for a whole group of reservations at once.

Runs in the writer's thread, inside its transaction: nobody else writes between the look and the taking. However
many reservations a group holds, it costs the same few statements for each pool in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tieline.model.lease import NO_SHOW_WEIGHT, lease_seconds
from tieline.model.pool import Pool
from tieline.model.reservation import Reservation, ReservationState, ReserveRequest
from tieline.store.identity import new_reservation_ids
from tieline.store.records import stamp
from tieline.store.sqlite_rows import POLICY_NUMBER, STATE_NUMBER

_IN_TURN = """
SELECT json_group_array(json_array(id, number, epoch, lapsed)) FROM (
    SELECT id, number, epoch, phase = 1 AND released = 0 AS lapsed FROM numbers INDEXED BY numbers_in_turn
    WHERE pool_id = ? AND phase = ? AND free_at <= ? AND member = 1 AND admin = 0
    ORDER BY free_at, id LIMIT ?)"""

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

_COUNT = "UPDATE pools SET reserved = reserved + ?, expired = expired + ? WHERE id = ?"

_INSERTED = (
    "id, number_id, epoch, project, state, attributes, reserved_at, expires_at, expected_caller, caller_policy,"
    " idempotency_key, body_hash"
)
_INSERT_WIDTH = 12
_LARGEST_INSERT = 64


def _insert_statement(rows: int) -> str:
    """The statement that stores `rows` reservations."""
    values = ",".join(["(" + ",".join("?" * _INSERT_WIDTH) + ")"] * rows)
    return f"INSERT INTO reservations ({_INSERTED}) VALUES {values}"  # noqa: S608 - question marks only


_INSERT = {rows: _insert_statement(rows) for rows in (1, 2, 4, 8, 16, 32, _LARGEST_INSERT)}


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A pool as the writer knows it: row id and policy (without numbers)."""

    id: int
    policy: Pool
    member: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """One reservation that is waiting for its number."""

    request: ReserveRequest
    pool: str
    now: datetime


def take_in_turn(
    connection: sqlite3.Connection, entry: PoolEntry, wanted: Sequence[Wanted]
) -> list[Reservation]:
    """Reserve for as many of `wanted`, in order, as there are free numbers: clean first, longest free first."""
    now = max(one.now for one in wanted)
    taken = _find(connection, entry.id, stamp(now), len(wanted))
    if not taken:
        return []
    served = wanted[: len(taken)]
    expiries = _take(connection, entry.policy, taken, served, now)
    ids = new_reservation_ids(len(taken), now)
    made = []
    rows: list[Any] = []
    reserved_at = stamp(now)
    for one, identity, (number_id, number, epoch, _), expires_at in zip(
        served, ids, taken, expiries, strict=True
    ):
        request = one.request
        policy = request.caller_policy or entry.policy.caller_policy
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
                expires_at=expires_at,
                expected_caller=request.expected_caller,
                caller_policy=policy,
            )
        )
        rows += (
            identity,
            number_id,
            epoch + 1,
            request.project,
            STATE_NUMBER[ReservationState.RESERVED],
            request.attributes_json,
            reserved_at,
            stamp(expires_at),
            request.expected_caller,
            POLICY_NUMBER[policy],
            request.idempotency_key,
            request.body_hash,
        )
    _insert(connection, rows)
    connection.execute(_COUNT, (len(taken), sum(lapsed for *_, lapsed in taken), entry.id))
    return made


def next_free(connection: sqlite3.Connection, entry: PoolEntry) -> int | None:
    """When the pool's next number becomes free by itself (stamp); None when none will."""
    found: int | None = connection.execute(_NEXT_FREE, (entry.id,)).fetchone()[0]
    return found


def _find(
    connection: sqlite3.Connection, pool_id: int, now: int, count: int
) -> list[tuple[int, str, int, int]]:
    """Up to `count` free numbers in turn: id, number, epoch, and whether its last reservation lapsed."""
    found: list[tuple[int, str, int, int]] = []
    for phase in (0, 1):
        if len(found) < count:
            (rows,) = connection.execute(_IN_TURN, (pool_id, phase, now, count - len(found))).fetchone()
            found += msgspec.json.decode(rows, type=list[tuple[int, str, int, int]])
    return found


def _take(
    connection: sqlite3.Connection,
    policy: Pool,
    taken: Sequence[tuple[int, str, int, int]],
    served: Sequence[Wanted],
    now: datetime,
) -> list[datetime]:
    """Lend the numbers out, those of one lease length by one statement; the end of each lease, in order."""
    by_length: defaultdict[float, list[int]] = defaultdict(list)
    expiries = []
    ends: dict[float, datetime] = {}
    for (number_id, *_), one in zip(taken, served, strict=True):
        seconds = lease_seconds(policy, one.request.ttl_s)
        by_length[seconds].append(number_id)
        if seconds not in ends:
            ends[seconds] = now + timedelta(seconds=seconds)
        expiries.append(ends[seconds])
    at = stamp(now)
    cooldown = timedelta(seconds=policy.expiry_cooldown_s)
    for seconds, ids in by_length.items():
        end = ends[seconds]
        done = connection.execute(_TAKE, (stamp(end), stamp(end + cooldown), at, json.dumps(ids), at))
        if done.rowcount != len(ids):
            raise sqlite3.IntegrityError("a number was taken twice")
    return expiries


def _insert(connection: sqlite3.Connection, rows: Sequence[Any]) -> None:
    """Store reservations, given as one flat row of values, by as few statements as powers of two allow."""
    start = 0
    for size in _sizes(len(rows) // _INSERT_WIDTH):
        end = start + size * _INSERT_WIDTH
        connection.execute(_INSERT[size], rows[start:end])
        start = end


def _sizes(count: int) -> Iterable[int]:
    """`count` as a sum of the sizes that there are statements for, largest first."""
    size = _LARGEST_INSERT
    while count:
        while size > count:
            size //= 2
        yield size
        count -= size
