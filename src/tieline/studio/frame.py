"""What every page has: who looks at it, its place in the menu, and how errors are told.

A page is a function decorated with `page`; it is called with the `View` of whoever looks, inside the frame's content
area, and adds its elements there. Its place in the menu follows from the decorator.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import ui

from tieline.admin.app import Admin
from tieline.admin.errors import Forbidden
from tieline.errors import NotFound, TielineError
from tieline.model.principal import Principal
from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.studio.app import StudioServices, services
from tieline.studio.entry.site import SESSION
from tieline.studio.failing import BROKEN
from tieline.studio.layout import Heading, drawn
from tieline.studio.menu import PAGES, Group, PageInfo
from tieline.studio.parts.states import failed, not_allowed, not_there

__all__ = ["PAGES", "Group", "PageInfo", "View", "page", "telling"]

log = get_logger("studio")


@dataclass(frozen=True, slots=True)
class View:
    """Whoever looks at a page, and what the page works with. `heading` has the title row, and room for actions."""

    services: StudioServices
    heading: Heading
    session: str

    @property
    def who(self) -> Principal:
        """Who acts. Asked anew for every act: rights may have changed since the page was opened.

        Raises `SignedOut` when the session that opened the page has ended.
        """
        return self.admin.sessions.who(self.session)

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
            found = services()
            session: str = ui.context.client.request.scope[SESSION]
            who = found.admin.sessions.who(session)
            with drawn(info, who.name, who.may, found.forms.of(session)) as heading:
                await _build(build, View(found, heading, session), info, parameters)

        signature = dict(build.__annotations__)
        signature.pop("view", None)
        shown.__annotations__ = signature
        _drop_first_parameter(shown, build)
        ui.page(path)(shown)
        return build

    return register


async def _build(build: Build, view: View, info: PageInfo, parameters: dict[str, str]) -> None:
    """Let a page add its elements; what it raises is shown as a state of the page."""
    try:
        if not view.may(info.right):
            raise Forbidden(f"this page takes the right {info.right.value!r}", right=info.right)
        await build(view, **parameters)
    except Forbidden as error:
        ui.context.client.status_code = 403
        not_allowed(error.message, givable=error.right is not None)
    except NotFound as error:
        ui.context.client.status_code = 404
        not_there(error.message)
    except TielineError as error:
        failed(error.message)
    except Exception:
        log.exception("a page failed", path=info.path)
        ui.context.client.status_code = 500
        failed(BROKEN)


def _drop_first_parameter(shown: Callable[..., object], build: Build) -> None:
    """Let the web framework see the page's own parameters alone."""
    import inspect

    whole = inspect.signature(build, eval_str=True)
    own = list(whole.parameters.values())[1:]
    shown.__signature__ = whole.replace(parameters=own)  # type: ignore[attr-defined]


@contextmanager
def telling() -> Iterator[None]:
    """Show what is refused within, in words, instead of a traceback; a defect of ours is logged and said so."""
    try:
        yield
    except TielineError as error:
        ui.notify(error.message, type="negative", multi_line=True)
    except Exception:
        log.exception("a page failed")
        ui.notify(BROKEN, type="negative")
