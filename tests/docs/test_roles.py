"""The page about people says what each role may do, as the code has it."""

from __future__ import annotations

from pathlib import Path

from tieline.admin.passwords import SHORTEST
from tieline.admin.people import INVITATION_LASTS, NEW_PASSWORD_LASTS
from tieline.admin.sign_in import FIRST_OWNER_LASTS
from tieline.model.user import RIGHT_TEXTS, RIGHTS, ROLE_TEXTS, Right, Role

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "people.md").read_text(encoding="utf-8")


def test_the_table_of_roles_is_that_of_the_code() -> None:
    head, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    assert head[1:] == [f"`{role.value}`" for role in Role]
    written = {row[0]: row[1:] for row in rows}
    assert written == {
        f"`{right.value}`: {RIGHT_TEXTS[right]}": ["yes" if right in RIGHTS[role] else "" for role in Role]
        for right in Right
        if right is not Right.PERSONAL_DATA
    }
    assert f"`{Right.PERSONAL_DATA.value}` comes with no role" in PAGE


def test_every_role_and_right_is_told_in_words() -> None:
    assert set(ROLE_TEXTS) == set(Role)
    assert set(RIGHT_TEXTS) == set(Right)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"at least {SHORTEST} characters" in PAGE
    assert (INVITATION_LASTS.days, NEW_PASSWORD_LASTS.days, FIRST_OWNER_LASTS.days) == (7, 1, 1)
    assert "It works once, for seven days." in PAGE
