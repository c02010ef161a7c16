"""The admin API without a server: nobody gets in without the right key, and nothing odd gets through."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.unit.admin.office import Office
from tieline.admin.audit import AuditAdmin
from tieline.admin.webhooks import WebhookAdmin, WebhookPorts
from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.http.admin.app import AdminApi, _encode, principal_of
from tieline.http.admin.declaration import AdminRoute
from tieline.http.admin.routes import ROUTES
from tieline.http.errors import HttpError
from tieline.model.project import ApiKey, Scope, hash_secret
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.model.webhook import EventType
from tieline.observe.metrics import Metrics

KEYS = {
    "admin": ("ws-acme", None, {Scope.ADMIN}),
    "full": ("ws-acme", None, {Scope.ADMIN, Scope.CONVERSATIONS_READ}),
    "desk": ("ws-acme", "PROJECT-desk", {Scope.ADMIN}),
    "other": ("ws-other", None, {Scope.ADMIN}),
    "reader": ("ws-acme", None, {Scope.CONVERSATIONS_READ, Scope.DNI_RESERVE, Scope.HANDOFF_READ}),
}


def key(name: str) -> ApiKey:
    account, project, scopes = KEYS[name]
    return ApiKey(
        name=name, account=account, project=project, scopes=frozenset(scopes), key_hash=hash_secret(secret(name)),
        prefix=secret(name)[:8],
    )  # fmt: skip


def secret(name: str) -> str:
    return f"tl_{name}" + "x" * 40


class Api:
    """The application, asked in memory."""

    def __init__(self, office: Office) -> None:
        async def check(_: object) -> None:
            return None

        office.store.wanted_events = frozenset(EventType)
        ports = WebhookPorts(wake=lambda: None, check=check)
        admin: Any = SimpleNamespace(
            resources=office.resources,
            audit=AuditAdmin(office.store),
            webhooks=WebhookAdmin(office.resources, office.store, office.clock, office.trail, ports),
        )
        directory = Directory(Resources(api_keys=tuple(key(name) for name in KEYS)))
        self.metrics = Metrics()
        self.app = FastAPI()
        AdminApi(admin, lambda: directory, office.clock, CredentialUse(), self.metrics).mount(self.app)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True), base_url="http://tieline"
        )

    async def ask(self, method: str, path: str, name: str | None = "admin", **more: Any) -> httpx.Response:
        headers = {"x-api-key": secret(name)} if name else {}
        return await self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    office = Office()
    await office.apply()
    made = Api(office)
    yield made
    await made.client.aclose()


def filled(route: AdminRoute) -> str:
    return re.sub(r"\{(\w+)\}", "x", route.path)


EVERY = pytest.mark.parametrize("route", ROUTES, ids=lambda one: one.name)


@EVERY
async def test_no_route_without_a_key(api: Api, route: AdminRoute) -> None:
    for headers in (
        {},
        {"x-api-key": "tl_wrong"},
        {"authorization": "Bearer nonsense"},
        {"cookie": "session=x"},
    ):
        answer = await api.ask(route.method, filled(route), None, headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"error_message", "code", "faults"}
        assert "x-correlation-id" in answer.headers


@EVERY
async def test_no_route_with_another_scope(api: Api, route: AdminRoute) -> None:
    answer = await api.ask(route.method, filled(route), "reader")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_names_and_places_are_given_once() -> None:
    assert len({one.name for one in ROUTES}) == len(ROUTES)
    assert len({(one.method, one.path) for one in ROUTES}) == len(ROUTES)


async def test_every_route_is_documented(api: Api) -> None:
    document = (await api.ask("GET", "/v1/admin/openapi.json", None)).json()
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert told == {(one.method, one.path) for one in ROUTES}
    text = str(document)
    for name in re.findall(r"#/components/schemas/([\w.]+)", text):
        assert name in document["components"]["schemas"]


def test_what_a_key_may_do() -> None:
    everything = frozenset(Right)
    assert principal_of(key("admin"), "").rights == everything - {Right.PERSONAL_DATA}
    assert principal_of(key("full"), "").rights == everything
    confined = principal_of(key("desk"), "192.0.2.1")
    assert confined.rights == everything - {Right.PERSONAL_DATA, Right.USERS}
    assert (confined.account, confined.project, confined.address) == ("ws-acme", "PROJECT-desk", "192.0.2.1")
    with pytest.raises(HttpError):
        principal_of(key("reader"), "")


async def test_the_life_of_a_resource(api: Api) -> None:
    fields = {"name": "crm", "account": "acme", "url": "https://crm.example.com/hook"}
    dry = await api.ask("POST", "/v1/admin/resources/webhooks?dry_run=true", json=fields)
    assert (dry.status_code, dry.json()["resource"]["name"], dry.json()["issued"]) == (200, "crm", [])
    assert (await api.ask("GET", "/v1/admin/resources/webhooks")).json() == {"items": []}
    made = (await api.ask("POST", "/v1/admin/resources/webhooks", json=fields)).json()
    (issued,) = made["issued"]
    assert issued["secret"].startswith("whsec_")
    assert issued["secret"] not in str(made["resource"]) + str(made["changes"])
    again = await api.ask("POST", "/v1/admin/resources/webhooks", json=fields)
    assert again.status_code == 409
    changed = await api.ask("PATCH", "/v1/admin/resources/webhooks/crm", json={"disabled": True})
    assert changed.json()["resource"]["disabled"] is True
    dry = await api.ask("PATCH", "/v1/admin/resources/webhooks/crm?dry_run=true", json={"disabled": None})
    assert "disabled" not in dry.json()["resource"]
    one = (await api.ask("GET", "/v1/admin/resources/webhooks/crm")).json()
    assert (one["disabled"], one["secret"]) == (True, {"value_from_env": "WEBHOOK_CRM_SECRET"})
    exported = await api.ask("GET", "/v1/admin/export")
    assert exported.headers["content-type"].startswith("application/yaml")
    assert "crm.example.com" in exported.text
    assert issued["secret"] not in exported.text
    assert (await api.ask("DELETE", "/v1/admin/resources/webhooks/crm")).json()["resource"] is None
    assert (await api.ask("GET", "/v1/admin/resources/webhooks/crm")).status_code == 404
    entries = (await api.ask("GET", "/v1/admin/audit?kind=webhooks")).json()["items"]
    assert [(one["action"], one["actor_kind"], one["actor"]) for one in entries] == [
        ("remove", "api_key", "admin"), ("update", "api_key", "admin"), ("create", "api_key", "admin"),
    ]  # fmt: skip


async def test_faults_are_told_by_field(api: Api) -> None:
    answer = await api.ask(
        "POST", "/v1/admin/resources/webhooks", json={"name": "crm", "url": "ftp://x", "odd": 1}
    )
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["faults"]} >= {"url"}


async def test_what_is_anothers_is_not_there(api: Api) -> None:
    seen = (await api.ask("GET", "/v1/admin/resources/projects", "other")).json()["items"]
    assert [one["slug"] for one in seen] == ["theirs"]
    for method, path, body in (
        ("GET", "resources/projects/desk", None), ("DELETE", "resources/projects/desk", None),
        ("DELETE", "resources/trunks/genesys", None), ("GET", "resources/pools/main", None),
    ):  # fmt: skip
        answer = await api.ask(method, f"/v1/admin/{path}", "other", json=body)
        assert answer.status_code == 404, path
    answer = await api.ask("PATCH", "/v1/admin/resources/projects/desk", "other", json={"name": "mine"})
    assert answer.status_code == 409
    fields = {"name": "spy", "account": "acme", "url": "https://spy.example.com"}
    assert (await api.ask("POST", "/v1/admin/resources/webhooks", "other", json=fields)).status_code == 403
    assert (
        await api.ask("PATCH", "/v1/admin/resources/trunks/shared", json={"max_calls": 1})
    ).status_code == 403
    assert (await api.ask("GET", "/v1/admin/audit", "desk")).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "resources/none", None, 404),
        ("POST", "resources/pools", b"[]", 400),
        ("POST", "resources/pools", b"{", 400),
        ("POST", "resources/pools", b'{"a":1,"a":2}', 400),
        ("POST", "resources/pools?dry_run=maybe", b"{}", 400),
        ("GET", "deliveries?limit=0", None, 400),
        ("GET", "deliveries?limit=abc", None, 400),
        ("GET", "deliveries?type=none", None, 400),
        ("GET", "deliveries?before=soon", None, 400),
        ("GET", "deliveries?before=2030-01-01T00:00:00", None, 400),
        ("GET", "deliveries/none", None, 404),
        ("GET", "audit?before_id=x", None, 400),
        ("POST", "webhooks/none/test", b'{"a":1}', 400),
        ("POST", "webhooks/none/rotate", b'{"keep_old_hours":"x"}', 422),
        ("POST", "webhooks/none/rotate", b'{"x":1}', 422),
        ("POST", "webhooks/none/test", None, 404),
        ("GET", "resources/pools/%00%0d%0a", None, 404),
    ],
)  # fmt: skip
async def test_odd_requests_are_told_so(api: Api, method: str, path: str, content: Any, status: int) -> None:
    answer = await api.ask(method, f"/v1/admin/{path}", content=content)
    assert answer.status_code == status
    assert answer.json()["error_message"]


async def test_too_much_and_of_the_wrong_kind(api: Api) -> None:
    large = await api.ask("POST", "/v1/admin/resources/pools", content=b" " * (4 * 1024 * 1024 + 1))
    assert large.status_code == 413
    form = await api.ask(
        "POST", "/v1/admin/resources/pools", content=b"a=b", headers={"content-type": "text/plain"}
    )
    assert form.status_code == 415


async def test_webhooks_are_worked(api: Api) -> None:
    await api.ask("POST", "/v1/admin/resources/webhooks", json={
        "name": "crm", "account": "acme", "url": "https://crm.example.com",
    })  # fmt: skip
    sent = (await api.ask("POST", "/v1/admin/webhooks/crm/test")).json()
    assert (sent["event"]["type"], sent["state"]) == ("test", "waiting")
    listed = (await api.ask("GET", "/v1/admin/deliveries?endpoint=crm&state=waiting&type=test")).json()[
        "items"
    ]
    assert [one["id"] for one in listed] == [sent["id"]]
    assert (await api.ask("GET", f"/v1/admin/deliveries/{sent['id']}")).json()["id"] == sent["id"]
    assert (await api.ask("GET", f"/v1/admin/deliveries/{sent['id']}", "other")).status_code == 404
    assert (await api.ask("POST", f"/v1/admin/deliveries/{sent['id']}/redeliver")).json()[
        "state"
    ] == "waiting"
    made = (await api.ask("POST", "/v1/admin/webhooks/crm/rotate", json={"keep_old_hours": 1})).json()
    assert made["secret"].startswith("whsec_")
    (one,) = (await api.ask("GET", "/v1/admin/webhooks")).json()["items"]
    assert (one["name"], one["waiting"]) == ("crm", 1)
    assert made["secret"] not in str(one)
    assert (await api.ask("GET", "/v1/admin/webhooks", "other")).json() == {"items": []}


def test_texts_of_peers_are_escaped() -> None:
    assert _encode(["odd\udce9"]) == b'["odd\\udce9"]'
    assert [_encode(one) for one in (b"zip", "yaml")] == [b"zip", b"yaml"]


async def test_a_defect_tells_nothing_of_the_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebhookAdmin, "webhooks", None)
    answer = await api.ask("GET", "/v1/admin/webhooks")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "NoneType" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["before=2030-01-01T00:00:00+01:00", "before=20300101T0000Z", "before=&type=&limit=", "colour=red"],
)
async def test_queries_that_are_well_meant(api: Api, query: str) -> None:
    answer = await api.ask("GET", f"/v1/admin/deliveries?{query}")
    assert (answer.status_code, answer.json()) == (200, {"items": []})
