"""The pages that there are and their places in the menu."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tieline.model.user import Right


class Group(StrEnum):
    """The groups of the menu, in their order."""

    BUILD = "Build"
    TELEPHONY = "Telephony"
    ANALYZE = "Analyze"
    CONFIGURE = "Configure"


@dataclass(frozen=True, slots=True)
class PageInfo:
    """One page: its path below the studio's, title, icon, place in the menu and the right that it takes."""

    path: str
    title: str
    icon: str
    group: Group | None
    order: int
    right: Right


PAGES: dict[str, PageInfo] = {}
"""All pages by path; those with a group are in the menu."""


def menu_of(group: Group) -> list[PageInfo]:
    """The pages of a group, in their order."""
    return sorted((page for page in PAGES.values() if page.group is group), key=lambda page: page.order)


def menu_path(path: str) -> str:
    """The menu's entry that a page belongs to: the longest one that its path begins with, or the first page."""
    within = [
        page.path
        for page in PAGES.values()
        if page.group is not None and (path == page.path or path.startswith(f"{page.path.rstrip('/')}/"))
    ]
    return max(within, key=len, default="/" if path == "/" else "")
