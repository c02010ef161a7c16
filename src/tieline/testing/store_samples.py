"""Pools, reservations and calls for tests of stores: one small story, told by its seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tieline.model.pool import Pool
from tieline.model.reservation import BindRequest, BindResult, ReserveRequest
from tieline.store.base import PoolNumber, Store

T0 = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
"""When the contract's stories begin."""

ATTRIBUTES = '{"shared_id":"1234","customer":{"age":25}}'
CALLER = "+15550109999"
STRANGER = "+15550108888"


def after(seconds: float) -> datetime:
    """`seconds` into the story."""
    return T0 + timedelta(seconds=seconds)


def numbers(count: int, first: int = 15550100000) -> tuple[str, ...]:
    """`count` numbers in a row."""
    return tuple(f"+{first + step}" for step in range(count))


async def give_pool(store: Store, *pools: Pool) -> None:
    """Make `pools` the configured ones."""
    await store.apply(lambda current: msgspec.structs.replace(current, pools=pools), T0)


def pool(count: int = 2, **policy: Any) -> Pool:
    """A pool of `count` numbers with the default durations: lease 60 s, cool-downs 5 s and 60 s."""
    return Pool(**({"name": "p", "project": "x", "numbers": numbers(count)} | policy))


def ask(**fields: Any) -> ReserveRequest:
    """A request for a reservation."""
    return ReserveRequest(**({"project": "x", "attributes_json": ATTRIBUTES} | fields))


def invite(number: str, call: str = "c1", **fields: Any) -> BindRequest:
    """An INVITE to a pool number."""
    known: dict[str, Any] = {
        "pool": "p",
        "number": number,
        "caller": CALLER,
        "sip_call_id": call,
        "from_tag": "t",
        "conversation_id": f"conversation-{call}",
        "verified_trunk": True,
    }
    return BindRequest(**(known | fields))


async def answer(store: Store, bound: BindResult, at: datetime, *, verified: bool = True) -> bool:
    """Claim what a call has bound."""
    assert bound.reservation is not None
    return await store.claim(bound.reservation.id, bound.reservation.epoch, at, verified=verified)


async def only_number(store: Store, at: datetime) -> PoolNumber:
    """The first number of pool `p`."""
    return (await store.pool_numbers("p", at))[0]
