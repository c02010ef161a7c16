"""Reservations after they were made, and pool figures."""

from __future__ import annotations

import pytest

from tests.unit.http.world import ACCOUNT_KEY, OTHER_KEY, READ_KEY, RESERVE, RESERVE_KEY, World
from tieline.model.reservation import BindRequest


async def test_list_shows_the_newest_first_without_attributes(world: World) -> None:
    for name in ("a", "b"):
        await world.reserve({"attributes": {"name": name}})
        world.clock.advance(1)
    found = (await world.get(RESERVE, RESERVE_KEY)).json()["reservations"]
    assert [one["dni"] for one in found] == ["+15550100001", "+15550100000"]
    assert all("attributes" not in one for one in found)
    assert len((await world.get(RESERVE, RESERVE_KEY, limit=1)).json()["reservations"]) == 1
    assert (await world.get(RESERVE, RESERVE_KEY, pool="none")).json()["reservations"] == []


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "\u0661", "9" * 30])
async def test_bad_limits(world: World, limit: str) -> None:
    response = await world.get(RESERVE, RESERVE_KEY, limit=limit)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")


async def test_release_and_then_it_is_released(world: World) -> None:
    made = (await world.reserve()).json()
    path = f"{RESERVE}/{made['reservation_id']}"
    released = await world.client.delete(path, headers={"x-api-key": RESERVE_KEY})
    assert (released.status_code, released.json()["state"]) == (200, "released")
    assert (await world.get(path, RESERVE_KEY)).json()["state"] == "released"


async def test_release_after_the_call_arrived_is_a_conflict(world: World) -> None:
    made = (await world.reserve()).json()
    bind = BindRequest(
        pool="main", number=made["dni"], caller=None, sip_call_id="c", from_tag="t",
        conversation_id="conv", verified_trunk=True,
    )  # fmt: skip
    await world.store.bind(bind, world.clock.utc())
    path = f"{RESERVE}/{made['reservation_id']}"
    released = await world.client.delete(path, headers={"x-api-key": RESERVE_KEY})
    assert (released.status_code, released.json()["success"]) == (409, False)
    assert (await world.get(path, RESERVE_KEY)).json()["conversation_id"] == "conv"


async def test_another_projects_reservation_is_not_there(world: World) -> None:
    made = (await world.reserve({"attributes": {}, "pool": "spare"}, ACCOUNT_KEY)).json()
    path = f"{RESERVE}/{made['reservation_id']}"
    assert (await world.get(path, RESERVE_KEY)).status_code == 404
    assert (await world.get(path, OTHER_KEY)).status_code == 404
    assert (await world.client.delete(path, headers={"x-api-key": RESERVE_KEY})).status_code == 404
    assert (await world.get(f"{RESERVE}/nonsense", RESERVE_KEY)).status_code == 404


async def test_keys(world: World) -> None:
    assert (await world.get(RESERVE, None)).status_code == 401
    assert (await world.get(RESERVE, READ_KEY)).status_code == 403
    assert (await world.get("/v1/pools/main/stats", READ_KEY)).status_code == 403


async def test_pool_stats(world: World) -> None:
    await world.reserve()
    stats = (await world.get("/v1/pools/main/stats", RESERVE_KEY)).json()
    assert stats["numbers"] == 2
    assert stats["by_state"]["reserved"] == 1
    assert stats["reserved_total"] == 1
    assert (await world.get("/v1/pools/spare/stats", ACCOUNT_KEY)).status_code == 200
    assert (await world.get("/v1/pools/spare/stats", RESERVE_KEY)).status_code == 404
    assert (await world.get("/v1/pools/none/stats", RESERVE_KEY)).status_code == 404
