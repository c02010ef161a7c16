"""What every page has: who looks at it, the menu and the header, and how errors are told.

A page is a function decorated with `page`; it is called with the `View` of whoever looks, inside the frame's content
area, and adds its elements there. Its place in the menu follows from the decorator.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from nicegui import ui

from tieline.admin.app import Admin
from tieline.errors import TielineError
from tieline.model.principal import COMMAND_LINE, Principal
from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.studio.app import StudioServices, services

log = get_logger("studio")


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


@dataclass(frozen=True, slots=True)
class View:
    """Whoever looks at a page, and what the page works with."""

    services: StudioServices

    @property
    def who(self) -> Principal:
        """Who acts. Asked anew for every act: rights may have changed since the page was opened."""
        return COMMAND_LINE

    @property
    def admin(self) -> Admin:
        """The admin functions."""
        return self.services.admin

    def may(self, right: Right) -> bool:
        """Whether they have the right."""
        return self.who.may(right)


Build = Callable[..., Awaitable[None]]


def page(
    path: str,
    title: str,
    *,
    icon: str,
    group: Group | None = None,
    order: int = 50,
    right: Right = Right.LOOK,
) -> Callable[[Build], Build]:
    """Make a coroutine a page: called with the `View`, then with what the path's `{parameters}` and the query name."""

    def register(build: Build) -> Build:
        info = PageInfo(path, title, icon, group, order, right)
        PAGES[path] = info

        @functools.wraps(build)
        async def shown(**parameters: str) -> None:
            view = View(services())
            with frame(view, info), telling():
                await build(view, **parameters)

        signature = dict(build.__annotations__)
        signature.pop("view", None)
        shown.__annotations__ = signature
        _drop_first_parameter(shown, build)
        ui.page(path)(shown)
        return build

    return register


def _drop_first_parameter(shown: Callable[..., object], build: Build) -> None:
    """Let the web framework see the page's own parameters alone."""
    import inspect

    whole = inspect.signature(build, eval_str=True)
    own = list(whole.parameters.values())[1:]
    shown.__signature__ = whole.replace(parameters=own)  # type: ignore[attr-defined]


@contextmanager
def frame(view: View, info: PageInfo) -> Iterator[None]:
    """The header, the menu and the content area."""
    ui.page_title(f"{info.title} · Tieline")
    with ui.header():
        ui.label("Tieline")
    with ui.left_drawer():
        for group in Group:
            ui.label(group.value)
            for one in sorted(PAGES.values(), key=lambda page: page.order):
                if one.group is group and view.may(one.right):
                    ui.link(one.title, one.path)
    with ui.column():
        ui.label(info.title)
        yield


@contextmanager
def telling() -> Iterator[None]:
    """Show what is refused within, in words, instead of a traceback; a defect of ours is logged and said so."""
    try:
        yield
    except TielineError as error:
        ui.notify(error.message, type="negative", multi_line=True)
    except Exception:
        log.exception("a page failed")
        ui.notify("This failed inside Tieline; the server's log says more.", type="negative")
