"""The reservation service: which pool, what is checked, and what a call does to a reservation."""

from __future__ import annotations

import math
import random
from statistics import stdev
from typing import Any

import pytest

from tieline.calls.directory import Directory
from tieline.calls.reservations import NoRoute, Reservations
from tieline.errors import InvalidInput, NotFound
from tieline.model.attributes import AttributesTooLarge
from tieline.model.erlang import erlang_b
from tieline.model.pool import CallerPolicy, NumberState
from tieline.model.pool_plan import HoldTimes, SetupDelay, mean_hold_s
from tieline.model.reservation import BindRequest, BindResult, BindVerdict, Reservation, ReservationState
from tieline.model.resources import Resources
from tieline.store.errors import IdempotencyMismatch, PoolExhausted
from tieline.store.memory import MemoryStore
from tieline.testing.clock import FakeClock
from tieline.testing.store_samples import T0, after, numbers, pool


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def service(clock: FakeClock) -> Reservations:
    store = MemoryStore()
    pools = (
        pool(2),
        pool(1, name="vip"),
        pool(1, name="other", project="y", numbers=numbers(1, 15550170000)),
    )
    resources = await store.apply(lambda _: Resources(pools=pools), T0)
    return Reservations(store, Directory(resources), clock, default_region="GB")


async def call(service: Reservations, number: str, sip_call_id: str = "c1", **fields: Any) -> BindResult:
    known: dict[str, Any] = {
        "caller": None,
        "sip_call_id": sip_call_id,
        "from_tag": "t",
        "conversation_id": "conversation",
        "verified_trunk": False,
        "forwarded": False,
    }
    return await service.bind(BindRequest(pool="p", number=number, **(known | fields)))


async def test_the_projects_first_pool_or_the_named_one(service: Reservations) -> None:
    assert (await service.reserve("x", attributes={})).pool == "p"
    assert (await service.reserve("x", attributes={}, pool="vip")).pool == "vip"
    assert (await service.reserve("y", attributes={})).pool == "other"


