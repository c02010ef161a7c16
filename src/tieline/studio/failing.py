"""What is shown instead of a page that is not there, or that could not be made."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from nicegui import Client, core, ui
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.studio.app import services
from tieline.studio.entry.plain_page import plain_page
from tieline.studio.entry.site import SESSION
from tieline.studio.layout import THEME_COOKIE, Heading, drawn
from tieline.studio.menu import PageInfo
from tieline.studio.parts.states import BROKEN, failed, not_there

NOT_THERE = "there is no page at this address: it may have a slip in it, or what it was about is gone"
INTERNAL = "/_nicegui/"
"""Below it are files that pages fetch, no pages."""

log = get_logger("studio")


def add_pages(app: FastAPI) -> None:
    """Answer in our own looks what NiceGUI would answer in its."""
    app.add_exception_handler(404, unknown)
    app.add_exception_handler(405, unknown)
    app.add_exception_handler(Exception, broken)
    core.app.on_page_exception(page_failed)


async def unknown(request: Request, error: Exception) -> Response:
    """Nothing is at this address, or nothing to be looked at."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    session = request.scope.get(SESSION)
    if session is None or not _is_for_a_page(request):
        headers = getattr(error, "headers", None)
        return PlainTextResponse("not found" if status == 404 else "not this way", status, headers)
    with Client(ui.page(""), request=request) as client:
        _framed(session, "Not found", lambda: not_there(NOT_THERE))
    return client.build_response(request, 404)


async def broken(request: Request, error: Exception) -> Response:
    """A defect of ours, where no page is being drawn."""
    log.error("a request of the studio failed", path=request.url.path, exc_info=error)
    if not _is_for_a_page(request):
        return PlainTextResponse("internal error", 500)
    return broken_page(f"{request.scope.get('root_path', '')}/", request.cookies.get(THEME_COOKIE, ""))


def broken_page(back: str, theme: str = "") -> Response:
    """What stands alone: whatever draws the frame may be what has failed."""
    return plain_page("This did not work", BROKEN, status=500, link=(back, "To the overview"), theme=theme)


def page_failed(_: Exception) -> None:
    """A page could not even be begun; NiceGUI keeps a client ready for what is shown instead, and logs the error."""
    session = ui.context.client.request.scope[SESSION]
    _framed(session, "This did not work", lambda: failed(BROKEN))


def _framed(session: str, title: str, content: Callable[[], None]) -> None:
    found = services()
    info = PageInfo("", title, "error_outline", None, 0, Right.LOOK)
    who = found.admin.sessions.who(session)
    with drawn(info, who.name, who.may, found.forms.of(session)):
        Heading(title)
        content()


def _is_for_a_page(request: Request) -> bool:
    """Whether somebody's browser opens the address, and not a page something that it needs."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    wants = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", "")
    return wants and not path.startswith(INTERNAL)
