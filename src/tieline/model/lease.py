"""The lease of a pool number: its states, and every rule by which a reservation holds it and lets it go.

A number is *clean* (nothing can be outstanding on it), *lent* to a reservation, or *bound* to the call that dialled
it. Time does the rest, lazily: a lent number is RESERVED until its lease ends, then in QUARANTINE, then free but
dirty; a clean number is COOLING until it is free. Nothing sweeps: what a number is follows from what is stored and
from the time.

The rules are pure: each takes what is stored and `now` and gives what to store instead. A rule compares the epochs
of number and reservation first, so that a reservation whose number has moved on can no longer change it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum

import msgspec

from tieline.errors import Conflict
from tieline.model.pool import CallerPolicy, LatePolicy, NumberAdmin, NumberState, Pool
from tieline.model.record import Record
from tieline.model.reservation import BindRequest, BindVerdict, Reservation, ReservationState

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""When a number that was never used became free."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a bound number becomes free by itself: it takes a claim or an un-bind."""

NO_SHOW_WEIGHT = 8
"""How many reservations the smoothed no-show rate looks back on, roughly."""

SUSPECT_NO_SHOW_RATE = 500
"""Per mille of recent reservations that nobody called on, from which a number is suspect."""

SUSPECT_STRAYS = 4
"""Recent calls without a reservation (halved with every reservation) from which a number is suspect."""

_replace = msgspec.structs.replace


class Phase(IntEnum):
    """What is stored of a number's state; the order is the order in which numbers are handed out."""

    CLEAN = 0
    LENT = 1
    BOUND = 2


class PoolEvent(StrEnum):
    """What happens to a number or a reservation. LAPSE, COOL and SETTLE are the passing of time."""

    RESERVE = "reserve"
    BIND = "bind"
    RESCUE = "rescue"
    CLAIM = "claim"
    UNBIND = "unbind"
    RELEASE = "release"
    LAPSE = "lapse"
    COOL = "cool"
    SETTLE = "settle"


NUMBER_TRANSITIONS: dict[tuple[NumberState, PoolEvent], NumberState] = {
    (NumberState.FREE_CLEAN, PoolEvent.RESERVE): NumberState.RESERVED,
    (NumberState.FREE_DIRTY, PoolEvent.RESERVE): NumberState.RESERVED,
    (NumberState.FREE_DIRTY, PoolEvent.RESCUE): NumberState.BOUND,
    (NumberState.RESERVED, PoolEvent.BIND): NumberState.BOUND,
    (NumberState.RESERVED, PoolEvent.RELEASE): NumberState.QUARANTINE,
    (NumberState.RESERVED, PoolEvent.LAPSE): NumberState.QUARANTINE,
    (NumberState.BOUND, PoolEvent.CLAIM): NumberState.COOLING,
    (NumberState.BOUND, PoolEvent.UNBIND): NumberState.RESERVED,
    (NumberState.QUARANTINE, PoolEvent.RESCUE): NumberState.BOUND,
    (NumberState.QUARANTINE, PoolEvent.SETTLE): NumberState.FREE_DIRTY,
    (NumberState.COOLING, PoolEvent.COOL): NumberState.FREE_CLEAN,
}
"""Every step a number takes. With a cool-down of zero the two waiting states are passed through at once."""

RESERVATION_TRANSITIONS: dict[tuple[ReservationState, PoolEvent], ReservationState] = {
    (ReservationState.RESERVED, PoolEvent.BIND): ReservationState.BOUND,
    (ReservationState.RESERVED, PoolEvent.RELEASE): ReservationState.RELEASED,
    (ReservationState.RESERVED, PoolEvent.LAPSE): ReservationState.EXPIRED,
    (ReservationState.BOUND, PoolEvent.CLAIM): ReservationState.CLAIMED,
    (ReservationState.BOUND, PoolEvent.UNBIND): ReservationState.RESERVED,
    (ReservationState.EXPIRED, PoolEvent.RESCUE): ReservationState.BOUND,
    (ReservationState.RELEASED, PoolEvent.RESCUE): ReservationState.BOUND,
}
"""Every step a reservation takes after it was made. CLAIMED is final."""


class NumberLease(Record):
    """What is stored of one pool number.

    `expires_at` is the end of the lease while lent; `free_at` is when the number may be handed out again unless
    something happens first. `released` tells a reservation given up from one that nobody called on.
    `no_show_rate` is per mille, smoothed; `recent_strays` fades as reservations pass.
    """

    number: str
    admin: NumberAdmin = NumberAdmin.ACTIVE
    phase: Phase = Phase.CLEAN
    epoch: int = 0
    expires_at: datetime = LONG_AGO
    free_at: datetime = LONG_AGO
    released: bool = False
    last_used_at: datetime | None = None
    strays: int = 0
    recent_strays: int = 0
    no_shows: int = 0
    no_show_rate: int = 0


