"""Pools as they are at the moment: gauges, numbers, and what an operator does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieline.admin.pools import PoolView
from tieline.errors import InvalidInput
from tieline.http.admin.table import LIMIT, PREFIX, AdminRoute, Asked, Done
from tieline.model.pool import NumberAdmin


@dataclass(frozen=True, slots=True)
class PoolList:
    """Pools with their figures."""

    items: Sequence[PoolView]


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers of a pool, in order."""

    items: Sequence[Any]


async def _list(asked: Asked) -> PoolList:
    return PoolList(await asked.admin.pools.pools(asked.who))


async def _get(asked: Asked) -> PoolView:
    return await asked.admin.pools.pool(asked.who, asked.path["name"])


async def _numbers(asked: Asked) -> NumberList:
    return NumberList(await asked.admin.pools.numbers(asked.who, asked.path["name"], limit=asked.limit()))


async def _set_state(asked: Asked) -> Done:
    given = asked.only(state=str).get("state")
    if given not in set(NumberAdmin):
        raise InvalidInput(f"`state` must be one of {', '.join(NumberAdmin)}")
    await asked.admin.pools.set_state(
        asked.who, asked.path["name"], asked.path["number"], NumberAdmin(str(given))
    )
    return Done()


_POOLS = f"{PREFIX}/pools"

ROUTES = (
    AdminRoute("GET", _POOLS, "list_pools", "Pools as they are now.", _list, "look", PoolList),
    AdminRoute("GET", f"{_POOLS}/{{name}}", "get_pool", "One pool as it is now.", _get, "look", PoolView),
    AdminRoute("GET", f"{_POOLS}/{{name}}/numbers", "list_numbers", "A pool's numbers with their states.", _numbers,
               "look", NumberList, (LIMIT,)),
    AdminRoute("PUT", f"{_POOLS}/{{name}}/numbers/{{number}}", "set_number_state", "Drain, disable or use a number.",
               _set_state, "operate", Done, body={"state": "active, draining or disabled."}),
)  # fmt: skip
