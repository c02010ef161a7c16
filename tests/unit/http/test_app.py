"""Health, metrics, what is not routed, and the document."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.http.world import RESERVE, World
from tieline.calls.trunk_watch import TrunkHealth, TrunkState
from tieline.http.app import create_app


async def test_live(world: World) -> None:
    response = await world.get("/health/live", None)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["x-correlation-id"]


async def test_ready_names_the_reasons(world: World) -> None:
    assert (await world.get("/health/ready", None)).json() == {
        "status": "ready",
        "reasons": [],
        "trunks": {},
    }

    async def well() -> None:
        return None

    async def ill() -> str:
        return "disk full"

    async def broken() -> str:
        raise RuntimeError("secret")

    world.services.health.checks = {"media": well, "store": ill, "agents": broken}
    world.services.health.draining = True
    response = await world.get("/health/ready", None)
    assert response.status_code == 503
    assert response.json() == {
        "status": "not_ready",
        "reasons": [
            "draining: no new calls are taken",
            "store: disk full",
            "agents: the check failed: RuntimeError",
        ],
        "trunks": {},
    }


async def test_ready_shows_the_trunks_whatever_their_state(world: World) -> None:
    world.services.health.trunks = lambda: {
        "carrier": TrunkHealth(TrunkState.DOWN, None, "192.0.2.1:5060 answered nothing"),
        "pbx": TrunkHealth(TrunkState.UP, True),
    }
    response = await world.get("/health/ready", None)
    assert response.status_code == 200
    assert response.json()["trunks"] == {
        "carrier": {"state": "down", "registered": None},
        "pbx": {"state": "up", "registered": True},
    }


async def test_metrics(world: World) -> None:
    await world.reserve()
    response = await world.get("/metrics", None)
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'tieline_http_requests_total{route="reserve",status="200"} 1.0' in response.text
    assert "tieline_reserve_seconds_count 1.0" in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/a/b/c/d/e", 404),
        ("PUT", RESERVE, 405),
        ("POST", "/health/live", 405),
        ("GET", "/handoff", 405),
        ("GET", "/docs", 404),
    ],
)
async def test_not_routed(world: World, method: str, path: str, status: int) -> None:
    response = await world.client.request(method, path)
    assert response.status_code == status
    assert response.json()["success"] is False
    assert response.headers["x-correlation-id"]
    if status == 405:
        assert (
            response.headers["allow"]
            == {RESERVE: "GET, POST", "/health/live": "GET, HEAD", "/handoff": "POST"}[path]
        )


async def test_live_answers_head(world: World) -> None:
    assert (await world.client.head("/health/live")).status_code == 200


async def test_openapi_is_served(world: World) -> None:
    document = (await world.get("/openapi.json", None)).json()
    assert document["openapi"].startswith("3.")


async def test_a_connection_too_many_is_told_when_to_come_back(world: World) -> None:
    transport = httpx.ASGITransport(create_app(world.services).full)
    async with httpx.AsyncClient(transport=transport, base_url="http://tieline") as client:
        answer = await client.post(RESERVE, json={"attributes": {}})
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_connections")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("5", "close")
        assert answer.headers["x-correlation-id"]
        assert (await client.get("/health/live")).status_code == 200
    assert 'route="other",status="503"' in world.services.metrics.render().decode()
