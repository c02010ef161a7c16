"""Every admin route confines a key to what is its own, and every admin function has a route."""

from __future__ import annotations

import inspect
import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tieline.http.admin
from tests.unit.http.admin.desk import ADMIN, ALL_SEEING, FOREIGN, PROJECT, Desk
from tieline.admin.app import Admin
from tieline.admin.proxies import TrustedProxies
from tieline.http.admin.declaration import PREFIX, AdminRoute, Call, Noun
from tieline.http.admin.routes import ROUTES
from tieline.model.record import ConfidentialRecord

OWN: dict[str, str] = {
    "kind": "pools", "name": "main", "project": "desk", "pool": "main", "number": "+15550100000", "trunk": "five9",
    "profile": "five9", "key": "admin", "token": "desk-token", "webhook": "hook", "connection": "none",
    "reservation_id": "none", "call_id": "none", "message_id": "none", "delivery_id": "none", "person_id": "none",
    "sid": "none", "user_id": "none",
}  # fmt: skip
"""Values for paths: what is acme's, where there is one."""

QUERIES: dict[str, dict[str, str]] = {
    "get_figures": {"after": "2026-01-01T00:00:00Z", "before": "2026-01-02T00:00:00Z"},
    "get_project_source": {"path": "functions/start_function.py"},
}

BODIES: dict[str, Any] = {
    "apply_resources": "accounts: [{slug: acme, name: changed}]",
    "create_resource": {"name": "main", "project": "desk", "numbers": []},
    "update_resource": {"ttl_s": 30},
    "create_project": {"slug": "desk", "account": "acme", "answer_only": True},
    "change_project": {"changes": {"name": "x"}},
    "create_trunk": {"name": "five9", "networks": "192.0.2.77", "account": "acme"},
    "create_key": {"name": "taken", "scopes": ["chat"], "account": "acme"},
    "create_token": {"name": "taken", "project": "desk"},
    "connect_twilio": {"name": "taken", "account": "acme", "account_sid": "AC" + "0" * 32, "auth_token": "x"},
    "choose_twilio_number": {},
    "invite_person": {"email": "a@example.com", "name": "A", "role": "owner", "account": "acme"},
    "set_number_state": {"state": "draining"},
    "add_numbers": {"numbers": ["+15550100099"]},
    "remove_numbers": {"numbers": ["+15550100001"]},
    "preview_numbers": {"text": "+15550100099"},
    "preview_exposure": {"conversation_id": "none"},
    "send_message": {"to": "+15550100001", "content": "x", "from_": "+15550100002"},
    "end_opt_out": {"recipient": "+15550100001", "sender": "+15550100002", "reason": "they asked for it"},
    "place_test_call": {"project": "desk"},
    "type_in_test_call": {"text": "x"},
    "press_in_test_call": {"digits": "1"},
}

HARMLESS = frozenset({"list_profiles", "get_profile", "get_twilio_webhooks", "check_destination"})
"""Routes that answer everybody the same."""

NO_ROUTE: dict[str, str] = {
    "trail.*": "notes what the functions do",
    "sessions.*": "browsers' sessions: no cookie opens anything here",
    "sign_in.*": "people sign in with a browser",
    "reach.*": "addresses of the server, no function",
    "installation.*": "settings concern every account, and a key belongs to one",
    "resources.update": "update_resource edits the same way",
    "resources.resources": "records with their secrets, for other functions",
    "projects.example": "a folder of the server, and no key may choose one",
    "people.own": "people themselves",
    "people.rename_own": "people themselves",
    "people.change_own_password": "people themselves",
    "people.own_sessions": "people themselves",
    "people.end_own_session": "people themselves",
    "people.end_other_sessions": "people themselves",
    "pools.watch": "the server's chore",
    "pools.sample": "the server's chore",
    "handoffs.wants_prefix": "one of the remarks of check",
    "trunks.fields": "get_resource gives them, with references for secrets",
    "calls.trunks": "list_trunks gives them",
    "people.by_email": "list_people gives everybody",
    "webhooks.create": "create_resource does",
    "webhooks.update": "update_resource does",
    "webhooks.remove": "remove_resource does",
    "overview.calls": "get_overview counts them",
    "test_calls.projects": "list_projects gives them; these are records with secrets",
    "test_calls.place_voice": "takes a browser with a microphone",
    "test_calls.lose": "a browser's page that is gone",
}  # fmt: skip
"""Admin functions without a route, and why."""


def _path(route: AdminRoute, values: dict[str, str] = OWN) -> str:
    return route.path.removeprefix(PREFIX).format(**values)


async def _ask(desk: Desk, route: AdminRoute, key: str | None) -> Any:
    body = BODIES.get(route.name, {} if route.body is not None else None)
    return await desk.ask(route.method, _path(route), body, key=key, **QUERIES.get(route.name, {}))


