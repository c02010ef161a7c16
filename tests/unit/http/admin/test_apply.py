"""A resource file by HTTP: tried, applied, and refused where it reaches further than its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.http.admin.desk import ADMIN, ALL_SEEING, FOREIGN, PROJECT, READER, Desk
from tieline.http.admin.app import MAX_TEXT

FILE = """\
projects: [{slug: shop, account: acme, answer_only: true, numbers: [300], name: Shop}]
pools: [{name: more, project: shop, numbers: ["+15550300000"]}]
sip_tokens: [{name: more, project: shop}]
"""
CHANGES = [("update", "projects", "shop"), ("create", "pools", "more"), ("create", "sip_tokens", "more")]


def changes(answer: Any) -> list[tuple[str, str, str]]:
    return [(one["action"], one["kind"], one["name"]) for one in answer["changes"]]


async def test_a_file_is_tried_and_applied(desk: Desk) -> None:
    before = await desk.store.resources()
    tried = await desk.do("POST", "/apply", FILE, dry_run="true")
    assert (changes(tried), tried["issued"]) == (CHANGES, [])
    assert await desk.store.resources() == before
    made = await desk.do("POST", "/apply", FILE)
    assert changes(made) == CHANGES
    (issued,) = made["issued"]
    assert (issued["kind"], issued["name"]) == ("sip_tokens", "more")
    assert issued["secret"] not in json.dumps(await desk.get("/tokens"))
    assert ("admin", "create", "pools more") in await desk.actions()
    again = await desk.do("POST", "/apply", FILE)
    assert (again["changes"], again["issued"]) == ([], [])


async def test_json_is_yaml_too(desk: Desk) -> None:
    fields = {"pools": [{"name": "more", "project": "shop", "numbers": ["+15550300000"]}]}
    assert changes(await desk.do("POST", "/apply", fields)) == [("create", "pools", "more")]


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 401, "missing_key"),
        (READER, 403, "missing_scope"),
        (FOREIGN, 409, "conflict"),
        (PROJECT, 409, "conflict"),
    ],
)
async def test_it_is_for_keys_whose_things_these_are(
    desk: Desk, key: str | None, status: int, code: str
) -> None:
    before = await desk.store.resources()
    answer = await desk.ask("POST", "/apply", FILE, key=key)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await desk.store.resources() == before


async def test_faults_have_lines_and_name_no_file_of_the_server(desk: Desk) -> None:
    text = "pools:\n  - {name: more, project: shop, numbers: [x]}\nnothing: []\n"
    answer = await desk.ask("POST", "/apply", text)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
    faults = {one["field"]: one["message"] for one in answer.json()["faults"]}
    assert faults["nothing"].startswith("line 3: ")
    assert faults["pools[0].numbers[0]"].startswith("line 2: ")
    assert "/" not in answer.json()["error_message"]
    answer = await desk.ask("POST", "/apply", "pools: {")
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "")


@pytest.mark.parametrize(
    "text",
    [
        "projects: [{slug: mine, account: acme, path: /etc}]",
        "api_keys: [{name: more, account: acme, scopes: [admin]}]",
        "accounts: [{slug: mine}]",
        "trunks: [{name: mine, networks: 192.0.2.77}]",
    ],
)
async def test_a_key_gets_no_further_by_a_file(desk: Desk, text: str) -> None:
    answer = await desk.ask("POST", "/apply", text)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_nobody_reads_the_servers_environment(desk: Desk) -> None:
    text = "webhooks: [{name: hook, account: acme, url: 'https://a.example', secret: {value_from_env: PATH}}]"
    answer = await desk.ask("POST", "/apply", text, key=ALL_SEEING)
    assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "webhooks[0].secret")


async def test_bodies_that_are_no_file(desk: Desk) -> None:
    large = await desk.ask("POST", "/apply", "#" * (MAX_TEXT + 1))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    answer = await desk.client.post("/v1/admin/apply", content=b"\xff", headers={"x-api-key": ADMIN})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert (await desk.ask("POST", "/apply", FILE, dry_run="maybe")).status_code == 400
    assert changes(await desk.do("POST", "/apply", "")) == []
