"""What every store must do when things go wrong around a reservation, as tests to inherit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tieline.errors import Conflict, NotFound
from tieline.model.pool import CallerPolicy, LatePolicy, NumberAdmin, NumberState
from tieline.model.reservation import BindVerdict, ReservationState
from tieline.store.base import Store
from tieline.store.errors import IdempotencyMismatch, InFlight, PoolExhausted
from tieline.testing.store_samples import (
    CALLER,
    STRANGER,
    T0,
    after,
    answer,
    ask,
    give_pool,
    invite,
    numbers,
    only_number,
    pool,
)


class FailureContract:
    """Crashes, repeats, races, late and wrong callers: none may give one caller's data to another."""

    async def test_crash_after_commit_before_reply(self, store: Store) -> None:
        await give_pool(store, pool(2))
        wanted = ask(idempotency_key="k", body_hash="h")
        first = await store.reserve(wanted, "p", T0)
        again = await store.reserve(wanted, "p", after(2))
        assert again == msgspec.structs.replace(first, replayed=True)
        assert (await store.pool_stats("p", after(2))).reserved_total == 1
        other_project = msgspec.structs.replace(wanted, project="y")
        assert not (await store.reserve(other_project, "p", after(2))).replayed

    async def test_same_key_other_body(self, store: Store) -> None:
        await give_pool(store, pool(2))
        await store.reserve(ask(idempotency_key="k", body_hash="h"), "p", T0)
        with pytest.raises(IdempotencyMismatch):
            await store.reserve(ask(idempotency_key="k", body_hash="other"), "p", T0)

    async def test_same_key_in_flight(self, store: Store) -> None:
        """A store that works at once has nothing in flight; then the second is a replay."""
        await give_pool(store, pool(2))
        wanted = ask(idempotency_key="k", body_hash="h")
        got = await asyncio.gather(
            store.reserve(wanted, "p", T0), store.reserve(wanted, "p", T0), return_exceptions=True
        )
        second = got[1]
        assert isinstance(second, InFlight) or (not isinstance(second, BaseException) and second.replayed)
        assert (await store.pool_stats("p", T0)).reserved_total == 1

    async def test_replay_after_the_lease_ended(self, store: Store) -> None:
        await give_pool(store, pool(1))
        wanted = ask(idempotency_key="k", body_hash="h")
        first = await store.reserve(wanted, "p", T0)
        for at in (70, 300):
            again = await store.reserve(wanted, "p", after(at))
            assert (again.number, again.epoch, again.expires_at) == (first.number, 1, after(60))
            assert (again.state, again.replayed) == (ReservationState.EXPIRED, True)
        await store.reserve(ask(), "p", after(301))
        assert (await store.reserve(wanted, "p", after(302))).id == first.id

    async def test_invite_retransmitted_forked_or_challenged(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        first = await store.bind(invite(held.number), after(1))
        assert first.verdict is BindVerdict.BOUND
        assert first.attributes == {"shared_id": "1234", "customer": {"age": 25}}
        assert await store.bind(invite(held.number), after(2)) == first
        await answer(store, first, after(3))
        repeated = await store.bind(invite(held.number), after(4))
        assert (repeated.verdict, repeated.attributes) == (first.verdict, first.attributes)
        await store.reserve(ask(), "p", after(10))
        assert (await store.bind(invite(held.number), after(11))).reservation == repeated.reservation

    async def test_invite_failed_over_with_a_new_call_id(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await store.bind(invite(held.number, "c1"), after(1))
        await store.unbind(held.id, held.epoch, after(2))
        retried = await store.bind(invite(held.number, "c2"), after(3))
        assert (retried.verdict, retried.attributes["shared_id"]) == (BindVerdict.BOUND, "1234")

    async def test_one_call_binds_one_reservation(self, store: Store) -> None:
        await give_pool(store, pool(2))
        first, second = [await store.reserve(ask(), "p", T0) for _ in range(2)]
        await store.bind(invite(first.number), after(1))
        other = await store.bind(invite(second.number), after(1))
        assert (other.verdict, other.reservation, other.attributes) == (BindVerdict.SECOND_CALL, None, {})
        assert (await store.bind(invite(second.number, "c2"), after(2))).verdict is BindVerdict.BOUND

    async def test_a_call_id_in_no_known_encoding_is_a_key_like_any_other(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        first = await store.bind(invite(held.number, "caf\udce9", conversation_id="c"), after(1))
        assert first.verdict is BindVerdict.BOUND
        assert (
            await store.bind(invite(held.number, "caf\udce9", conversation_id="c"), after(2))
        ).verdict is BindVerdict.BOUND
        assert (
            await store.bind(invite(held.number, "caf\udce8", conversation_id="c"), after(3))
        ).verdict is BindVerdict.SECOND_CALL

    async def test_two_live_calls_on_one_reservation(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        first = await store.bind(invite(held.number, "c1"), after(1))
        second = await store.bind(invite(held.number, "c2"), after(2))
        assert (second.verdict, second.attributes) == (BindVerdict.SECOND_CALL, {})
        assert await answer(store, first, after(3))
        assert not await answer(store, first, after(3))
        assert (await store.bind(invite(held.number, "c3"), after(4))).verdict is BindVerdict.SECOND_CALL
        assert (await store.bind(invite(held.number, "c4"), after(30))).verdict is BindVerdict.STRAY

    @pytest.mark.parametrize("at", [60, 100, 5000])
    async def test_late_call_is_rescued_until_the_number_is_reserved_again(
        self, store: Store, at: int
    ) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        late = await store.bind(invite(held.number), after(at))
        assert (late.verdict, late.attributes["shared_id"]) == (BindVerdict.LATE, "1234")
        assert late.reservation is not None
        assert late.reservation.late
        assert await store.bind(invite(held.number), after(at)) == late
        assert await answer(store, late, after(at + 1))
        stats = await store.pool_stats("p", after(at + 10))
        assert (stats.late_total, stats.claimed_total, stats.expired_total) == (1, 1, 1)

    async def test_unverified_late_claim_goes_through_quarantine(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        late = await store.bind(invite(held.number), after(70))
        await answer(store, late, after(71), verified=False)
        assert (await only_number(store, after(130))).state is NumberState.COOLING
        assert (await only_number(store, after(131))).state is NumberState.FREE_CLEAN

    async def test_late_call_after_re_reservation(self, store: Store) -> None:
        """The new reservation's caller is expected: the late one gets a plain call, not that caller's data."""
        await give_pool(store, pool(1))
        await store.reserve(ask(expected_caller=CALLER), "p", T0)
        newer = await store.reserve(ask(expected_caller=STRANGER), "p", after(200))
        late = await store.bind(invite(newer.number), after(201))
        assert (late.verdict, late.attributes) == (BindVerdict.CALLER_MISMATCH, {})
        right = await store.bind(invite(newer.number, "c2", caller=STRANGER), after(202))
        assert (right.verdict, right.caller_matched) == (BindVerdict.BOUND, True)

    @pytest.mark.parametrize(
        ("policy", "expected", "caller", "verdict"),
        [
            (LatePolicy.MATCHED, CALLER, CALLER, BindVerdict.LATE),
            (LatePolicy.MATCHED, CALLER, None, BindVerdict.CALLER_MISMATCH),
            (LatePolicy.MATCHED, CALLER, STRANGER, BindVerdict.CALLER_MISMATCH),
            (LatePolicy.MATCHED, None, None, BindVerdict.LATE),
            (LatePolicy.ALWAYS, CALLER, None, BindVerdict.LATE),
            (LatePolicy.ALWAYS, CALLER, STRANGER, BindVerdict.CALLER_MISMATCH),
            (LatePolicy.NEVER, CALLER, CALLER, BindVerdict.STRAY),
        ],
    )
    async def test_late_policy(
        self, store: Store, policy: LatePolicy, expected: str | None, caller: str | None, verdict: BindVerdict
    ) -> None:
        await give_pool(store, pool(1, late_policy=policy))
        held = await store.reserve(ask(expected_caller=expected), "p", T0)
        assert (await store.bind(invite(held.number, caller=caller), after(70))).verdict is verdict

    async def test_call_with_no_reservation(self, store: Store) -> None:
        await give_pool(store, pool(1))
        for call in range(3):
            plain = await store.bind(invite(numbers(1)[0], f"c{call}"), T0)
            assert (plain.verdict, plain.attributes) == (BindVerdict.STRAY, {})
        found = await only_number(store, T0)
        assert (found.strays, found.suspect, found.state) == (3, False, NumberState.FREE_CLEAN)
        await store.bind(invite(numbers(1)[0], "c4"), T0)
        stats = await store.pool_stats("p", T0)
        assert (stats.stray_total, stats.suspect) == (4, 1)
        assert (await store.bind(invite("+15550190000", "c5"), T0)).verdict is BindVerdict.STRAY

    @pytest.mark.parametrize(
        ("policy", "caller", "verdict"),
        [
            (CallerPolicy.OFF, STRANGER, BindVerdict.BOUND),
            (CallerPolicy.LENIENT, None, BindVerdict.BOUND),
            (CallerPolicy.LENIENT, STRANGER, BindVerdict.CALLER_MISMATCH),
            (CallerPolicy.STRICT, None, BindVerdict.CALLER_MISMATCH),
            (CallerPolicy.STRICT, CALLER, BindVerdict.BOUND),
        ],
    )
    async def test_anonymous_and_other_callers(
        self, store: Store, policy: CallerPolicy, caller: str | None, verdict: BindVerdict
    ) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(expected_caller=CALLER, caller_policy=policy), "p", T0)
        got = await store.bind(invite(held.number, caller=caller), after(1))
        assert got.verdict is verdict
        assert (got.reservation is not None) == (verdict is BindVerdict.BOUND)
        assert got.caller_matched == (caller == CALLER and verdict is BindVerdict.BOUND)

    async def test_forwarded_calls_get_no_attributes(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        forwarded = await store.bind(invite(held.number, forwarded=True), after(1))
        assert (forwarded.verdict, forwarded.attributes) == (BindVerdict.FORWARDED, {})
        assert (await store.bind(invite(held.number, "c2"), after(2))).verdict is BindVerdict.BOUND

    @pytest.mark.parametrize("release_first", [True, False])
    async def test_delete_races_invite(self, store: Store, release_first: bool) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        release, bind = store.release(held.id, "x", after(1)), store.bind(invite(held.number), after(1))
        attempts: Sequence[Any] = (release, bind) if release_first else (bind, release)
        got = await asyncio.gather(*attempts, return_exceptions=True)
        released, bound = got if release_first else reversed(got)
        assert not isinstance(bound, BaseException)
        if isinstance(released, Conflict):
            assert bound.verdict is BindVerdict.BOUND
        else:
            assert not isinstance(released, BaseException)
            assert (released.state, bound.verdict) == (ReservationState.RELEASED, BindVerdict.LATE)

    async def test_release(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        for reservation_id, project in ((held.id, "y"), ("rsv-none", "x")):
            with pytest.raises(NotFound):
                await store.release(reservation_id, project, after(1))
        for at in (10, 11):
            given_up = await store.release(held.id, "x", after(at))
            assert given_up.state is ReservationState.RELEASED
        assert (await only_number(store, after(69))).state is NumberState.QUARANTINE
        assert (await only_number(store, after(70))).state is NumberState.FREE_DIRTY
        stats = await store.pool_stats("p", after(80))
        assert (stats.released_total, stats.expired_total) == (1, 0)
        again = await store.reserve(ask(ttl_s=5.0), "p", after(80))
        assert (await store.release(again.id, "x", after(90))).state is ReservationState.EXPIRED

    async def test_same_digits_in_two_tenants_pools(self, store: Store) -> None:
        await give_pool(store, pool(1), pool(1, name="q", project="y"))
        mine = await store.reserve(ask(attributes_json='{"of":"x"}'), "p", T0)
        theirs = await store.reserve(ask(project="y", attributes_json='{"of":"y"}'), "q", T0)
        assert mine.number == theirs.number
        got = await store.bind(invite(mine.number, "c1", pool="q"), after(1))
        assert got.attributes == {"of": "y"}
        assert (await store.bind(invite(mine.number, "c2"), after(1))).attributes == {"of": "x"}

    async def test_number_removed_while_reserved(self, store: Store) -> None:
        await give_pool(store, pool(2))
        held = await store.reserve(ask(), "p", T0)
        kept = numbers(2)[1]
        await give_pool(store, pool(2, numbers=(kept,)))
        assert [one.number for one in await store.pool_numbers("p", T0)] == [kept]
        lingering = await store.lingering_pools(after(119))
        assert [(one.name, one.numbers) for one in lingering] == [("p", (held.number,))]
        assert not await store.lingering_pools(after(120))
        assert (await store.reserve(ask(), "p", after(1))).number == kept
        bound = await store.bind(invite(held.number), after(2))
        assert (bound.verdict, bound.attributes["shared_id"]) == (BindVerdict.BOUND, "1234")
        assert await store.lingering_pools(after(500))
        assert await answer(store, bound, after(3))
        with pytest.raises(PoolExhausted):
            await store.reserve(ask(), "p", after(30))
        await give_pool(store, pool(2))
        back = await store.reserve(ask(), "p", after(31))
        assert (back.number, back.epoch) == (held.number, 2)

    async def test_pool_removed_while_reserved(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await give_pool(store)
        with pytest.raises(NotFound):
            await store.reserve(ask(), "p", after(1))
        with pytest.raises(NotFound):
            await store.set_number_admin("p", held.number, NumberAdmin.DISABLED)
        assert (await store.bind(invite(held.number), after(2))).verdict is BindVerdict.BOUND

    async def test_a_number_the_carrier_stops_delivering_becomes_suspect(self, store: Store) -> None:
        await give_pool(store, pool(1))
        for round_ in range(5):
            await store.reserve(ask(ttl_s=5.0), "p", after(100 * round_))
            assert not (await only_number(store, after(100 * round_ + 50))).suspect
        await store.reserve(ask(ttl_s=5.0), "p", after(500))
        found = await only_number(store, after(550))
        assert (found.suspect, found.no_shows) == (True, 6)
        assert (await store.pool_stats("p", after(550))).suspect == 1