@pytest.mark.parametrize("key", [FOREIGN, PROJECT])
async def test_what_belongs_to_others_is_not_there(desk: Desk, key: str) -> None:
    """A foreign account's key on acme's things, and a project's key on those of another project of its account."""
    before = await desk.store.resources()
    values = OWN if key == FOREIGN else {**OWN, "project": "shop", "pool": "elsewhere", "name": "elsewhere"}
    secrets = ("hidden-", "+1555010") if key == FOREIGN else ("hidden-", "shop")
    for route in ROUTES:
        if route.name in HARMLESS or (key == PROJECT and not {"project", "pool"} & set(route.parts)):
            continue
        body = BODIES.get(route.name, {} if route.body is not None else None)
        answer = await desk.ask(
            route.method, _path(route, values), body, key=key, **QUERIES.get(route.name, {})
        )
        assert answer.status_code != 500, route.name
        if route.parts and not (route.parts == ["kind"] and route.method == "GET"):
            refused = answer.status_code in {403, 404, 409, 422}
            assert refused or answer.text == '{"items":[]}', (route.name, answer.text)
        if answer.status_code == 200:
            assert not any(one in answer.text for one in secrets), (route.name, answer.text)
            assert '"acme"' not in answer.text or key == PROJECT, (route.name, answer.text)
    after = await desk.store.resources()
    assert [one for one in after.projects if one.account == "ws-acme"] == [
        one for one in before.projects if one.account == "ws-acme"
    ]
    assert after.pools == before.pools
    assert after.sip_tokens == before.sip_tokens
    assert {one.name for one in after.api_keys} == {one.name for one in before.api_keys}


async def test_no_answer_holds_a_secret(desk: Desk) -> None:
    for route in ROUTES:
        if route.method == "GET":
            answer = await _ask(desk, route, ALL_SEEING)
            assert answer.status_code in {200, 204, 404}, (route.name, answer.text)
            assert "hidden-" not in answer.text, route.name
            assert ADMIN not in answer.text, route.name
    for kind in ("accounts", "projects", "pools", "trunks", "sip_tokens", "api_keys", "webhooks", "twilio"):
        assert "hidden-" not in str(await desk.get(f"/resources/{kind}", ALL_SEEING))


def test_only_what_makes_a_secret_answers_with_one() -> None:
    """Of records with something to hide, answers hold those that are there to show it once, and personal data."""

    def inside(kind: Any, seen: set[Any]) -> set[Any]:
        if isinstance(kind, type) and kind not in seen:
            seen.add(kind)
            if issubclass(kind, msgspec.Struct):
                for one in typing.get_type_hints(kind).values():
                    inside(one, seen)
        for one in typing.get_args(kind):
            inside(one, seen)
        return seen

    found: set[str] = set()
    for route in ROUTES:
        kinds = inside(route.answer, set())
        found |= {one.__name__ for one in kinds if issubclass(one, ConfidentialRecord)}
    assert found <= {"Credential", "SignedEndpoint", "OptOut", "SmsMessage"}


async def test_unknown_fields_and_parameters_are_faults(desk: Desk) -> None:
    answer = await desk.ask("GET", "/trunks", colour="red")
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "colour")
    answer = await desk.ask("GET", "/pools/main/reservations", limit="many")
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "limit")
    answer = await desk.ask("POST", "/tokens", {"name": "x", "project": "desk", "colour": "red"})
    assert answer.json()["faults"] == [{"field": "colour", "message": "there is no such field"}]
    answer = await desk.ask("POST", "/tokens", {"name": "x"})
    assert answer.json()["faults"] == [{"field": "project", "message": "is missing"}]
    answer = await desk.ask("POST", "/keys", {"name": "x", "scopes": ["all"]})
    assert answer.json()["faults"][0]["field"] == "scopes[0]"


async def test_a_body_nested_too_deep(desk: Desk) -> None:
    sent = {"x-api-key": ADMIN, "content-type": "application/json"}
    deep = b'{"a":' * 200 + b"1" + b"}" * 200
    answer = await desk.client.post("/v1/admin/resources/pools", content=deep, headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


async def test_the_audit_log_names_key_and_address(desk: Desk) -> None:
    await desk.do("PUT", "/pools/main/numbers/%2B15550100000", {"state": "draining"})
    (entry,) = (await desk.get("/audit"))["items"]
    assert (entry["actor_kind"], entry["actor"], entry["address"]) == ("api_key", "admin", "198.51.100.7")
    assert (entry["action"], entry["kind"], entry["name"]) == ("draining", "pools", "main")


def test_proxies_are_believed_where_they_are_trusted() -> None:
    proxies, headers = TrustedProxies("10.0.0.0/8, 192.0.2.1"), {"x-forwarded-for": "203.0.113.9, 10.0.0.2"}
    assert proxies.address_of("192.0.2.1", headers) == "203.0.113.9"
    assert proxies.address_of("192.0.2.2", headers) == "192.0.2.2"
    assert proxies.address_of("192.0.2.1", {"x-forwarded-for": "<script>"}) == "192.0.2.1"


def test_every_admin_function_has_a_route_or_a_reason() -> None:
    folder = Path(tieline.http.admin.__file__).parent
    text = "".join(one.read_text() for one in folder.glob("nouns/*.py"))
    hints = typing.get_type_hints(Admin)
    functions = {
        f"{noun}.{name}"
        for noun, kind in hints.items()
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and f"{noun}.*" not in NO_ROUTE
    }
    routed = {one for one in functions if re.search(rf"admin\.{re.escape(one)}\(", text)}
    indirect = {f"resources.{name}" for name in ("create", "edit", "preview", "remove")}
    assert functions - routed - indirect - set(NO_ROUTE) == set()
    assert {one for one in NO_ROUTE if not one.endswith(".*")} <= functions


def test_a_route_takes_what_its_path_has() -> None:
    with pytest.raises(ValueError, match="its path has not"):

        @Noun("look").get("/pools/{pool}")
        async def broken(call: Call, trunk: str) -> str:
            raise NotImplementedError
