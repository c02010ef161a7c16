"""Pools as they are at the moment, and work on them: numbers in and out, histories, reservations, forecast, trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tieline.admin.number_import import NumberImport
from tieline.admin.pool_pace import PoolSample
from tieline.admin.pools import Forecast, PoolView, ReservationView, Trial
from tieline.errors import InvalidInput
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, Filter, Limit, Shape
from tieline.model.pool import NumberAdmin
from tieline.model.reservation import Reservation
from tieline.store.base import PoolNumber

pools = Noun("telephony")


class NumbersQuery(Filter):
    """How many numbers at most."""

    limit: Limit = 100


class NumberChange(Shape):
    """What a number shall be."""

    state: Annotated[str | None, Meta(description="active, draining or disabled.")] = None


class LimitQuery(Shape):
    """How many at most."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NumbersText(Shape):
    """Numbers, ranges or CSV, as in a file."""

    text: str


class Numbers(Shape):
    """Numbers in canonical form, as an import preview gives them."""

    numbers: Annotated[tuple[str, ...], Meta(max_length=1_000_000)]


class TrialBody(Shape):
    """Attributes for the reservation."""

    attributes: dict[str, Any] = {}


@pools.get("/pools")
async def list_pools(call: Call) -> Sequence[PoolView]:
    """Pools as they are now."""
    return await call.admin.pools.pools(call.who)


@pools.get("/pools/{name}")
async def get_pool(call: Call, name: str) -> PoolView:
    """One pool as it is now."""
    return await call.admin.pools.pool(call.who, name)


@pools.get("/pools/{name}/numbers")
async def list_numbers(call: Call, name: str, query: NumbersQuery) -> Sequence[PoolNumber]:
    """A pool's numbers with their states, in order."""
    return await call.admin.pools.numbers(call.who, name, limit=query.limit)


@pools.put("/pools/{name}/numbers/{number}", right="operate")
async def set_number_state(call: Call, name: str, number: str, body: NumberChange) -> None:
    """Drain, disable or use a number."""
    if body.state not in set(NumberAdmin):
        raise InvalidInput(f"`state` must be one of {', '.join(NumberAdmin)}")
    await call.admin.pools.set_state(call.who, name, number, NumberAdmin(body.state))


@pools.post("/pools/{name}/numbers")
async def add_numbers(call: Call, name: str, body: Numbers) -> Altered:
    """Put numbers behind those that the pool has."""
    return call.altered(await call.admin.pools.add_numbers(call.who, name, body.numbers))


@pools.post("/pools/{name}/numbers/remove")
async def remove_numbers(call: Call, name: str, body: Numbers) -> Altered:
    """Take numbers out of the pool; what is reserved on them still works."""
    return call.altered(await call.admin.pools.remove_numbers(call.who, name, body.numbers))


@pools.post("/pools/{name}/numbers/preview", right="look")
async def preview_numbers(call: Call, name: str, body: NumbersText) -> NumberImport:
    """What a text of numbers, ranges or CSV would add to the pool; changes nothing."""
    return await call.admin.pools.read_numbers(call.who, name, body.text)


@pools.get("/pools/{name}/numbers/{number}/history")
async def list_number_history(
    call: Call, name: str, number: str, query: LimitQuery
) -> Sequence[ReservationView]:
    """The newest reservations of one number."""
    return await call.admin.pools.history(call.who, name, number, limit=query.limit)


@pools.get("/pools/{name}/reservations")
async def list_pool_reservations(call: Call, name: str, query: LimitQuery) -> Sequence[ReservationView]:
    """The newest reservations of a pool."""
    return await call.admin.pools.reservations(call.who, name, limit=query.limit)


@pools.delete("/pools/{name}/reservations/{reservation_id}", right="operate")
async def release_pool_reservation(call: Call, name: str, reservation_id: str) -> Reservation:
    """Give a reservation up before its call comes."""
    return await call.admin.pools.release(call.who, name, reservation_id)


@pools.get("/pools/{name}/samples")
async def list_pool_samples(call: Call, name: str) -> Sequence[PoolSample]:
    """The pool's gauges and counters of the last hour, every ten seconds, oldest first."""
    return await call.admin.pools.samples(call.who, name)


@pools.get("/pools/{name}/forecast")
async def get_pool_forecast(call: Call, name: str) -> Forecast:
    """Erlang B at the pace of the last hour, beside what was measured."""
    return await call.admin.pools.forecast(call.who, name)


@pools.post("/pools/{name}/try", right="operate")
async def try_pool(call: Call, name: str, body: TrialBody) -> Trial:
    """Reserve a number as a client would: what to dial, and the request that does the same."""
    return await call.admin.pools.try_it(call.who, name, msgspec.json.encode(body.attributes).decode())