class Step(Record):
    """A number and its reservation after a rule was applied."""

    lease: NumberLease
    reservation: Reservation


class BindDecision(Record):
    """The verdict on a bind; `step` is what to store when attributes go to the call."""

    verdict: BindVerdict
    step: Step | None = None


def number_state(lease: NumberLease, now: datetime) -> NumberState:
    """The state of a number at `now`. What the operator decided shows once no caller holds the number."""
    if lease.phase is Phase.BOUND:
        return NumberState.BOUND
    if lease.phase is Phase.LENT and now < lease.expires_at:
        return NumberState.RESERVED
    if lease.admin is not NumberAdmin.ACTIVE:
        return NumberState(lease.admin.value)
    waiting = now < lease.free_at
    if lease.phase is Phase.LENT:
        return NumberState.QUARANTINE if waiting else NumberState.FREE_DIRTY
    return NumberState.COOLING if waiting else NumberState.FREE_CLEAN


def is_no_show(lease: NumberLease, now: datetime) -> bool:
    """Whether the number's last reservation ended without a call and without having been given up."""
    return lease.phase is Phase.LENT and not lease.released and now >= lease.expires_at


def is_remembered(lease: NumberLease, now: datetime) -> bool:
    """Whether a call to the number is still to be met with its reservation after it has left the pool."""
    return lease.phase is Phase.BOUND or (lease.phase is Phase.LENT and now < lease.free_at)


def is_suspect(lease: NumberLease, now: datetime) -> bool:
    """Whether callers keep failing to arrive on the number, or keep arriving that nobody announced."""
    rate = smooth_no_shows(lease.no_show_rate, no_show=True) if is_no_show(lease, now) else lease.no_show_rate
    return rate >= SUSPECT_NO_SHOW_RATE or lease.recent_strays >= SUSPECT_STRAYS


def smooth_no_shows(rate: int, *, no_show: bool) -> int:
    """The smoothed no-show rate (per mille) after one more reservation ended."""
    return rate * (NO_SHOW_WEIGHT - 1) // NO_SHOW_WEIGHT + (1000 // NO_SHOW_WEIGHT if no_show else 0)


def lease_seconds(pool: Pool, wanted: float | None) -> float:
    """How long a reservation holds its number: what was asked for, within the pool's bounds."""
    return min(max(pool.ttl_s if wanted is None else wanted, pool.min_ttl_s), pool.max_ttl_s)


def state_at(reservation: Reservation, now: datetime) -> Reservation:
    """The reservation as of `now`: one whose lease ended without a call is EXPIRED."""
    if reservation.state is ReservationState.RESERVED and now >= reservation.expires_at:
        return _replace(reservation, state=ReservationState.EXPIRED)
    return reservation


def take(lease: NumberLease, pool: Pool, ttl_s: float, now: datetime) -> NumberLease:
    """Hand a free number out for `ttl_s` seconds. It gets the next epoch, and what was remembered of it is over."""
    no_show = is_no_show(lease, now)
    expires_at = now + timedelta(seconds=ttl_s)
    return _replace(
        lease,
        phase=Phase.LENT,
        epoch=lease.epoch + 1,
        expires_at=expires_at,
        free_at=expires_at + timedelta(seconds=pool.expiry_cooldown_s),
        released=False,
        last_used_at=now,
        recent_strays=lease.recent_strays // 2,
        no_shows=lease.no_shows + no_show,
        no_show_rate=smooth_no_shows(lease.no_show_rate, no_show=no_show),
    )


def count_stray(lease: NumberLease) -> NumberLease:
    """The number after a call that belongs to no reservation."""
    return _replace(lease, strays=lease.strays + 1, recent_strays=lease.recent_strays + 1)


def caller_differs(expected: str | None, caller: str | None, policy: CallerPolicy) -> bool:
    """Whether `caller` (None when unknown) is refused the attributes meant for `expected`."""
    if expected is None or policy is CallerPolicy.OFF:
        return False
    if caller is None:
        return policy is CallerPolicy.STRICT
    return caller != expected


