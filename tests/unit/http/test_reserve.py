"""Reserve DNI: the contract, our additions, and every way of asking badly."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.http.world import (
    ACCOUNT_KEY,
    ADMIN_KEY,
    EXPIRED_KEY,
    OTHER_KEY,
    READ_KEY,
    RESERVE,
    RESERVE_KEY,
    World,
    open_world,
)
from tieline.http.services import Services
from tieline.model.project import hash_secret


def expect_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == {"success", "error", "message", "code"}
    assert body["success"] is False
    assert body["code"] == code
    assert response.headers["x-correlation-id"]
    return body


async def test_a_client_that_knows_only_the_contract(world: World) -> None:
    response = await world.reserve(
        {"attributes": {"shared_id": "1234", "nested": {"deep": [1, None, 2.5, "é"]}}}
    )
    assert response.status_code == 200
    assert response.json()["dni"] == "+15550100000"
    assert response.headers["content-type"] == "application/json"


async def test_our_additions(world: World) -> None:
    body = {
        "attributes": {"a": 1},
        "ttl_s": 30,
        "expected_caller": "0044 20 7946 0000",
        "caller_policy": "strict",
    }
    made = (await world.reserve({**body, "pool": "main"})).json()
    assert made["ttl_s"] == 30
    assert made["expires_at"].startswith("2030-01-01T12:00:30")
    assert made["pool"] == "main"
    found = (await world.get(f"{RESERVE}/{made['reservation_id']}", RESERVE_KEY)).json()
    assert found["expected_caller"] == "+442079460000"
    assert found["caller_policy"] == "strict"
    assert found["attributes"] == {"a": 1}
    assert found["state"] == "reserved"


async def test_exhaustion_says_when_to_come_back(world: World) -> None:
    await world.reserve()
    await world.reserve()
    response = await world.reserve()
    body = expect_error(response, 404, "pool_exhausted")
    assert body["message"] == "no available route found"
    assert body["error"] == "Not Found"
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("pool", ["missing", "spare"])
async def test_no_pool_of_the_project_is_no_route(world: World, pool: str) -> None:
    body = expect_error(await world.reserve({"attributes": {}, "pool": pool}), 404, "no_route")
    assert body["message"] == "no available route found"


async def test_same_idempotency_key_gives_the_same_number(world: World) -> None:
    first = await world.reserve({"attributes": {"a": 1, "b": 2}}, Idempotency_Key="k1")
    again = await world.reserve({"attributes": {"b": 2, "a": 1}}, Idempotency_Key="k1")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers


async def test_same_idempotency_key_with_another_body(world: World) -> None:
    await world.reserve({"attributes": {"a": 1}}, Idempotency_Key="k1")
    expect_error(
        await world.reserve({"attributes": {"a": 2}}, Idempotency_Key="k1"), 422, "idempotency_mismatch"
    )


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "caf\xe9"])
async def test_bad_idempotency_keys(world: World, key: str) -> None:
    sent = {"x-api-key": RESERVE_KEY, "idempotency-key": key.encode("latin-1")}
    response = await world.client.post(RESERVE, json={"attributes": {}}, headers=sent)  # type: ignore[arg-type]
    expect_error(response, 400, "invalid_input")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 401, "missing_key"),
        ("", 401, "missing_key"),
        ("nonsense", 401, "wrong_key"),
        ("x" * 4000, 401, "wrong_key"),
        (EXPIRED_KEY, 401, "expired_key"),
        (READ_KEY, 403, "missing_scope"),
        (ACCOUNT_KEY, 403, "key_without_project"),
    ],
)
async def test_keys(world: World, key: str | None, status: int, code: str) -> None:
    headers = {} if key is None else {"x-api-key": key}
    expect_error(await world.client.post(RESERVE, json={"attributes": {}}, headers=headers), status, code)


async def test_the_use_of_a_key_is_noted_once_in_a_round(world: World) -> None:
    uses, key_hash = world.services.uses, hash_secret(RESERVE_KEY)
    assert (await world.reserve()).status_code == 200
    first = world.clock.utc()
    assert uses.fresh() == {key_hash: first}
    world.clock.advance(5)
    await world.reserve()
    assert uses.fresh() == {key_hash: first}
    await uses.save(world.store)
    await world.reserve()
    assert uses.fresh() == {key_hash: world.clock.utc()}
    await world.reserve(key="tl_wrong-wrong-wrong-wrong")
    assert len(uses.fresh()) == 1


async def test_a_key_of_all_projects_may_point_by_the_pool(world: World) -> None:
    response = await world.reserve({"attributes": {}, "pool": "spare"}, ACCOUNT_KEY)
    assert response.json()["dni"] == "+15550200000"
    expect_error(await world.reserve({"attributes": {}, "pool": "spare"}, OTHER_KEY), 404, "no_route")


async def test_admin_may_reserve(world: World) -> None:
    assert (await world.reserve(key=ADMIN_KEY)).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"attributes": {"a": NaN}}',
        b'{"attributes": {"a": Infinity}}',
        b'{"attributes": {"a": 1e999}}',
        b'{"attributes": {"a": 1}, "attributes": {"a": 2}}',
        b'{"attributes": {"a": 1, "a": 2}}',
        b'{"attributes": {"a": 1, "\\u0061": 2}}',
        b'{"attributes": {"a": "\\u003a", "a": 2}}',
        b'{"attributes": {"a": "\\ud800"}}',
        b'{"attributes": {"a": "\xff"}}',
        b'\xef\xbb\xbf{"attributes": {}}',
        b'{"attributes": {}} {}',
        b"[" * 50_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"attributes": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_malformed_json(world: World, raw: bytes) -> None:
    expect_error(await world.send(raw), 400, "malformed_json")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        5,
        {},
        {"attributes": None},
        {"attributes": []},
        {"attributes": "text"},
        {"attributes": 5},
        {"attributes": {}, "ttl_s": "60"},
        {"attributes": {}, "ttl_s": True},
        {"attributes": {}, "ttl_s": -1},
        {"attributes": {}, "ttl_s": 0},
        {"attributes": {}, "expected_caller": 5},
        {"attributes": {}, "expected_caller": "not a number"},
        {"attributes": {}, "expected_caller": "+1555\r\nX-Evil: 1"},
        {"attributes": {}, "caller_policy": "loose"},
        {"attributes": {}, "caller_policy": {}},
        {"attributes": {}, "pool": 5},
    ],
)
async def test_wrong_types(world: World, body: Any) -> None:
    expect_error(await world.send(json.dumps(body).encode()), 400, "invalid_input")


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


async def test_depth() -> None:
    async with open_world(attributes_max_depth=5) as world:
        assert (await world.reserve({"attributes": nested(5)})).status_code == 200
        expect_error(await world.reserve({"attributes": nested(6)}), 400, "invalid_input")


async def test_size() -> None:
    async with open_world(attributes_max_bytes=100) as world:
        expect_error(await world.reserve({"attributes": {"a": "x" * 100}}), 413, "attributes_too_large")
        assert (await world.reserve({"attributes": {"a": "x" * 90}})).status_code == 200


async def test_a_body_too_large_is_refused_before_it_is_read(world: World) -> None:
    response = await world.send(b"{}", content_length=str(10**13))
    expect_error(response, 413, "body_too_large")


async def test_a_body_too_large_in_pieces(world: World) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 10_000

    headers = {"x-api-key": RESERVE_KEY, "content-type": "application/json"}
    response = await world.client.post(RESERVE, content=pieces(), headers=headers)
    expect_error(response, 413, "body_too_large")


async def test_a_body_in_pieces(world: World) -> None:
    async def pieces() -> Any:
        for part in (b'{"attri', b'butes"', b": {}}"):
            yield part

    headers = {"x-api-key": RESERVE_KEY, "content-type": "application/json"}
    assert (await world.client.post(RESERVE, content=pieces(), headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_type": "text/plain"}, "unsupported_media_type"),
        ({"content_type": "application/x-www-form-urlencoded"}, "unsupported_media_type"),
        ({"content_type": "application/json; charset=latin-1"}, "unsupported_media_type"),
        ({"content_encoding": "gzip"}, "unsupported_encoding"),
    ],
)
async def test_content_types_refused(world: World, headers: dict[str, str], code: str) -> None:
    expect_error(await world.send(b'{"attributes": {}}', **headers), 415, code)


KINDS = (
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/vnd.x+json",
    'application/json;charset="UTF-8"',
)


@pytest.mark.parametrize("kind", KINDS)
async def test_content_types_accepted(world: World, kind: str) -> None:
    assert (await world.send(b'{"attributes": {}}', content_type=kind)).status_code == 200


async def test_unknown_fields_are_ignored(world: World) -> None:
    assert (await world.reserve({"attributes": {}, "tomorrow": 1})).status_code == 200


async def test_correlation_id_is_taken_when_it_is_sane(world: World) -> None:
    assert (await world.reserve(X_Correlation_Id="abc-1")).headers["x-correlation-id"] == "abc-1"
    made = (await world.reserve(X_Correlation_Id="a b<script>")).headers["x-correlation-id"]
    assert made != "a b<script>"
    assert made


async def test_draining_refuses(world: World) -> None:
    world.services.health.draining = True
    response = await world.reserve()
    expect_error(response, 503, "draining")
    assert response.headers["retry-after"] == "5"


class _Broken:
    async def reserve(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")


async def test_a_defect_shows_no_inside(world: World) -> None:
    services: Services = world.services
    services.reservations = _Broken()  # type: ignore[assignment]
    response = await world.reserve()
    expect_error(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    assert services.metrics.value("tieline_reservations_total", "failed") == 1


async def test_what_is_counted(world: World) -> None:
    for _ in range(3):
        await world.reserve(Idempotency_Key="one")
    await world.reserve()
    await world.reserve()
    await world.send(b"{")
    value = world.services.metrics.value
    results = {
        r: value("tieline_reservations_total", r) for r in ("made", "replayed", "exhausted", "refused")
    }
    assert results == {"made": 2, "replayed": 2, "exhausted": 1, "refused": 1}
    assert value("tieline_http_requests_total", "reserve", "200") == 4


async def test_the_client_left_before_its_body_came(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": RESERVE,
        "headers": [(b"x-api-key", RESERVE_KEY.encode())],
    }
    app = world.client._transport.app  # type: ignore[attr-defined]
    await app(scope, receive, send)
    assert sent == []
