"""The lease rules against their tables, and the corners that no story of the store's contract visits."""

from __future__ import annotations

import msgspec
import pytest

from tieline.errors import Conflict
from tieline.model.lease import (
    NUMBER_TRANSITIONS,
    RESERVATION_TRANSITIONS,
    BindDecision,
    NumberLease,
    Phase,
    PoolEvent,
    Step,
    bind,
    caller_differs,
    claim,
    count_stray,
    is_remembered,
    is_suspect,
    lease_seconds,
    number_state,
    release,
    smooth_no_shows,
    state_at,
    take,
    unbind,
)
from tieline.model.pool import CallerPolicy, LatePolicy, NumberAdmin, NumberState, Pool
from tieline.model.reservation import BindRequest, BindVerdict, Reservation, ReservationState
from tieline.testing.store_samples import CALLER, T0, after, invite, pool

POLICY = pool(1)
NUMBER = POLICY.numbers[0]


def held() -> Step:
    """A number just reserved, for 60 s."""
    lease = take(NumberLease(number=NUMBER), POLICY, 60.0, T0)
    reservation = Reservation(
        id="r",
        pool="p",
        project="x",
        number=NUMBER,
        epoch=1,
        state=ReservationState.RESERVED,
        attributes_json="{}",
        reserved_at=T0,
        expires_at=lease.expires_at,
    )
    return Step(lease=lease, reservation=reservation)


def bound(at: float = 1) -> Step:
    step = held()
    decision = bind(step.lease, step.reservation, invite(NUMBER), POLICY, after(at))
    assert decision.step is not None
    return decision.step


def release_at(at: float) -> Step:
    step = held()
    done = release(step.lease, step.reservation, POLICY, after(at))
    assert done is not None
    return done


def _pair(step: Step) -> tuple[NumberLease, Reservation]:
    return step.lease, step.reservation


# One case for each row of the tables: the state before, the event, and when it is looked at.
CASES = {
    PoolEvent.BIND: (held(), bound(), 1.0),
    PoolEvent.RELEASE: (held(), release_at(1), 1.0),
    PoolEvent.CLAIM: (bound(), claim(*_pair(bound()), POLICY, after(2), verified=True), 2.0),
    PoolEvent.UNBIND: (bound(), unbind(*_pair(bound()), POLICY, after(2)), 2.0),
    PoolEvent.RESCUE: (held(), bound(70), 70.0),
}


@pytest.mark.parametrize("event", CASES)
def test_the_rules_move_as_the_tables_say(event: PoolEvent) -> None:
    before, step, at = CASES[event]
    assert step is not None
    now = after(at)
    moved = NUMBER_TRANSITIONS[number_state(before.lease, now), event]
    assert number_state(step.lease, now) is moved
    old = state_at(before.reservation, now).state
    assert RESERVATION_TRANSITIONS[old, event] is state_at(step.reservation, now).state


def test_time_moves_as_the_tables_say() -> None:
    lease = held().lease
    cooling = claim(*_pair(bound()), POLICY, after(2), verified=True)
    assert cooling is not None
    for one, event, before, later in (
        (lease, PoolEvent.LAPSE, 59, 60),
        (lease, PoolEvent.SETTLE, 119, 120),
        (cooling.lease, PoolEvent.COOL, 6, 7),
    ):
        old, new = number_state(one, after(before)), number_state(one, after(later))
        assert NUMBER_TRANSITIONS[old, event] is new
    for free in (lease, cooling.lease):
        state = number_state(free, after(500))
        again = take(free, POLICY, 60.0, after(500))
        assert NUMBER_TRANSITIONS[state, PoolEvent.RESERVE] is number_state(again, after(500))
        assert again.epoch == free.epoch + 1
    late = bind(lease, held().reservation, invite(NUMBER), POLICY, after(500))
    assert late.step is not None
    assert NUMBER_TRANSITIONS[NumberState.FREE_DIRTY, PoolEvent.RESCUE] is number_state(late.step.lease, T0)
    given_up = release_at(1)
    rescued = bind(*_pair(given_up), invite(NUMBER), POLICY, after(2))
    assert rescued.step is not None
    key = (ReservationState.RELEASED, PoolEvent.RESCUE)
    assert RESERVATION_TRANSITIONS[key] is rescued.step.reservation.state
    lapsed = RESERVATION_TRANSITIONS[ReservationState.RESERVED, PoolEvent.LAPSE]
    assert state_at(held().reservation, after(60)).state is lapsed


def test_every_row_has_been_seen() -> None:
    waiting = {PoolEvent.RESERVE, PoolEvent.LAPSE, PoolEvent.COOL, PoolEvent.SETTLE}
    assert {event for _, event in NUMBER_TRANSITIONS} == set(CASES) | waiting
    assert {event for _, event in RESERVATION_TRANSITIONS} == set(CASES) | {PoolEvent.LAPSE}


def test_what_no_longer_holds_the_number_moves_nothing() -> None:
    step = bound()
    newer = msgspec.structs.replace(step.lease, epoch=2)
    free = msgspec.structs.replace(step.lease, phase=Phase.CLEAN)
    other = msgspec.structs.replace(step.reservation, state=ReservationState.CLAIMED)
    for lease, reservation in ((newer, step.reservation), (free, step.reservation), (step.lease, other)):
        assert claim(lease, reservation, POLICY, after(2), verified=True) is None
        assert unbind(lease, reservation, POLICY, after(2)) is None
    fresh = held()
    moved_on = msgspec.structs.replace(fresh.lease, epoch=2)
    assert release(moved_on, fresh.reservation, POLICY, after(1)) is None


