"""The admin API of a real server: every route answers, and shows nothing to another account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import DESK, RESOURCES, Served, eventually, serving
from tests.integration.sip_peer import SipPeer
from tieline.http.admin.declaration import AdminRoute
from tieline.http.admin.routes import ROUTES

ADMIN = "tl_admin-0123456789abcdef0123456789abcdef"
OTHER = "tl_other-0123456789abcdef0123456789abcdef"
MORE = """
webhooks:
  - {name: crm, account: northwind, url: "https://crm.invalid/hook", disabled: true}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    text = RESOURCES.format(desk=DESK, numbers="+15550100-+15550109")
    text = text.replace("accounts: [{slug: northwind}]", "accounts: [{slug: northwind}, {slug: southwind}]")
    text = text.replace(
        "api_keys:",
        f"""api_keys:
  - {{name: admin, account: northwind, scopes: [admin], key_hash: {hashed(ADMIN)}}}
  - {{name: other, account: southwind, scopes: [admin], key_hash: {hashed(OTHER)}}}""",
    )
    with serving(tmp_path_factory.mktemp("admin"), resources=text + MORE) as running:
        yield running


def hashed(key: str) -> str:
    from tieline.model.project import hash_secret

    return hash_secret(key)


async def a_call(served: Served) -> str:
    """The id of a call that has ended."""
    peer = await SipPeer.open(served.sip_udp)
    assert (await peer.invite("300")).status == 200
    peer.ack()
    await peer.ask("BYE")
    await peer.close()

    async def ended() -> str | None:
        found = await served.ask("GET", "/v1/admin/calls?reason=caller_hung_up", ADMIN)
        calls = found.answer["calls"]
        return calls[0]["opened"]["id"] if calls else None

    return await eventually(ended)


def filled(route: AdminRoute, call_id: str) -> str:
    known = {
        "kind": "webhooks", "name": "desk" if "/pools/" in route.path else "crm", "number": "+15550100",
        "call_id": call_id, "user_id": "none", "delivery_id": "none",
    }  # fmt: skip
    return re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], "none"), route.path)


async def test_every_route_answers_its_own_and_nobody_else(served: Served) -> None:
    call_id = await a_call(served)
    reading = [one for one in ROUTES if one.method == "GET" and one.media_type == "application/json"]
    for route in reading:
        mine = await served.ask("GET", filled(route, call_id), ADMIN)
        expected = {404} if "/none" in filled(route, call_id) or route.name == "get_test_call" else {200}
        if route.name in {"get_figures", "get_project_source"}:  # these need more in their queries
            expected = {422}
        assert mine.status in expected, (route.name, mine.answer)
        theirs = await served.ask("GET", filled(route, call_id), OTHER)
        shown = str(theirs.answer)
        assert theirs.status in {200, 404, 422}, (route.name, shown)
        for word in ("northwind", "crm", "desk", "1555010", call_id):
            assert word not in shown.replace("nothing", "") or theirs.status == 404, (route.name, word, shown)
    for route in ROUTES:
        if route.method != "GET" and "{" in route.path and route.name != "create_resource":
            body: Any = {"state": "active"} if route.name == "set_number_state" else None
            answer = await served.ask(route.method, filled(route, call_id), OTHER, body)
            assert answer.status in {403, 404, 409, 422}, (route.name, answer.answer)
    kept = await served.ask("GET", "/v1/admin/resources/webhooks/crm", ADMIN)
    assert kept.answer["name"] == "crm"


async def test_personal_data_are_hidden_from_a_key_without_the_right(served: Served) -> None:
    call_id = await a_call(served)
    call = await served.ask("GET", f"/v1/admin/calls/{call_id}", ADMIN)
    assert call.answer["redacted"] is True


async def test_a_change_is_followed_at_once(served: Served, tmp_path: Path) -> None:
    project = {"slug": "second", "account": "northwind", "answer_only": True, "numbers": ["301"]}
    made = await served.ask("POST", "/v1/admin/resources/projects", ADMIN, project)
    assert made.status == 200, made.answer

    async def answered() -> bool:
        peer = await SipPeer.open(served.sip_udp)
        status = (await peer.invite("301")).status
        peer.ack()
        if status == 200:
            await peer.ask("BYE")
        await peer.close()
        return status == 200

    await eventually(answered)
    folder = await served.ask(
        "POST",
        "/v1/admin/resources/projects",
        ADMIN,
        {"slug": "third", "account": "northwind", "path": str(tmp_path)},
    )
    assert (folder.status, folder.answer["code"]) == (403, "forbidden")
