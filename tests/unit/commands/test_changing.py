"""The commands that create, change and remove trunks, pools and projects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.conftest import RESOURCES, Tieline
from tieline.commands.pool_changes import OPTIONS as POOL_OPTIONS
from tieline.commands.trunk_changes import OPTIONS as TRUNK_OPTIONS
from tieline.resources.kinds import KINDS
from tieline.store.people import AuditFilter
from tieline.store.sqlite import SqliteStore

ALL_TRUNK_OPTIONS = (
    ("--network", "192.0.2.0/24"),
    ("--network", "2001:db8::/32"),
    ("--account", "acme"),
    ("--token-header", "X-Token"),
    ("--require-token",),
    ("--number-from", "header"),
    ("--number-header", "Diversion"),
    ("--default-region", "US"),
    ("--max-calls", "30"),
    ("--max-cps", "2.5"),
    ("--attach-forwarded",),
    ("--shared-id-header", "X-Shared"),
    ("--advertised-host", "203.0.113.9"),
    ("--advertised-port", "5070"),
    ("--profile", "genesys"),
    ("--target", "sbc.example.com"),
    ("--transport", "tls"),
    ("--tls-name", "sbc.example.org"),
    ("--username", "acme"),
    ("--password-env", "PBX_PASSWORD"),
    ("--register",),
    ("--register-expires", "600"),
    ("--options-interval", "30"),
    ("--auth-username", "sbc"),
    ("--auth-password-env", "-"),
    ("--encryption", "required"),
    ("--session-timer", "off"),
    ("--session-expires", "900"),
    ("--reliable-provisional", "required"),
    ("--refer-domain", "refer.example.com"),
    ("--first-bye", "peer"),
    ("--bye-wait", "2.5"),
    ("--notify-timeout", "10"),
    ("--alive", "30"),
    ("--max-headers", "5"),
)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, and somebody at the terminal."""
    monkeypatch.setenv("PBX_PASSWORD", "xyzzy")
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "plugh")


def test_every_field_has_an_option() -> None:
    assert {one.field for one in TRUNK_OPTIONS} == {field.name for field in KINDS["trunks"]} - {"name"}
    assert {one.field for one in POOL_OPTIONS} == {field.name for field in KINDS["pools"]} - {"name"}


def words(options: tuple[tuple[str, ...], ...]) -> list[str]:
    return [word for option in options for word in option]


def trunk(tieline: Tieline, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = tieline("trunk", "show", name, "--json").json
    return fields


@pytest.mark.usefixtures("secrets")
def test_a_trunk_with_every_field(applied: Tieline) -> None:
    ran = applied("trunk", "create", "carrier", *words(ALL_TRUNK_OPTIONS), "--json")
    assert ran.status == 0, ran.err
    assert [(one["name"], one["action"]) for one in ran.json["changes"]] == [("carrier", "create")]
    made = trunk(applied, "carrier")
    assert made["account"] == "ws-acme"
    assert made == made | {
        "networks": ["192.0.2.0/24", "2001:db8::/32"],
        "token_header": "X-Token",
        "require_token": True,
        "number_from": "header",
        "number_header": "Diversion",
        "default_region": "US",
        "max_calls": 30,
        "max_cps": 2.5,
        "attach_forwarded": True,
        "shared_id_header": "X-Shared",
        "advertised_host": "203.0.113.9",
        "profile": "genesys",
        "target": "sbc.example.com",
        "register": True,
        "register_expires_s": 600,
        "password": "(hidden)",
        "auth_password": "(hidden)",
        "session_timer": "off",
        "alive_s": 30.0,
        "max_headers": 5,
    }
    assert applied("trunk", "create", "carrier", "--network", "192.0.2.1").err == (
        "tieline: there is a trunk carrier already; change it with `tieline trunk set`\n"
    )


@pytest.mark.usefixtures("secrets")
def test_passwords_are_kept_and_not_shown(applied: Tieline) -> None:
    made = applied("trunk", "create", "carrier", *words(ALL_TRUNK_OPTIONS))
    shown = applied("trunk", "show", "carrier").out + applied("trunk", "list", "--json").out + made.out
    shown += applied("trunk", "set", "carrier", "--alive", "5").out + applied("export").out
    assert "xyzzy" not in shown
    assert "plugh" not in shown
    assert "TRUNK_CARRIER_AUTH_PASSWORD" in applied("export").out
    assert applied("trunk", "set", "carrier", "--password-env", "PBX_PASSWORD").out == "nothing to change\n"
    unset = applied("trunk", "set", "carrier", "--password-env", "NO_SUCH")
    assert unset.err == "tieline: --password-env: the environment variable NO_SUCH is not set\n"


@pytest.mark.usefixtures("secrets")
def test_a_trunk_is_changed_field_by_field(applied: Tieline) -> None:
    applied("trunk", "create", "carrier", *words(ALL_TRUNK_OPTIONS))
    before = trunk(applied, "carrier")
    ran = applied("trunk", "set", "carrier", "--max-calls", "5", "--no-require-token", "--clear", "max-cps")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "~ trunks carrier")
    assert "    max_calls: 30 -> 5" in ran.out
    assert trunk(applied, "carrier") == before | {"max_calls": 5, "require_token": False, "max_cps": None}
    again = applied("trunk", "set", "carrier", "--max-calls", "5")
    assert (again.status, again.out) == (0, "nothing to change\n")