@pytest.mark.parametrize(("project", "name"), [("none", None), ("x", "other"), ("x", "none")])
async def test_no_pool_is_no_route(service: Reservations, project: str, name: str | None) -> None:
    with pytest.raises(NoRoute, match="no available route found") as refused:
        await service.reserve(project, attributes={}, pool=name)
    assert refused.value.code == "no_route"


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": []},
        {"attributes": {"a": float("nan")}},
        {"attributes": {}, "ttl_s": "60"},
        {"attributes": {}, "ttl_s": True},
        {"attributes": {}, "ttl_s": 0},
        {"attributes": {}, "ttl_s": -1.5},
        {"attributes": {}, "ttl_s": float("nan")},
        {"attributes": {}, "ttl_s": float("inf")},
        {"attributes": {}, "expected_caller": "alice"},
        {"attributes": {}, "expected_caller": 15550100001},
        {"attributes": {}, "caller_policy": "sometimes"},
        {"attributes": {}, "caller_policy": ["strict"]},
        {"attributes": {}, "idempotency_key": ""},
        {"attributes": {}, "idempotency_key": "k" * 256},
    ],
)
async def test_bad_requests_are_refused_and_take_no_number(
    service: Reservations, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        await service.reserve("x", **fields)
    assert (await service.stats("x", "p")).reserved_total == 0


async def test_the_limits_of_attributes_can_be_set(service: Reservations, clock: FakeClock) -> None:
    small = Reservations(
        service._store, service.directory, clock, max_attribute_bytes=20, max_attribute_depth=2
    )
    with pytest.raises(AttributesTooLarge):
        await small.reserve("x", attributes={"a": "x" * 20})
    with pytest.raises(InvalidInput):
        await small.reserve("x", attributes={"a": {"b": {}}})


@pytest.mark.parametrize(("ttl", "given"), [(None, 60), (1, 5), (90.5, 90.5), (10**400, 180)])
async def test_the_lease_is_brought_within_bounds(service: Reservations, ttl: Any, given: float) -> None:
    assert (await service.reserve("x", attributes={}, ttl_s=ttl)).expires_at == after(given)


@pytest.mark.parametrize("written", ["0044 20 7946 0000", "+442079460000", "020 7946 0000"])
async def test_a_caller_equal_but_for_format_matches(service: Reservations, written: str) -> None:
    held = await service.reserve("x", attributes={"a": 1}, expected_caller=written, caller_policy="strict")
    assert (held.expected_caller, held.caller_policy) == ("+442079460000", CallerPolicy.STRICT)
    bound = await call(service, held.number, caller="+442079460000")
    assert (bound.verdict, bound.attributes) == (BindVerdict.BOUND, {"a": 1})


async def test_same_key(service: Reservations) -> None:
    first = await service.reserve("x", attributes={"a": 1, "b": 2}, idempotency_key="k", ttl_s=60)
    again = await service.reserve("x", attributes={"b": 2, "a": 1}, idempotency_key="k", ttl_s=60.0)
    assert (again.number, again.epoch, again.replayed) == (first.number, first.epoch, True)
    for fields in ({"attributes": {"a": 1}}, {"attributes": {"a": 1, "b": 2}, "ttl_s": 61}):
        with pytest.raises(IdempotencyMismatch):
            await service.reserve("x", idempotency_key="k", **fields)


async def test_a_reservation_is_its_own_projects_business(service: Reservations) -> None:
    held = await service.reserve("x", attributes={})
    assert await service.get("x", held.id) == held
    assert await service.list("x") == [held]
    assert await service.list("x", pool="vip") == []
    assert (await service.stats("x", "p")).by_state[NumberState.RESERVED] == 1
    for attempt in (
        service.get("y", held.id),
        service.get("x", "rsv-none"),
        service.release("y", held.id),
        service.stats("y", "p"),
        service.stats("x", "none"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await service.release("x", held.id)).state is ReservationState.RELEASED


@pytest.mark.parametrize(
    ("caller", "trunk", "state"),
    [
        ("+442079460000", False, NumberState.FREE_CLEAN),
        (None, True, NumberState.FREE_CLEAN),
        (None, False, NumberState.COOLING),
    ],
)
async def test_what_verifies_a_claim(
    service: Reservations, clock: FakeClock, caller: str | None, trunk: bool, state: NumberState
) -> None:
    held = await service.reserve("x", attributes={}, expected_caller="+442079460000")
    bound = await call(service, held.number, caller=caller)
    assert await service.claim(bound, verified_trunk=trunk)
    clock.advance(10)
    states = (await service.stats("x", "p")).by_state
    assert states[state] >= 1
    assert states[NumberState.COOLING] == (state is NumberState.COOLING)


async def test_a_failed_set_up_gives_back(service: Reservations) -> None:
    held = await service.reserve("x", attributes={})
    bound = await call(service, held.number)
    await service.unbind(bound)
    assert (await service.get("x", held.id)).state is ReservationState.RESERVED
    assert (await call(service, held.number, "c2")).verdict is BindVerdict.BOUND


async def test_a_plain_call_has_nothing_to_claim(service: Reservations) -> None:
    plain = await call(service, numbers(1)[0])
    assert plain.verdict is BindVerdict.STRAY
    assert not await service.claim(plain, verified_trunk=True)
    await service.unbind(plain)


async def test_refusals_of_a_seeded_run_equal_erlang_b(clock: FakeClock) -> None:
    """The store itself under Poisson traffic: refused within three standard errors of the formula."""
    size, rate = 12, 1.0
    delay, hold = SetupDelay(median_s=4.0, p99_s=15.0, no_show_share=0.02), HoldTimes()
    store = MemoryStore()
    resources = await store.apply(lambda _: Resources(pools=(pool(size),)), T0)
    service = Reservations(store, Directory(resources), clock)
    draws = random.Random(11)
    due: list[tuple[float, Reservation]] = []
    batches = [0] * 20
    total, now = 12_000, 0.0
    for index in range(total):
        now += draws.expovariate(rate)
        due.sort(key=lambda item: item[0])
        while due and due[0][0] <= now:
            at, held = due.pop(0)
            clock.advance(max(0.0, at - clock.monotonic()))
            bound = await call(service, held.number, held.id)
            await service.claim(bound, verified_trunk=True)
        clock.advance(max(0.0, now - clock.monotonic()))
        try:
            held = await service.reserve("x", attributes={})
        except PoolExhausted:
            batches[index * 20 // total] += 1
            continue
        if draws.random() >= delay.no_show_share:
            due.append((now + draws.lognormvariate(delay.mu, delay.sigma), held))
    shares = [count * 20 / total for count in batches]
    error = stdev(shares) / math.sqrt(len(shares))
    expected = erlang_b(size, rate * mean_hold_s(delay, hold))
    assert abs(sum(batches) / total - expected) < 3 * error
    assert error < expected / 8
