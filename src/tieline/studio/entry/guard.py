"""The door of the studio: nothing of it, no page, no file and no socket, without a session.

Bare ASGI around NiceGUI's application. Open are only the pages by which one signs in. What comes from a page of
another site is refused, sockets end with the session that opened them, and every answer has headers that keep
browsers from talking to anybody else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieline.admin.sessions import Sessions
from tieline.studio.app import StudioServices, services
from tieline.studio.entry.site import SESSION, Site

OPEN_PATHS = frozenset({"/sign-in", "/welcome", "/join"})
"""What is served without a session."""

SOCKET_PATH = "/_nicegui_ws/"

MAX_BODY = 10 << 20
"""Bytes of one request: a file of the largest that pages take, and what a form puts around it."""

HEADERS: dict[str, str] = {
    # NiceGUI's pages hold their program inline, and Vue makes functions of templates: hence the two `unsafe-`.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; connect-src 'self'; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), payment=(), usb=(), microphone=(self)",
}
"""What every answer of the studio carries, unless it brings its own. No host but ours is named."""

RELOAD = '42["run_javascript",{"code":"window.location.reload()"}]'
"""What a page is told as its session ends, in the words of Socket.IO: without one it becomes the sign-in page."""

ACT = re.compile(r'42\d*\["event"')
"""How a message begins that somebody's click or key makes the page send."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, found: Callable[[], StudioServices] = services) -> None:
        self._app = app
        self._services = found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request or a socket in, or refuse it."""
        if scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection, path = HTTPConnection(scope), _path(scope)
        site = self._services().site
        if scope["method"] not in _READING and not _is_ours(site, connection, needed=False):
            await PlainTextResponse("refused: sent by another site", 403)(scope, receive, send)
            return
        if path.startswith(SOCKET_PATH):
            await PlainTextResponse("only by WebSocket", 403)(scope, receive, send)
            return
        session = await self._session(site, connection)
        if session is None and path not in OPEN_PATHS:
            await _refusal(scope, path)(scope, receive, send)
            return
        if (declared := connection.headers.get("content-length", "")).isdigit() and int(declared) > MAX_BODY:
            await PlainTextResponse("too large", 413, {"connection": "close"})(scope, receive, send)
            return
        scope[SESSION] = session
        await self._app(scope, _bounded(receive), send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A socket: only from our pages, and only as long as the session lasts."""
        connection, site = HTTPConnection(scope), self._services().site
        session = None
        if _is_ours(site, connection, needed=True):
            session = await self._session(site, connection)
        if session is None:
            await receive()
            await send({"type": "websocket.close", "code": 4403})  # before it was accepted: HTTP's 403
            return
        scope[SESSION] = session
        await _Socket(self._services().admin.sessions, session, receive, send).run(self._app, scope)

    async def _session(self, site: Site, connection: HTTPConnection) -> str | None:
        token = connection.cookies.get(site.cookie)
        if not token:
            return None
        return await self._services().admin.sessions.find(token, visitor_address(site, connection))


class _Socket:
    """One socket of a session, cut when the session ends."""

    def __init__(self, sessions: Sessions, session: str, receive: Receive, send: Send) -> None:
        self._sessions = sessions
        self._session = session
        self._receive = receive
        self._send = send
        self._over = asyncio.Event()
        self._accepted = False
        self._reading: asyncio.Task[Message] | None = None
        self._waiting: asyncio.Task[bool] | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Serve it to its end."""
        release = self._sessions.watch(self._session, self._over.set)
        self._waiting = asyncio.create_task(self._over.wait(), name="studio session's end")
        try:
            await app(scope, self._heard, self._said)
        finally:
            release()
            for task in (self._reading, self._waiting):
                if task is not None:
                    task.cancel()

    async def _heard(self) -> Message:
        """The next message, or the end of the socket when the session has ended."""
        assert self._waiting is not None
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._receive())
        await asyncio.wait({self._reading, self._waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._over.is_set():
            if self._accepted:
                await self._send({"type": "websocket.send", "text": RELOAD})
            await self._send({"type": "websocket.close", "code": 4401})
            return {"type": "websocket.disconnect", "code": 4401}
        message, self._reading = self._reading.result(), None
        text = message.get("text")
        if text and ACT.match(text):
            self._sessions.used(self._session)
        return message

    async def _said(self, message: Message) -> None:
        self._accepted = self._accepted or message["type"] == "websocket.accept"
        if not self._over.is_set():
            await self._send(message)


def visitor_address(site: Site, connection: HTTPConnection) -> str:
    """Where a request comes from."""
    peer = connection.client.host if connection.client is not None else ""
    return site.address_of(peer, connection.headers)


def _is_ours(site: Site, connection: HTTPConnection, *, needed: bool) -> bool:
    """Whether a page of ours sent it. Browsers always say so of sockets; older ones not of every form."""
    headers: Mapping[str, str] = connection.headers
    origin = headers.get("origin")
    if origin is None:
        return not needed and headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    scheme = "https" if connection.scope["scheme"] in {"https", "wss"} else "http"
    return site.is_own_origin(origin, headers.get("host", ""), scheme)


def _refusal(scope: Scope, path: str) -> PlainTextResponse | RedirectResponse:
    """To sign in, for whoever opens a page; plainly no for what pages fetch."""
    headers = HTTPConnection(scope).headers
    if scope["method"] in {"GET", "HEAD"} and "text/html" in headers.get("accept", ""):
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = f"{path}?{query}" if query else path
        target = f"{scope.get('root_path', '')}/sign-in"
        if wanted != "/":
            target += f"?next={quote(wanted, safe='/')}"
        return RedirectResponse(target, 303, {"cache-control": "no-store"})
    return PlainTextResponse("sign in first", 401, {"cache-control": "no-store"})


def _path(scope: Scope) -> str:
    """The path below the studio's own."""
    path, root = scope["path"], scope.get("root_path", "")
    return (path.removeprefix(root) if root else path) or "/"


def _bounded(receive: Receive) -> Receive:
    """The body up to `MAX_BODY`: files are kept on the disk as they come in, whatever their length was said to be."""
    left = MAX_BODY

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, headers={"connection": "close"})
        return message

    return received


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in there
            ]
            message = {**message, "headers": headers}
        await send(message)

    return sent