def test_a_trunk_is_removed_unless_a_pool_needs_it(applied: Tieline) -> None:
    needed = applied("trunk", "remove", "sbc")
    assert (needed.status, needed.err) == (2, "tieline: pools.main.trunks: there is no trunk sbc\n")
    assert trunk(applied, "sbc")["pools"] == ["main"]
    applied("pool", "set", "main", "--clear", "trunks")
    assert applied("trunk", "remove", "sbc").out.startswith("- trunks sbc\n")
    assert applied("trunk", "remove", "sbc").err == "tieline: there is no trunk sbc\n"


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (("create", "t"), 2, "networks: is missing"),
        (("create", "t", "--network", "hello"), 2, "--networks: 'hello' is not an address or network"),
        (
            ("create", "t", "--network", "127.0.0.1"),
            2,
            "--networks: 127.0.0.1/32 already belongs to the trunk",
        ),
        (("create", "a b", "--network", "192.0.2.1"), 2, "NAME: 'a b' is not a name"),
        (
            ("create", "t", "--network", "192.0.2.1", "--max-calls", "0"),
            2,
            "--max-calls: must be a whole number",
        ),
        (("create", "t", "--network", "192.0.2.1", "--account", "x"), 2, "--account: there is no account x"),
        (("create", "t", "--network", "192.0.2.1", "--number-from", "frm"), 2, "--number-from: 'frm'"),
        (("set", "sbc", "--number-from", "header"), 2, "--number-header: goes with"),
        (("set", "sbc", "--advertised-host", "a\nb"), 2, "--advertised-host: must be at most"),
        (("set", "sbc", "--advertised-host", "\udcff"), 2, "--advertised-host: must be at most"),
        (("set", "none", "--max-calls", "1"), 1, "there is no trunk none"),
        (("set", "sbc"), 2, "nothing to change"),
        (("set", "sbc", "--clear", "name"), 2, "--clear: there is no field name"),
        (("set", "sbc", "--clear", "networks"), 2, "--networks: is missing"),
        (("set", "sbc", "--max-calls", "1", "--clear", "max_calls"), 2, "--max-calls is given, and cleared"),
    ],
)
def test_trunks_refused(applied: Tieline, given: tuple[str, ...], status: int, said: str) -> None:
    before = applied("trunk", "list", "--json").json
    ran = applied("trunk", *given)
    assert ran.status == status
    assert said in ran.err
    assert applied("trunk", "list", "--json").json == before


def test_a_pool_is_made_changed_and_removed(applied: Tieline) -> None:
    ran = applied(
        *("pool", "create", "spare", "--project", "desk", "--numbers", "+15550100100-+15550100109"),
        *("--trunk", "sbc", "--ttl", "90", "--min-ttl", "10", "--max-ttl", "100", "--cooldown", "6"),
        *(
            "--expiry-cooldown",
            "70",
            "--setup-grace",
            "33",
            "--caller-policy",
            "strict",
            "--late-policy",
            "never",
        ),
    )
    assert ran.status == 0, ran.err
    made = applied("pool", "show", "spare", "--json").json
    assert made == made | {
        "trunks": ["sbc"],
        "numbers": 10,
        "ttl_s": 90,
        "min_ttl_s": 10,
        "max_ttl_s": 100,
        "claim_cooldown_s": 6,
        "expiry_cooldown_s": 70,
        "setup_grace_s": 33,
        "caller_policy": "strict",
        "late_policy": "never",
    }
    assert "    ttl_s: 90.0 -> 95.0" in applied("pool", "set", "spare", "--ttl", "95").out
    assert applied("pool", "show", "spare", "--json").json == made | {"ttl_s": 95}
    refused = applied("pool", "set", "spare", "--ttl", "101")
    assert (refused.status, refused.err.startswith("tieline: --ttl-s: 101 is not between")) == (2, True)
    assert applied("pool", "remove", "spare").status == 0
    assert [row["name"] for row in applied("pool", "list", "--json").json] == ["main"]


