"""Rows of the pool's tables as records, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieline.model.lease import NumberLease, Phase
from tieline.model.pool import CallerPolicy, NumberAdmin
from tieline.model.reservation import Reservation, ReservationState
from tieline.store.identity import reservation_key
from tieline.store.records import read_stamp, stamp

STATES = (
    ReservationState.RESERVED,
    ReservationState.BOUND,
    ReservationState.CLAIMED,
    ReservationState.RELEASED,
)
"""Reservation states as stored (their position); EXPIRED follows from the time and is never stored."""

POLICIES = tuple(CallerPolicy)
ADMINS = tuple(NumberAdmin)
PHASES = tuple(Phase)

STATE_NUMBER = {state: number for number, state in enumerate(STATES)}
POLICY_NUMBER = {policy: number for number, policy in enumerate(POLICIES)}
ADMIN_NUMBER = {admin: number for number, admin in enumerate(ADMINS)}

NUMBER_COLUMNS = (
    "n.number, n.admin, n.phase, n.epoch, n.expires_at, n.free_at, n.released, n.last_used_at,"
    " n.strays, n.recent_strays, n.no_shows, n.no_show_rate"
)
RESERVATION_COLUMNS = (
    "r.id, p.name, r.project, n.number, r.epoch, r.state, r.attributes, r.reserved_at, r.expires_at,"
    " r.expected_caller, r.caller_policy, r.sip_call_id, r.from_tag, r.conversation_id, r.late"
)
RESERVATION_WIDTH = 15

STORE_LEASE = """
UPDATE numbers SET phase = ?, expires_at = ?, free_at = ?, released = ?, last_used_at = ?,
    strays = ?, recent_strays = ? WHERE id = ? AND epoch = ?"""

STORE_RESERVATION = """
UPDATE reservations SET state = ?, expires_at = ?, sip_call_id = ?, from_tag = ?, conversation_id = ?, late = ?
    WHERE key = ?"""


def read_lease(row: Sequence[Any]) -> NumberLease:
    """A lease from `NUMBER_COLUMNS`."""
    return NumberLease(
        number=row[0],
        admin=ADMINS[row[1]],
        phase=PHASES[row[2]],
        epoch=row[3],
        expires_at=read_stamp(row[4]),
        free_at=read_stamp(row[5]),
        released=bool(row[6]),
        last_used_at=None if row[7] is None else read_stamp(row[7]),
        strays=row[8],
        recent_strays=row[9],
        no_shows=row[10],
        no_show_rate=row[11],
    )


def read_reservation(row: Sequence[Any]) -> Reservation:
    """A reservation from `RESERVATION_COLUMNS`, as stored."""
    return Reservation(
        id=row[0],
        pool=row[1],
        project=row[2],
        number=row[3],
        epoch=row[4],
        state=STATES[row[5]],
        attributes_json=row[6],
        reserved_at=read_stamp(row[7]),
        expires_at=read_stamp(row[8]),
        expected_caller=row[9],
        caller_policy=POLICIES[row[10]],
        sip_call_id=row[11],
        from_tag=row[12],
        conversation_id=row[13],
        late=bool(row[14]),
    )


def lease_values(lease: NumberLease, number_id: int) -> tuple[Any, ...]:
    """The parameters of `STORE_LEASE`; the epoch fences it."""
    return (
        int(lease.phase),
        stamp(lease.expires_at),
        stamp(lease.free_at),
        int(lease.released),
        None if lease.last_used_at is None else stamp(lease.last_used_at),
        lease.strays,
        lease.recent_strays,
        number_id,
        lease.epoch,
    )


def reservation_values(reservation: Reservation) -> tuple[Any, ...]:
    """The parameters of `STORE_RESERVATION`."""
    return (
        STATE_NUMBER[reservation.state],
        stamp(reservation.expires_at),
        reservation.sip_call_id,
        reservation.from_tag,
        reservation.conversation_id,
        int(reservation.late),
        reservation_key(reservation.id),
    )
