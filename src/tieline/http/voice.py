"""Twilio's webhooks and media streams: `/voice/...`. Nothing is read of a request before its signature is good.

They are no part of the API for clients: docs/reference/twilio.md has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tieline.errors import InvalidInput, TielineError
from tieline.gateway.twilio_voice import TwilioVoice
from tieline.http.errors import HttpError
from tieline.http.exchange import ClientLeft, read_body
from tieline.integrations.twilio import twiml
from tieline.integrations.twilio.media_stream import MAX_MESSAGE
from tieline.integrations.twilio.signature import (
    SIGNATURE_HEADER,
    Form,
    NotFromTwilio,
    check_signature,
    public_request_url,
    read_form,
)
from tieline.model.twilio import TwilioConnection
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics

MAX_BODY = 65536
"""Bytes of one webhook."""

Handle = Callable[[TwilioConnection, Form, Request], str]

log = get_logger("twilio")


async def signed_form(
    request: Request, connections: tuple[TwilioConnection, ...], public_url: str | None
) -> tuple[TwilioConnection, Form]:
    """The connection that a webhook is of, and its fields.

    Raises `NotFromTwilio`, `InvalidInput`, and `HttpError` 413 for a body that is too large.
    """
    headers = dict(request.scope["headers"])
    body = await read_body(headers, request.receive, MAX_BODY)
    url = public_request_url(public_url, str(request.url))
    signature = request.headers.get(SIGNATURE_HEADER)
    if not signature:
        raise NotFromTwilio("no X-Twilio-Signature")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-www-form-urlencoded", ""}:
        form = read_form(body)
        return check_signature(connections, url, form, signature), form
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8") from None
    form = Form(request.query_params.multi_items())
    return check_signature(connections, url, Form(()), signature, body=text), form


class VoiceRoutes:
    """The routes over one `TwilioVoice`. `public_url` is what Twilio has signed, where a proxy stands between."""

    def __init__(self, voice: TwilioVoice, metrics: Metrics, public_url: Callable[[], str | None]) -> None:
        self._voice = voice
        self._metrics = metrics
        self._public_url = public_url

    def mount(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        handlers: dict[str, Handle] = {
            "call": lambda connection, form, _: self._voice.on_call(connection, form),
            "status": self._status,
            "fallback": lambda connection, form, _: self._voice.on_fallback(connection, form),
            "progress": self._progress,
            "screen": self._screen,
            "next": lambda connection, form, request: self._voice.on_next(
                connection, request.query_params.get("after", ""), _attempt(request), form
            ),
        }
        for name, handle in handlers.items():
            app.add_route(
                f"/voice/{name}", self._guarded(name, handle), methods=["POST"], include_in_schema=False
            )
        app.router.routes.append(WebSocketRoute("/voice/stream", self.stream))

    def _status(self, connection: TwilioConnection, form: Form, request: Request) -> str:
        self._voice.on_status(connection, form)
        return twiml.nothing()

    def _progress(self, connection: TwilioConnection, form: Form, request: Request) -> str:
        parent = request.query_params.get("parent", "")
        self._voice.on_progress(connection, parent, _attempt(request), form)
        return twiml.nothing()

    def _screen(self, connection: TwilioConnection, form: Form, request: Request) -> str:
        query = request.query_params
        parent, step = query.get("parent", ""), query.get("step", "")
        return self._voice.on_screen(connection, parent, _attempt(request), step, form)

    def _guarded(self, name: str, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                connection, form = await signed_form(request, self._voice.connections, self._public_url())
                text = handle(connection, form, request)
            except NotFromTwilio as error:
                self._count(name, "refused")
                log.warning("a webhook was refused", webhook=name, why=error.detail)
                return _plain(403, error.message)
            except HttpError as error:
                self._count(name, "refused")
                return _plain(error.status, error.message)
            except ClientLeft:
                return Response(status_code=400)
            except TielineError as error:
                self._count(name, "failed")
                log.warning("a webhook cannot be taken", webhook=name, why=error.message)
                return _plain(400, error.message)
            self._count(name, "taken")
            return Response(text, media_type="text/xml")

        return answer

    def _count(self, name: str, result: str) -> None:
        self._metrics.inc("tieline_twilio_webhooks_total", name, result)

    async def stream(self, socket: WebSocket) -> None:
        """`/voice/stream`: a media stream. Its token comes in its first message; a browser's socket is none."""
        if "origin" in socket.headers:
            await socket.close(1008)
            return
        await socket.accept()
        ended = await self._voice.carry(_Socket(socket))
        self._metrics.inc("tieline_twilio_streams_total", ended)


class _Socket:
    """A WebSocket as `tieline.gateway.twilio_wire.StreamSocket` has it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        """The next message; None at the end."""
        try:
            message = await self._socket.receive()
        except (RuntimeError, WebSocketDisconnect):
            return None
        if message["type"] != "websocket.receive":
            return None
        text: str | bytes = message.get("text") or message.get("bytes") or ""
        return text[: MAX_MESSAGE + 1]

    async def send(self, text: str) -> None:
        """Send, or do nothing once it is closed."""
        try:
            await self._socket.send_text(text)
        except (RuntimeError, WebSocketDisconnect):
            return

    async def close(self) -> None:
        """Close it."""
        if self._socket.application_state is not WebSocketState.DISCONNECTED:
            try:
                await self._socket.close()
            except (RuntimeError, WebSocketDisconnect):
                return


def _attempt(request: Request) -> int:
    text = request.query_params.get("attempt", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _plain(status: int, text: str) -> Response:
    return Response(text, status_code=status, media_type="text/plain")
