"""The commands that list, show and change one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.commands.conftest import Tieline


def test_keys(applied: Tieline) -> None:
    made = applied(
        "keys", "create", "reader", "--project", "desk", "-s", "handoff:read", "-s", "chat", "--days", "30"
    )
    assert made.out.startswith("tl_")
    rows = {row["name"]: row for row in applied("keys", "list", "--json").json}
    assert rows["reader"]["scopes"] == ["chat", "handoff:read"]
    assert made.out.startswith(rows["reader"]["begins_with"])
    assert rows["reader"]["expired"] is False
    assert "reader" in applied("keys", "list").out
    assert applied("keys", "create", "reader", "-s", "chat").status == 1
    assert applied("keys", "revoke", "reader").status == 0
    assert applied("keys", "revoke", "reader").err == "tieline: there is no API key reader\n"
    assert applied("keys", "create", "j", "-s", "chat", "--json").json["secret"].startswith("tl_")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("-s", "fly"), 2, "unknown scope fly"),
        (("-s", "chat", "--project", "none"), 1, "there is no project none (known: desk)"),
        (("-s", "chat", "--account", "none"), 1, "there is no account none"),
        ((), 2, "Missing option"),
    ],
)
def test_keys_refused(applied: Tieline, words: tuple[str, ...], status: int, said: str) -> None:
    ran = applied("keys", "create", "k", *words)
    assert ran.status == status
    assert said in ran.err


def test_a_name_that_is_none(applied: Tieline) -> None:
    assert applied("keys", "create", "a b", "-s", "chat").status == 2


def test_tokens(applied: Tieline) -> None:
    assert applied("tokens", "create", "live", "--project", "desk").out.startswith("tlt_")
    (row,) = applied("tokens", "list", "--json").json
    assert (row["name"], row["project"]) == ("live", "desk")
    assert applied("tokens", "revoke", "live").status == 0
    assert "no SIP tokens" in applied("tokens", "list").err


def test_pools(applied: Tieline) -> None:
    (row,) = applied("pool", "list", "--json").json
    assert (row["name"], row["project"], row["numbers"], row["free"], row["busy"]) == (
        "main",
        "desk",
        5,
        5,
        0,
    )
    assert "main" in applied("pool", "list").out
    assert applied("pool", "show", "main", "--json").json["by_state"]["free_clean"] == 5
    assert "numbers free clean  5" in applied("pool", "show", "main").out
    assert applied("pool", "show", "none").status == 1


def test_numbers_are_taken_out_of_service(applied: Tieline) -> None:
    assert applied("pool", "drain", "main", "+1 555 010-0001").status == 0
    assert applied("pool", "disable", "main", "+15550100002").status == 0
    rows = applied("pool", "numbers", "main", "--json").json
    assert [row["state"] for row in rows][:3] == ["free_clean", "draining", "disabled"]
    assert applied("pool", "enable", "main", "+15550100002").status == 0
    assert [row["state"] for row in applied("pool", "numbers", "main", "--json").json][2] == "free_clean"
    assert applied("pool", "drain", "main", "hello").status == 2
    assert applied("pool", "drain", "main", "+15559999999").status == 1
    assert len(applied("pool", "numbers", "main", "-n", "2", "--offset", "1", "--json").json) == 2


def test_plan_gives_the_known_figures(tieline: Tieline) -> None:
    plan = tieline("pool", "plan", "--rate", "5", "--json").json
    assert round(plan["load"], 1) == 59.5
    assert [row["numbers"] for row in plan["rows"]] == [74, 82, 89]
    table = tieline(
        "pool", "plan", "--rate", "5", "--setup-median", "4", "--setup-p99", "15", "--target", "0.001"
    ).out
    assert "0.1 %" in table
    assert "82" in table
    assert tieline("pool", "plan", "--rate", "-1").status == 2
    assert tieline("pool", "plan", "--rate", "5", "--setup-median", "20", "--setup-p99", "10").status == 1


def test_simulate(tieline: Tieline) -> None:
    words = ("pool", "simulate", "--numbers", "74", "--rate", "5", "--reservations", "2000")
    first, again = tieline(*words, "--json").json, tieline(*words, "--json").json
    assert first == again
    assert first["reservations"] == 2000
    assert tieline(*words, "--policy", "stack").status == 0
    assert tieline(*words, "--policy", "heap").status == 2


def test_trunks_and_projects(applied: Tieline, tmp_path: Path) -> None:
    (row,) = applied("trunk", "list", "--json").json
    assert row["networks"] == ["127.0.0.1/32"]
    assert applied("trunk", "show", "sbc", "--json").json["pools"] == ["main"]
    assert "token header" in applied("trunk", "show", "sbc").out
    assert applied("trunk", "show", "none").err == "tieline: there is no trunk none\n"
    (project,) = applied("project", "list", "--json").json
    assert (project["slug"], project["pools"], project["numbers"]) == ("desk", ["main"], ["100"])
    assert applied("project", "check", "desk").status == 1
    assert applied("project", "check", "none").status == 1


def test_project_check(tieline: Tieline, tmp_path: Path) -> None:
    functions = tmp_path / "agent" / "functions"
    functions.mkdir(parents=True)
    (functions / "start_function.py").write_text(
        "from _gen import *\n\n\ndef start_function(conv):\n    pass\n"
    )
    good = tieline("project", "check", "agent")
    assert (good.status, "can be served" in good.out) == (0, True)
    (functions / "start_function.py").write_text("1 / 0\n")
    bad = tieline("project", "check", "agent", "--json")
    assert (bad.status, bad.json["ok"]) == (1, False)
    assert any("start_function" in finding["file"] for finding in bad.json["findings"])


def test_reservations(applied: Tieline) -> None:
    assert "no reservations" in applied("reservations", "list").err
    assert applied("reservations", "list", "--project", "none").status == 1
    assert applied("reservations", "list", "--project", "desk", "--pool", "main", "--json").json == []
