"""What every page has: who looks at it, its place in the menu, and how errors are told.

A page is a function decorated with `page`; it is called with the `View` of whoever looks, inside the frame's content
area, and adds its elements there. Its place in the menu follows from the decorator.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import background_tasks, ui

from tieline.admin.app import Admin
from tieline.admin.errors import Forbidden
from tieline.errors import NotFound, TielineError
from tieline.model.principal import Principal
from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.studio.app import StudioServices, services
from tieline.studio.entry.site import SESSION
from tieline.studio.layout import Heading, drawn
from tieline.studio.menu import PAGES, Group, PageInfo
from tieline.studio.parts.states import BROKEN, failed, not_allowed, not_there

__all__ = ["PAGES", "Group", "PageInfo", "View", "page", "telling"]

log = get_logger("studio")


@dataclass(frozen=True, slots=True)
class View:
    """Whoever looks at a page, and what the page works with. `heading` has the title row, and room for actions.

    `redraw()` draws the whole page anew after something was changed, in its place and without a navigation.
    """

    services: StudioServices
    heading: Heading
    session: str
    redraw: Callable[[], None]

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
            with drawn(info, who.name, who.may, found.forms.of(session)) as place:
                await _Page(place, build, found, session, info, parameters).draw()

        signature = dict(build.__annotations__)
        signature.pop("view", None)
        shown.__annotations__ = signature
        _drop_first_parameter(shown, build)
        ui.page(path)(shown)
        return build

    return register


class _Page:
    """A page in its place within the frame."""

    def __init__(
        self,
        place: ui.element,
        build: Build,
        found: StudioServices,
        session: str,
        info: PageInfo,
        parameters: dict[str, str],
    ) -> None:
        self._place = place
        self._build = build
        self._services = found
        self._session = session
        self._info = info
        self._parameters = parameters
        # What a plain element has in such a slot is not shown.
        self._aside = place.add_slot("aside")
        self._shown: ui.element | None = None

    async def draw(self) -> None:
        """Draw the page, instead of what is there of it."""
        first = self._shown is None
        with self._place if first else self._aside:
            drawn_now = ui.element("div").classes("tl-page-body")
        with drawn_now:
            view = View(self._services, Heading(self._info.title), self._session, self._redraw)
            await _build(self._build, view, self._info, self._parameters)
        before, self._shown = self._shown, drawn_now
        if before is not None:
            # Both in one message to the browser: nothing flashes, and the page stays where it was scrolled to.
            before.delete()
            drawn_now.move(self._place)
            ui.run_javascript("tieline.refocus()")

    def _redraw(self) -> None:
        background_tasks.create(self.draw(), name="redraw a page", context=self._place)


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