@pytest.mark.parametrize("state", [ReservationState.BOUND, ReservationState.CLAIMED])
def test_release_of_what_a_call_has_is_a_conflict(state: ReservationState) -> None:
    step = bound()
    reservation = msgspec.structs.replace(step.reservation, state=state)
    with pytest.raises(Conflict) as refused:
        release(step.lease, reservation, POLICY, after(1))
    assert refused.value.fields == {"state": state.value}


def test_a_number_that_nobody_reserved_has_only_strays() -> None:
    fresh = NumberLease(number=NUMBER)
    assert bind(fresh, None, invite(NUMBER), POLICY, T0) == BindDecision(verdict=BindVerdict.STRAY)


def test_verdicts() -> None:
    step, taken = held(), bound()
    claimed = claim(*_pair(taken), POLICY, after(2), verified=True)
    assert claimed is not None
    off = msgspec.structs.replace(step.lease, admin=NumberAdmin.DISABLED)
    picky = msgspec.structs.replace(step.reservation, expected_caller="+19995550100")
    never = pool(1, late_policy=LatePolicy.NEVER)
    always = pool(1, late_policy=LatePolicy.ALWAYS)
    forwarded = invite(NUMBER, "c2", forwarded=True)
    hidden = invite(NUMBER, "c2", caller=None)
    plain = invite(NUMBER, "c2")
    cases: list[tuple[NumberLease, Reservation, BindRequest, Pool, float, BindVerdict]] = [
        (step.lease, step.reservation, forwarded, POLICY, 1, BindVerdict.FORWARDED),
        (off, step.reservation, plain, POLICY, 1, BindVerdict.DISABLED),
        (*_pair(taken), plain, POLICY, 2, BindVerdict.SECOND_CALL),
        (*_pair(claimed), plain, POLICY, 6, BindVerdict.SECOND_CALL),
        (*_pair(claimed), plain, POLICY, 7, BindVerdict.STRAY),
        (step.lease, step.reservation, plain, never, 60, BindVerdict.STRAY),
        (step.lease, step.reservation, plain, never, 59, BindVerdict.BOUND),
        (step.lease, picky, plain, POLICY, 1, BindVerdict.CALLER_MISMATCH),
        (step.lease, picky, hidden, POLICY, 1, BindVerdict.BOUND),
        (step.lease, picky, hidden, POLICY, 60, BindVerdict.CALLER_MISMATCH),
        (step.lease, picky, hidden, always, 60, BindVerdict.LATE),
        (step.lease, step.reservation, hidden, POLICY, 60, BindVerdict.LATE),
    ]
    for lease, reservation, request, policy, at, verdict in cases:
        decision = bind(lease, reservation, request, policy, after(at))
        assert decision.verdict is verdict
        assert (decision.step is not None) == (verdict in {BindVerdict.BOUND, BindVerdict.LATE})


def test_an_unverified_claim_waits() -> None:
    in_time = claim(*_pair(bound(1)), POLICY, after(2), verified=False)
    late = claim(*_pair(bound(70)), POLICY, after(71), verified=False)
    short = claim(*_pair(bound(1)), POLICY, after(58), verified=False)
    assert [step.lease.free_at for step in (in_time, late, short) if step is not None] == [
        after(60),
        after(131),
        after(63),
    ]


@pytest.mark.parametrize("admin", [NumberAdmin.DRAINING, NumberAdmin.DISABLED])
def test_the_operators_word_shows_when_nobody_holds_the_number(admin: NumberAdmin) -> None:
    lease = msgspec.structs.replace(held().lease, admin=admin)
    assert number_state(lease, after(1)) is NumberState.RESERVED
    assert number_state(lease, after(61)).value == admin.value
    assert number_state(msgspec.structs.replace(bound().lease, admin=admin), T0) is NumberState.BOUND


def test_caller_comparison() -> None:
    table = {
        (None, CALLER, CallerPolicy.STRICT): False,
        (CALLER, "+1999", CallerPolicy.OFF): False,
        (CALLER, None, CallerPolicy.LENIENT): False,
        (CALLER, None, CallerPolicy.STRICT): True,
        (CALLER, CALLER, CallerPolicy.STRICT): False,
        (CALLER, "+1999", CallerPolicy.LENIENT): True,
    }
    for arguments, differs in table.items():
        assert caller_differs(*arguments) is differs


def test_lease_length_is_bounded() -> None:
    assert [lease_seconds(POLICY, wanted) for wanted in (None, 1.0, 90.0, 1e9)] == [60, 5, 90, 180]


def test_suspicion() -> None:
    rate = 0
    for _ in range(6):
        rate = smooth_no_shows(rate, no_show=True)
    assert rate >= 500 > smooth_no_shows(rate, no_show=False)
    lease = NumberLease(number=NUMBER)
    assert not is_suspect(lease, T0)
    assert is_suspect(msgspec.structs.replace(lease, no_show_rate=500), T0)
    for _ in range(4):
        lease = count_stray(lease)
    assert is_suspect(lease, T0)
    assert not is_suspect(take(lease, POLICY, 60.0, T0), T0)


def test_what_is_remembered_of_a_number_taken_out() -> None:
    assert is_remembered(bound().lease, after(10**6))
    assert is_remembered(held().lease, after(119))
    assert not is_remembered(held().lease, after(120))
    assert not is_remembered(NumberLease(number=NUMBER), T0)
