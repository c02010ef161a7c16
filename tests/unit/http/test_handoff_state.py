"""Get Handoff: the contract, the four cases, waiting, and who may ask."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.unit.http.world import ACCOUNT_KEY, EXPIRED_KEY, OTHER_KEY, READ_KEY, RESERVE_KEY, World

PATH = "/v1/ws-1/PROJECT-1/handoff_state"


def expect_error(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error_message", "code"}
    assert body["code"] == code
    assert response.headers["x-correlation-id"]


@pytest.mark.parametrize("account", ["ws-1", "acme"])
@pytest.mark.parametrize("project", ["PROJECT-1", "desk"])
async def test_both_forms_of_ids(world: World, account: str, project: str) -> None:
    await world.call("c1")
    await world.end("c1", handed_off=True, handoff_reason="billing")
    response = await world.get(f"/v1/{account}/{project}/handoff_state", id="c1")
    assert response.status_code == 200
    assert response.json() == {
        "id": "c1",
        "data": {"handoff_reason": "billing"},
        "status": "ended_with_handoff",
    }


async def test_shared_id_is_there_only_when_the_call_has_one(world: World) -> None:
    await world.call("c1")
    await world.end("c1", handed_off=True, shared_id="s1")
    assert (await world.get(PATH, id="c1")).json()["shared_id"] == "s1"
    assert (await world.get(PATH, shared_id="s1")).json()["id"] == "c1"


async def test_shared_id_wins(world: World) -> None:
    for name in ("c1", "c2"):
        await world.call(name)
        await world.end(name, handed_off=True, shared_id=f"s-{name}")
    assert (await world.get(PATH, id="c1", shared_id="s-c2")).json()["id"] == "c2"
    expect_error(await world.get(PATH, id="c1", shared_id="nobody"), 404, "unknown")


async def test_four_cases(world: World) -> None:
    expect_error(await world.get(PATH, id="c1"), 404, "unknown")
    await world.call("c1")
    response = await world.get(PATH, id="c1")
    expect_error(response, 404, "in_progress")
    assert response.headers["retry-after"] == "1"
    await world.end("c1", handed_off=False)
    assert (await world.get(PATH, id="c1")).json() == {
        "id": "c1",
        "data": {},
        "status": "ended_without_handoff",
    }
    await world.call("c2")
    await world.end("c2", handed_off=True)
    assert (await world.get(PATH, id="c2")).json()["status"] == "ended_with_handoff"
    counted = {
        case: world.services.metrics.value("tieline_handoff_lookups_total", case)
        for case in ("unknown", "in_progress", "ended_without_handoff", "ended_with_handoff")
    }
    assert set(counted.values()) == {1}


async def test_data_of_any_size(world: World) -> None:
    await world.call("c1")
    await world.end("c1", handed_off=True, long="x" * 2_000_000)
    assert len((await world.get(PATH, id="c1")).json()["data"]["long"]) == 2_000_000


async def test_wait_holds_the_answer_until_the_call_ends(world: World) -> None:
    await world.call("c1")
    asking = asyncio.create_task(world.get(PATH, id="c1", wait=30))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asking.done()
    await world.end("c1", handed_off=True)
    assert (await asking).json()["status"] == "ended_with_handoff"


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "inf", "soon", "1e9"])
async def test_bad_waits(world: World, wait: str) -> None:
    expect_error(await world.get(PATH, id="c1", wait=wait), 400, "bad_wait")


@pytest.mark.parametrize("query", [{}, {"id": ""}, {"shared_id": "", "id": ""}])
async def test_neither_id(world: World, query: dict[str, str]) -> None:
    expect_error(await world.get(PATH, **query), 400, "missing_id")


@pytest.mark.parametrize(("name", "value"), [("id", "x" * 257), ("shared_id", "a\r\nb"), ("id", "\x00")])
async def test_bad_ids(world: World, name: str, value: str) -> None:
    expect_error(await world.get(PATH, **{name: value}), 400, f"bad_{name}")


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        (PATH, None, 401, "missing_key"),
        (PATH, "wrong", 401, "wrong_key"),
        (PATH, EXPIRED_KEY, 401, "expired_key"),
        (PATH, RESERVE_KEY, 403, "missing_scope"),
        (PATH, OTHER_KEY, 403, "wrong_account"),
        ("/v1/nobody/PROJECT-1/handoff_state", READ_KEY, 403, "wrong_account"),
        ("/v1/ws-1/PROJECT-2/handoff_state", READ_KEY, 403, "wrong_project"),
        ("/v1/ws-1/nothing/handoff_state", READ_KEY, 403, "wrong_project"),
        ("/v1/ws-1/PROJECT-3/handoff_state", ACCOUNT_KEY, 404, "unknown_project"),
        ("/v1/ws-1/nothing/handoff_state", ACCOUNT_KEY, 404, "unknown_project"),
    ],
)
async def test_keys(world: World, path: str, key: str | None, status: int, code: str) -> None:
    expect_error(await world.get(path, key, id="c1"), status, code)


async def test_another_projects_call_is_unknown(world: World) -> None:
    await world.call("c1", project="PROJECT-2")
    await world.end("c1", handed_off=True)
    expect_error(await world.get(PATH, id="c1"), 404, "unknown")
    found = await world.get("/v1/acme/shop/handoff_state", ACCOUNT_KEY, id="c1")
    assert found.status_code == 200


async def five9(world: World, body: Any, key: str = READ_KEY, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json"} | headers
    return await world.client.post("/handoff", content=json.dumps(body).encode(), headers=sent)


async def test_the_five9_sample(world: World) -> None:
    await world.call("c1")
    await world.end("c1", handed_off=True, shared_id="s1", contained=False, destination="billing", other=1)
    response = await five9(world, {"shared_id": "s1"})
    assert response.json() == {
        "id": "c1",
        "shared_id": "s1",
        "data": {"contained": False, "destination": "billing", "other": 1},
        "status": "ended_with_handoff",
        "contained": False,
        "destination": "billing",
    }


async def test_five9_with_a_key_of_all_projects(world: World) -> None:
    await world.call("c1", project="PROJECT-2")
    await world.end("c1", handed_off=False, shared_id="s1")
    body = (await five9(world, {"shared_id": "s1"}, ACCOUNT_KEY)).json()
    assert (body["id"], body["contained"], body["destination"]) == ("c1", None, None)
    expect_error(await five9(world, {"shared_id": "s1"}, OTHER_KEY), 404, "unknown")


@pytest.mark.parametrize("body", [{}, [], "s1", {"shared_id": 1}, {"shared_id": None}, {"shared_id": ""}])
async def test_five9_bad_bodies(world: World, body: Any) -> None:
    expect_error(await five9(world, body), 400, "invalid_input")


async def test_five9_refusals(world: World) -> None:
    expect_error(await five9(world, {"shared_id": "s"}, "wrong"), 401, "wrong_key")
    expect_error(await five9(world, {"shared_id": "s"}, authorization="Basic abc"), 401, "missing_key")
    expect_error(await five9(world, {"shared_id": "s"}, RESERVE_KEY), 403, "missing_scope")
    expect_error(await five9(world, {"shared_id": "x" * 70_000}), 413, "body_too_large")
    refused = await five9(world, {"shared_id": "s"}, **{"content-type": "text/plain"})
    expect_error(refused, 415, "unsupported_media_type")


class _Broken:
    async def lookup(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")


async def test_a_defect_shows_no_inside(world: World) -> None:
    world.services.outcomes = _Broken()
    response = await world.get(PATH, id="c1")
    expect_error(response, 500, "internal_error")
    assert "secret" not in response.text