def test_numbers_come_and_go(applied: Tieline) -> None:
    applied("pool", "disable", "main", "+15550100004")
    assert applied("pool", "add-numbers", "main", "+1 555 010 0005", "+15550100010-+15550100012").status == 0
    assert applied("pool", "remove-numbers", "main", "+15550100000-+15550100003").status == 0
    rows = applied("pool", "numbers", "main", "--json").json
    assert [row["number"][-2:] for row in rows] == ["04", "05", "10", "11", "12"]
    assert rows[0]["state"] == "disabled"
    assert applied("pool", "add-numbers", "main", "+15550100005").err == (
        "tieline: +15550100005 is in the pool main already\n"
    )
    assert applied("pool", "remove-numbers", "main", "+15550100099").err == (
        "tieline: +15550100099 is not in the pool main\n"
    )
    assert applied("pool", "add-numbers", "main", "hello").status == 2
    assert applied("pool", "add-numbers", "none", "+15550100005").status == 1
    assert applied("pool", "remove-numbers", "main", "+15550100004-+15550100012").status == 1
    assert applied("pool", "remove-numbers", "main", *(row["number"] for row in rows)).status == 0
    assert applied("pool", "set", "main", "--ttl", "61").status == 0
    assert applied("pool", "numbers", "main", "--json").json == []


def test_a_pool_may_begin_empty_but_not_clash(applied: Tieline) -> None:
    assert applied("pool", "create", "later", "--project", "desk").status == 0
    clash = applied("pool", "add-numbers", "later", "+15550100001")
    assert clash.status == 2
    assert "--numbers: +15550100001 is also in the pool main" in clash.err
    assert "--project: there is no project x" in applied("pool", "create", "p", "--project", "x").err


def test_a_project_is_shown_and_changed(
    tieline: Tieline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "swordfish")
    secret = "    secrets: {crm: {value_from_env: CRM_PASSWORD}}\n    answer_only: true\n"
    (tmp_path / "r.yaml").write_text(RESOURCES.replace("    answer_only: true\n", secret))
    assert tieline("apply", "-f", "r.yaml").status == 0
    monkeypatch.delenv("CRM_PASSWORD")
    ran = tieline("project", "set", "desk", "--title", "The desk", "--env", "sandbox", "--numbers", "101")
    assert (ran.status, "secrets" in ran.out) == (0, False)
    shown = tieline("project", "show", "desk", "--json").json
    assert (shown["name"], shown["env"], shown["numbers"]) == ("The desk", "sandbox", ["101"])
    assert (shown["secrets"], shown["pools"]) == (["crm"], ["main"])
    assert "swordfish" not in tieline("project", "show", "desk").out
    monkeypatch.setenv("CRM_PASSWORD", "swordfish")
    assert "secrets" not in tieline("apply", "-f", "r.yaml").out


def test_a_project_gets_a_folder_that_is_checked_first(applied: Tieline, tmp_path: Path) -> None:
    functions = tmp_path / "agent" / "functions"
    functions.mkdir(parents=True)
    (functions / "start_function.py").write_text("1 / 0\n")
    given = ("project", "set", "desk", "--path", "agent", "--clear", "answer-only")
    bad = applied(*given)
    assert (bad.status, bad.err.startswith("tieline: --path: ")) == (2, True)
    (functions / "start_function.py").write_text("def start_function(conv):\n    pass\n")
    assert applied(*given).status == 0
    assert applied("project", "show", "desk", "--json").json["path"] == str(tmp_path / "agent")
    assert applied("project", "set", "desk", "--path", "none").err.startswith(
        "tieline: --path: there is no folder"
    )
    assert applied("project", "set", "none", "--title", "x").err == "tieline: there is no project none\n"
    assert "--title: must be" in applied("project", "set", "desk", "--title", "a\tb").err


async def test_changes_by_commands_are_in_the_audit_log(applied: Tieline, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(RESOURCES.replace("sbc", "pbx").replace("127.0.0.1", "127.0.0.2"))
    for command in (
        ("trunk", "create", "carrier", "--network", "192.0.2.0/24"),
        ("trunk", "set", "carrier", "--max-calls", "3"),
        ("trunk", "remove", "carrier"),
        ("keys", "create", "reader", "--project", "desk", "-s", "chat"),
        ("keys", "revoke", "reader"),
        ("tokens", "create", "token", "--project", "desk"),
        ("apply", "-f", "more.yaml"),
    ):
        ran = await asyncio.to_thread(applied, *command)
        assert ran.status == 0, ran.err
    store = SqliteStore(tmp_path / "tieline.db")
    await store.open(datetime.now(UTC))
    found = [one for one in await store.audit(AuditFilter()) if one.kind != "accounts"]
    await store.close()
    assert {one.actor for one in found} == {"command line"}
    acts = [(one.action, one.kind, one.name) for one in reversed(found)]
    assert acts[-8:] == [
        ("create", "trunks", "carrier"),
        ("update", "trunks", "carrier"),
        ("remove", "trunks", "carrier"),
        ("create", "api_keys", "reader"),
        ("remove", "api_keys", "reader"),
        ("create", "sip_tokens", "token"),
        ("update", "pools", "main"),
        ("create", "trunks", "pbx"),
    ]
    assert {one.account for one in found if one.kind == "api_keys"} == {"ws-acme"}
    changed = next(one for one in found if (one.action, one.name) == ("update", "carrier"))
    assert [(one.field, one.after) for one in changed.changes] == [("max_calls", "3")]
