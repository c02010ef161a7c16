"""The menu beside every page."""

from __future__ import annotations

import re

import pytest

from tieline.model.user import Right
from tieline.studio.layout import menu_html
from tieline.studio.menu import PAGES, Group, PageInfo

KEYS = PageInfo("/keys", "API keys", "vpn_key", Group.CONFIGURE, 10, Right.LOOK)
USERS = PageInfo("/users", "Users & <more>", "group", Group.CONFIGURE, 20, Right.USERS)
USER = PageInfo("/users/{name}", "User", "group", None, 20, Right.USERS)
HOME = PageInfo("/", "Overview", "home", None, 0, Right.LOOK)


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A studio of a few pages."""
    for path in list(PAGES):
        monkeypatch.delitem(PAGES, path)
    for one in (USERS, USER, KEYS, HOME):
        monkeypatch.setitem(PAGES, one.path, one)


def links(menu: str) -> list[tuple[str, bool]]:
    """Addresses in the menu, and whether each is where one is."""
    return [
        (found[1], "aria-current" in found[2])
        for found in re.finditer(r'<a [^>]*href="([^"]*)"([^>]*)>', menu)
    ]


def test_menu_marks_the_page_that_is_looked_at() -> None:
    menu = menu_html(KEYS, lambda right: True)
    assert links(menu) == [("/studio/", False), ("/studio/keys", True), ("/studio/users", False)]
    assert '<div class="tl-menu-group" role="heading" aria-level="2">Configure</div>' in menu


def test_menu_marks_the_entry_that_a_page_belongs_to() -> None:
    assert links(menu_html(USER, lambda right: True))[-1] == ("/studio/users", True)
    assert links(menu_html(HOME, lambda right: True))[0] == ("/studio/", True)


def test_menu_leaves_out_what_one_may_not_see() -> None:
    menu = menu_html(HOME, lambda right: right is not Right.USERS)
    assert links(menu) == [("/studio/", True), ("/studio/keys", False)]
    assert links(menu_html(HOME, lambda right: False)) == [("/studio/", True)]
    assert "Configure" not in menu_html(HOME, lambda right: False)


def test_menu_escapes_titles() -> None:
    assert "<span>Users &amp; &lt;more&gt;</span>" in menu_html(HOME, lambda right: True)
