"""What every store must do, as tests to inherit: pools, rotation and resources.

A test class of a store inherits the contracts and provides an async fixture `store` that gives an open one:

    class TestMyStore(
        ReservationContract, FailureContract, ConversationContract, HandoffContract, ResourceContract,
        RetentionContract, WebhookContract,
    ): ...

`pytest-asyncio` in auto mode runs the tests.
"""

from __future__ import annotations

import asyncio

import pytest

from tieline.errors import Conflict, NotFound
from tieline.model.pool import NumberAdmin, NumberState
from tieline.model.project import Account
from tieline.model.reservation import BindVerdict, ReservationState
from tieline.model.resources import Resources
from tieline.store.base import Store
from tieline.store.errors import PoolExhausted
from tieline.testing.store_samples import (
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


class ReservationContract:
    """Reserving, rotating, cooling down, and what an operator sees of it."""

    async def test_numbers_are_handed_out_in_order_once_each(self, store: Store) -> None:
        await give_pool(store, pool(3))
        taken = [await store.reserve(ask(), "p", after(step)) for step in range(3)]
        assert [one.number for one in taken] == list(numbers(3))
        assert {one.epoch for one in taken} == {1}
        assert taken[0].expires_at == after(60)
        assert taken[0].state is ReservationState.RESERVED
        assert await store.reservation(taken[0].id, after(59)) == taken[0]

    async def test_a_full_pool_says_when_to_come_back(self, store: Store) -> None:
        await give_pool(store, pool(1))
        await store.reserve(ask(), "p", T0)
        for at in (1, 1.5, 20):
            with pytest.raises(PoolExhausted) as refused:
                await store.reserve(ask(), "p", after(at))
            assert refused.value.retry_after_s == pytest.approx(120 - at)
            assert refused.value.message == "no available route found"
        assert (await store.pool_stats("p", after(20))).refused_total == 3
        assert (await store.reserve(ask(), "p", after(120))).epoch == 2

    async def test_a_pool_of_bound_numbers_gives_a_guess(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        bound = await store.bind(invite(held.number), after(1))
        for at in (2, 2.1):
            with pytest.raises(PoolExhausted) as refused:
                await store.reserve(ask(), "p", after(at))
            assert refused.value.retry_after_s == 6.0
        assert await answer(store, bound, after(2.2))
        with pytest.raises(PoolExhausted) as refused:
            await store.reserve(ask(), "p", after(2.3))
        assert refused.value.retry_after_s == pytest.approx(4.9)

    async def test_an_unknown_pool_is_not_found(self, store: Store) -> None:
        for attempt in (
            store.reserve(ask(), "none", T0),
            store.bind(invite("+1", pool="none"), T0),
            store.pool_stats("none", T0),
            store.pool_numbers("none", T0),
            store.set_number_admin("none", "+1", NumberAdmin.DISABLED),
        ):
            with pytest.raises(NotFound):
                await attempt

    async def test_the_lease_keeps_within_the_pools_bounds(self, store: Store) -> None:
        await give_pool(store, pool(3))
        for wanted, given in ((1.0, 5), (17.5, 17.5), (1e9, 180)):
            held = await store.reserve(ask(ttl_s=wanted), "p", T0)
            assert held.expires_at == after(given)

    async def test_many_at_once_get_a_number_each(self, store: Store) -> None:
        await give_pool(store, pool(70))
        wanted = [ask(ttl_s=5.0 + index % 3) for index in range(75)]
        got = await asyncio.gather(*[store.reserve(one, "p", T0) for one in wanted], return_exceptions=True)
        held = [one for one in got if not isinstance(one, BaseException)]
        assert {one.number for one in held} == set(numbers(70))
        assert sum(isinstance(one, PoolExhausted) for one in got) == 5
        for one in held:
            assert await store.reservation(one.id, T0) == one

    # ----------------------------------------------------------------------------------------------- rotation

    async def test_clean_numbers_go_first_and_the_longest_idle_before_others(self, store: Store) -> None:
        await give_pool(store, pool(3))
        first, second, _ = [await store.reserve(ask(ttl_s=5.0), "p", T0) for _ in range(3)]
        for call, (held, at) in enumerate([(second, 2), (first, 3)]):
            assert await answer(
                store, await store.bind(invite(held.number, f"c{call}"), after(at)), after(at)
            )
        # The third lapsed and is free from 65 s on, dirty; the other two are clean and free at 7 s and 8 s.
        order = [(await store.reserve(ask(), "p", after(100))).number for _ in range(3)]
        assert order == [second.number, first.number, numbers(3)[2]]

    async def test_dirty_numbers_go_oldest_first(self, store: Store) -> None:
        await give_pool(store, pool(2))
        await store.reserve(ask(ttl_s=50.0), "p", T0)
        await store.reserve(ask(ttl_s=5.0), "p", T0)
        order = [(await store.reserve(ask(), "p", after(500))).number for _ in range(2)]
        assert order == [numbers(2)[1], numbers(2)[0]]

    async def test_a_verified_claim_cools_down_briefly(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        bound = await store.bind(invite(held.number), after(3))
        assert (await only_number(store, after(3))).state is NumberState.BOUND
        assert await answer(store, bound, after(4))
        assert (await only_number(store, after(8.9))).state is NumberState.COOLING
        assert (await only_number(store, after(9))).state is NumberState.FREE_CLEAN
        found = await store.reservation(held.id, after(9))
        assert found is not None
        assert found.state is ReservationState.CLAIMED

    async def test_an_unverified_claim_holds_the_number_for_the_whole_lease(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        bound = await store.bind(invite(held.number), after(3))
        assert await answer(store, bound, after(4), verified=False)
        assert (await only_number(store, after(59.9))).state is NumberState.COOLING
        assert (await only_number(store, after(60))).state is NumberState.FREE_CLEAN

    async def test_an_expired_number_is_quarantined_then_dirty(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        states = [(await only_number(store, after(at))).state for at in (59, 60, 119, 120)]
        quarantine = NumberState.QUARANTINE
        assert states == [NumberState.RESERVED, quarantine, quarantine, NumberState.FREE_DIRTY]
        found = await store.reservation(held.id, after(60))
        assert found is not None
        assert found.state is ReservationState.EXPIRED

    async def test_failure_before_the_answer_gives_the_reservation_back(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await store.bind(invite(held.number), after(10))
        assert await store.unbind(held.id, held.epoch, after(12))
        found = await store.reservation(held.id, after(12))
        assert found is not None
        assert (found.state, found.expires_at) == (ReservationState.RESERVED, after(60))
        assert (await store.bind(invite(held.number, "c2"), after(13))).verdict is BindVerdict.BOUND
        assert await store.unbind(held.id, held.epoch, after(58))
        found = await store.reservation(held.id, after(58))
        assert found is not None
        assert found.expires_at == after(58 + 32)

    async def test_a_fenced_off_call_changes_nothing(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(ttl_s=5.0), "p", T0)
        again = await store.reserve(ask(), "p", after(100))
        assert (again.number, again.epoch) == (held.number, 2)
        await store.bind(invite(held.number), after(101))
        for reservation_id, epoch in ((held.id, 1), (held.id, 2), (again.id, 1), ("rsv-none", 1)):
            assert not await store.claim(reservation_id, epoch, after(102), verified=True)
            assert not await store.unbind(reservation_id, epoch, after(102))
        assert (await only_number(store, after(102))).state is NumberState.BOUND

    # -------------------------------------------------------------------------------------------------- admin

    async def test_draining_and_disabled_numbers(self, store: Store) -> None:
        await give_pool(store, pool(2))
        held = await store.reserve(ask(), "p", T0)
        first, second = numbers(2)
        await store.set_number_admin("p", first, NumberAdmin.DRAINING)
        await store.set_number_admin("p", second, NumberAdmin.DISABLED)
        states = [one.state for one in await store.pool_numbers("p", after(1))]
        assert states == [NumberState.RESERVED, NumberState.DISABLED]
        with pytest.raises(PoolExhausted):
            await store.reserve(ask(), "p", after(1))
        assert (await store.bind(invite(held.number), after(1))).verdict is BindVerdict.BOUND
        assert (await store.bind(invite(second, "c2"), after(1))).verdict is BindVerdict.DISABLED
        await store.set_number_admin("p", second, NumberAdmin.ACTIVE)
        assert (await store.reserve(ask(), "p", after(1))).number == second
        with pytest.raises(NotFound):
            await store.set_number_admin("p", "+15550190000", NumberAdmin.ACTIVE)

    async def test_stats_and_lists(self, store: Store) -> None:
        await give_pool(store, pool(4))
        taken = [await store.reserve(ask(), "p", after(step)) for step in range(3)]
        await store.bind(invite(taken[0].number), after(5))
        await store.set_number_admin("p", numbers(4)[3], NumberAdmin.DRAINING)
        stats = await store.pool_stats("p", after(61.5))
        counted = {state: count for state, count in stats.by_state.items() if count}
        assert counted == {
            NumberState.BOUND: 1,
            NumberState.QUARANTINE: 1,
            NumberState.RESERVED: 1,
            NumberState.DRAINING: 1,
        }
        assert (stats.numbers, stats.reserved_total, stats.expired_total) == (4, 3, 1)
        newest = await store.reservations("x", after(61.5), limit=2)
        assert [one.id for one in newest] == [taken[2].id, taken[1].id]
        assert newest[1].state is ReservationState.EXPIRED
        assert await store.reservations("x", T0, pool="q") == []
        assert await store.reservation("rsv-none", T0) is None
        page = await store.pool_numbers("p", T0, limit=2, offset=1)
        assert [one.number for one in page] == list(numbers(4)[1:3])
        some = await store.pool_numbers("p", T0, containing=numbers(4)[2][-3:])
        assert [one.number for one in some] == [numbers(4)[2]]

    async def test_a_number_has_a_history(self, store: Store) -> None:
        await give_pool(store, pool(1))
        (number,) = numbers(1)
        assert await store.number_history("p", number, T0) == []
        made = [await store.reserve(ask(), "p", after(200 * step)) for step in range(3)]
        history = await store.number_history("p", number, after(401), limit=2)
        assert [one.id for one in history] == [made[2].id, made[1].id]
        assert [one.state for one in history] == [ReservationState.RESERVED, ReservationState.EXPIRED]
        with pytest.raises(NotFound):
            await store.number_history("p", "+15550199999", T0)
        with pytest.raises(NotFound):
            await store.number_history("none", number, T0)


class ResourceContract:
    """Applying resources."""

    async def test_resources_are_kept_and_versions_grow(self, store: Store) -> None:
        assert await store.resources() == Resources()
        version = await store.resources_version()
        wanted = Resources(
            accounts=(Account(id="ws-1", slug="acme"),), pools=(pool(3), pool(1, name="q", project="y"))
        )
        assert await store.apply(lambda _: wanted, T0) == wanted
        assert await store.resources() == wanted
        grown = await store.resources_version()
        assert grown > version
        await store.apply(lambda current: current, T0)
        assert await store.resources_version() > grown
        assert await store.resources() == wanted

    async def test_order_and_membership_follow_the_resources(self, store: Store) -> None:
        first, second, third = numbers(3)
        await give_pool(store, pool(numbers=(first, second)))
        await give_pool(store, pool(numbers=(third, second)))
        assert (await store.resources()).pools[0].numbers == (third, second)
        await give_pool(store, pool(numbers=(first, third, second)))
        assert (await store.resources()).pools[0].numbers == (first, third, second)
        assert [one.number for one in await store.pool_numbers("p", T0)] == [first, third, second]

    async def test_a_refused_change_changes_nothing(self, store: Store) -> None:
        await give_pool(store, pool(1))
        version = await store.resources_version()

        def refuse(current: Resources) -> Resources:
            raise Conflict(f"not with {len(current.pools)} pool")

        with pytest.raises(Conflict, match="not with 1 pool"):
            await store.apply(refuse, T0)
        assert await store.resources_version() == version

    async def test_numbers_that_stay_keep_their_state(self, store: Store) -> None:
        await give_pool(store, pool(2))
        held = await store.reserve(ask(), "p", T0)
        await give_pool(store, pool(5, ttl_s=30.0))
        assert (await only_number(store, after(1))).epoch == held.epoch
        assert (await store.reserve(ask(), "p", after(1))).expires_at == after(31)
