"""`tieline user`: the people of the studio."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Tieline

LINK = r"http://127\.0\.0\.1:8080/studio/{page}\?token=[\w-]{{43}}"


def test_a_person_is_invited_disabled_and_enabled(applied: Tieline) -> None:
    assert "nobody" in applied("user", "list").err
    made = applied(
        "user", "invite", "Ada@Example.com", "--name", "Ada", "--role", "builder", "--account", "acme"
    )
    assert made.status == 0, made.err
    assert re.search(LINK.format(page="join"), made.out)
    (row,) = applied("user", "list", "--json").json
    assert row["email"] == "ada@example.com"
    assert (row["role"], row["state"], row["account"], row["personal_data"]) == (
        "builder",
        "invited",
        "acme",
        False,
    )
    assert applied("user", "disable", "ada@example.com").out == "ada@example.com is disabled\n"
    assert applied("user", "list", "--json").json[0]["state"] == "disabled"
    assert "is disabled; enable them first" in applied("user", "link", "ada@example.com").err
    assert applied("user", "enable", "ADA@example.com").out == "ada@example.com is enabled\n"
    again = applied("user", "link", "ada@example.com", "--json")
    assert re.fullmatch(LINK.format(page="join"), again.json["link"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("invite", "ada"), "email: is not an e-mail address"),
        (("invite", "ada@example.com", "--role", "king"), "role: must be one of owner, builder"),
        (("invite", "ada@example.com", "--account", "none"), "account: there is no such account"),
        (("disable", "eve@example.com"), "there is nobody with the address eve@example.com"),
    ],
)
def test_what_is_wrong_is_said(applied: Tieline, words: tuple[str, ...], said: str) -> None:
    ran = applied("user", *words)
    assert ran.status == 1
    assert said in ran.err


def test_the_first_owner_has_a_link_until_there_is_somebody(tieline: Tieline, tmp_path: Path) -> None:
    (tmp_path / "tieline.toml").write_text('[server]\npublic_url = "https://tieline.example/"\n')
    first = tieline("user", "link", "--json").json["link"]
    assert first.startswith("https://tieline.example/studio/welcome?token=")
    assert "makes the first owner" in tieline("user", "link").out
    tieline("user", "invite", "ada@example.com")
    ran = tieline("user", "link")
    assert ran.status == 1
    assert "there is somebody already" in ran.err