def bind(
    lease: NumberLease, reservation: Reservation | None, request: BindRequest, pool: Pool, now: datetime
) -> BindDecision:
    """Decide what an INVITE to `lease` gets. `reservation` is the one of the number's present epoch, if any.

    The store has already answered a repeated INVITE from the reservation that its call holds.
    """
    if request.forwarded:
        return BindDecision(verdict=BindVerdict.FORWARDED)
    if lease.admin is NumberAdmin.DISABLED:
        return BindDecision(verdict=BindVerdict.DISABLED)
    if reservation is None or lease.phase is Phase.CLEAN:
        recent = reservation is not None and now < lease.free_at
        return BindDecision(verdict=BindVerdict.SECOND_CALL if recent else BindVerdict.STRAY)
    if lease.phase is Phase.BOUND:
        return BindDecision(verdict=BindVerdict.SECOND_CALL)
    late = now >= lease.expires_at
    if late and pool.late_policy is LatePolicy.NEVER:
        return BindDecision(verdict=BindVerdict.STRAY)
    if _is_refused(reservation, request.caller, pool, late=late):
        return BindDecision(verdict=BindVerdict.CALLER_MISMATCH)
    held = _replace(
        reservation,
        state=ReservationState.BOUND,
        sip_call_id=request.sip_call_id,
        from_tag=request.from_tag,
        conversation_id=request.conversation_id,
        late=late,
    )
    step = Step(lease=_replace(lease, phase=Phase.BOUND, free_at=NEVER), reservation=held)
    return BindDecision(verdict=BindVerdict.LATE if late else BindVerdict.BOUND, step=step)


def _is_refused(reservation: Reservation, caller: str | None, pool: Pool, *, late: bool) -> bool:
    """A late caller must positively match where one was expected, unless the pool rescues every late call."""
    expected = reservation.expected_caller
    if late and pool.late_policy is LatePolicy.MATCHED:
        return expected is not None and caller != expected
    return caller_differs(expected, caller, reservation.caller_policy)


def claim(
    lease: NumberLease, reservation: Reservation, pool: Pool, now: datetime, *, verified: bool
) -> Step | None:
    """The call was answered: the attributes are the call's own from here on, and the number goes back.

    A verified claim needs a short cool-down only. Any other keeps the number until the original lease ends (or, for
    a late call, through a quarantine), for the right caller may still be dialling. None when fenced off.
    """
    if not _holds(lease, reservation):
        return None
    free_at = now + timedelta(seconds=pool.claim_cooldown_s)
    if not verified:
        held_until = lease.expires_at
        if reservation.late:
            held_until = now + timedelta(seconds=pool.expiry_cooldown_s)
        free_at = max(free_at, held_until)
    return Step(
        lease=_replace(lease, phase=Phase.CLEAN, free_at=free_at, last_used_at=now),
        reservation=_replace(reservation, state=ReservationState.CLAIMED),
    )


def unbind(lease: NumberLease, reservation: Reservation, pool: Pool, now: datetime) -> Step | None:
    """Set-up failed before an answer: the caller may try again, for what remains of the lease or the grace.

    None when fenced off.
    """
    if not _holds(lease, reservation):
        return None
    expires_at = max(lease.expires_at, now + timedelta(seconds=pool.setup_grace_s))
    return Step(
        lease=_replace(
            lease,
            phase=Phase.LENT,
            expires_at=expires_at,
            free_at=expires_at + timedelta(seconds=pool.expiry_cooldown_s),
            released=False,
        ),
        reservation=_replace(
            reservation,
            state=ReservationState.RESERVED,
            expires_at=expires_at,
            sip_call_id=None,
            from_tag=None,
            conversation_id=None,
            late=False,
        ),
    )


def release(lease: NumberLease, reservation: Reservation, pool: Pool, now: datetime) -> Step | None:
    """The client gives the reservation up; its call may already be dialling, so the number is quarantined.

    None when there is nothing left to give up (released before, or expired). Raises `Conflict` once a call has it.
    """
    state = state_at(reservation, now).state
    if state in {ReservationState.BOUND, ReservationState.CLAIMED}:
        raise Conflict(f"the reservation is {state.value}: its call has arrived", state=state.value)
    if state is not ReservationState.RESERVED or lease.epoch != reservation.epoch:
        return None
    return Step(
        lease=_replace(
            lease,
            expires_at=now,
            free_at=now + timedelta(seconds=pool.expiry_cooldown_s),
            released=True,
        ),
        reservation=_replace(reservation, state=ReservationState.RELEASED),
    )


def _holds(lease: NumberLease, reservation: Reservation) -> bool:
    """Whether the reservation's call is the one that holds the number now."""
    return (
        lease.phase is Phase.BOUND
        and lease.epoch == reservation.epoch
        and reservation.state is ReservationState.BOUND
    )
