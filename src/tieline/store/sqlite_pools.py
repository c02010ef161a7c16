"""What an operator reads of a pool: its numbers, their states in sum, and its counters."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tieline.errors import NotFound
from tieline.model.lease import (
    LONG_AGO,
    NEVER,
    NO_SHOW_WEIGHT,
    SUSPECT_NO_SHOW_RATE,
    SUSPECT_STRAYS,
    NumberLease,
    number_state,
    state_at,
)
from tieline.model.pool import NumberState, Pool, PoolStats
from tieline.model.reservation import Reservation
from tieline.store.base import PoolNumber
from tieline.store.records import describe_number, stamp
from tieline.store.sqlite_rows import (
    ADMINS,
    NUMBER_COLUMNS,
    PHASES,
    RESERVATION_COLUMNS,
    read_lease,
    read_reservation,
)

# The rules `is_no_show` and `is_suspect` of the model, for counting without reading every number.
_LAPSED = "(phase = 1 AND released = 0 AND expires_at <= :now)"
_SUSPECT = f"""(recent_strays >= {SUSPECT_STRAYS} OR {SUSPECT_NO_SHOW_RATE} <= CASE WHEN {_LAPSED}
    THEN no_show_rate * {NO_SHOW_WEIGHT - 1} / {NO_SHOW_WEIGHT} + {1000 // NO_SHOW_WEIGHT} ELSE no_show_rate END)"""
_STATES = f"""
SELECT member, admin, phase, expires_at <= :now, free_at <= :now, count(*), sum({_LAPSED}), sum({_SUSPECT})
    FROM numbers WHERE pool_id = :pool GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - constants of ours
_COUNTERS = """
SELECT id, reserved, claimed, expired, released, refused, late, stray FROM pools WHERE name = ? AND member = 1"""
_NUMBERS = f"""
SELECT {NUMBER_COLUMNS} FROM numbers n WHERE n.pool_id = ? AND n.member = 1 AND instr(n.number, ?)
    ORDER BY n.position LIMIT ? OFFSET ?"""  # noqa: S608 - column names of ours
_NUMBER = "SELECT id, epoch FROM numbers WHERE pool_id = ? AND number = ?"
# Epochs grow by one with each reservation of a number, and the index begins with them.
_HISTORY = f"""
SELECT {RESERVATION_COLUMNS} FROM reservations r
    JOIN numbers n ON n.id = r.number_id JOIN pools p ON p.id = n.pool_id
    WHERE r.number_id = ? AND r.epoch BETWEEN ? AND ? ORDER BY r.epoch DESC"""  # noqa: S608 - column names of ours
_DELAYS = """
SELECT (c.started_at - r.reserved_at) / 1e6 FROM reservations r
    JOIN numbers n ON n.id = r.number_id JOIN conversations c ON c.id = r.conversation_id
    WHERE n.pool_id = ? AND r.state = 2 ORDER BY r.key DESC LIMIT ?"""
_LINGERING = """
SELECT p.policy, n.number FROM numbers n JOIN pools p ON p.id = n.pool_id
    WHERE n.member = 0 AND (n.phase = 2 OR (n.phase = 1 AND n.free_at > ?)) ORDER BY p.name, n.id"""


def read_stats(connection: sqlite3.Connection, pool: str, now: datetime) -> PoolStats:
    """Numbers by state, and counters. Raises `NotFound`."""
    row = connection.execute(_COUNTERS, (pool,)).fetchone()
    if row is None:
        raise NotFound(f"no pool named {pool!r}", pool=pool)
    pool_id, reserved, claimed, expired, released, refused, late, stray = row
    states: Counter[NumberState] = Counter()
    suspects = 0
    groups = connection.execute(_STATES, {"now": stamp(now), "pool": pool_id})
    for member, admin, phase, has_expired, is_free, count, lapsed, suspect in groups:
        expired += lapsed
        if member:
            suspects += suspect
            alike = NumberLease(
                number="",
                admin=ADMINS[admin],
                phase=PHASES[phase],
                expires_at=LONG_AGO if has_expired else NEVER,
                free_at=LONG_AGO if is_free else NEVER,
            )
            states[number_state(alike, now)] += count
    return PoolStats(
        pool=pool,
        numbers=states.total(),
        by_state={state: states[state] for state in NumberState},
        suspect=suspects,
        reserved_total=reserved,
        claimed_total=claimed,
        expired_total=expired,
        released_total=released,
        refused_total=refused,
        late_total=late,
        stray_total=stray,
    )


def read_numbers(
    connection: sqlite3.Connection, pool: str, now: datetime, containing: str, limit: int, offset: int
) -> Sequence[PoolNumber]:
    """The pool's numbers in order, those that contain the given digits. Raises `NotFound`."""
    rows = connection.execute(_NUMBERS, (_pool_id(connection, pool), containing, limit, offset))
    return [describe_number(pool, read_lease(found), now) for found in rows]


def read_history(
    connection: sqlite3.Connection, pool: str, number: str, now: datetime, limit: int
) -> Sequence[Reservation]:
    """The newest reservations of one number. Raises `NotFound`."""
    row = connection.execute(_NUMBER, (_pool_id(connection, pool), number)).fetchone()
    if row is None:
        raise NotFound(f"pool {pool!r} has no number {number}", pool=pool, number=number)
    number_id, epoch = row
    rows = connection.execute(_HISTORY, (number_id, epoch - limit + 1, epoch))
    return [state_at(read_reservation(found), now) for found in rows]


def read_delays(connection: sqlite3.Connection, pool: str, limit: int) -> Sequence[float]:
    """Seconds from reservation to call, the newest first. Raises `NotFound`."""
    return [float(delay) for (delay,) in connection.execute(_DELAYS, (_pool_id(connection, pool), limit))]


def _pool_id(connection: sqlite3.Connection, pool: str) -> int:
    row = connection.execute(_COUNTERS, (pool,)).fetchone()
    if row is None:
        raise NotFound(f"no pool named {pool!r}", pool=pool)
    return int(row[0])


def read_lingering(connection: sqlite3.Connection, now: datetime) -> Sequence[Pool]:
    """Pools with, as `numbers`, those that were removed while a reservation on them is still to be honoured."""
    by_policy: defaultdict[str, list[str]] = defaultdict(list)
    for policy, number in connection.execute(_LINGERING, (stamp(now),)):
        by_policy[policy].append(number)
    return [
        msgspec.structs.replace(msgspec.json.decode(policy, type=Pool), numbers=tuple(numbers))
        for policy, numbers in by_policy.items()
    ]
