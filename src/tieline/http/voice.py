"""Twilio's voice webhooks and media streams: `/voice/...`. Nothing is done before a webhook's signature is good."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tieline.gateway.twilio_voice import TwilioVoice
from tieline.http.signed_form import SignedForm, SignedForms
from tieline.integrations.twilio import twiml
from tieline.integrations.twilio.media_stream import MAX_MESSAGE
from tieline.observe.metrics import Metrics

WEBHOOKS_TOTAL = "tieline_twilio_webhooks_total"


class VoiceRoutes:
    """The routes over one `TwilioVoice`."""

    def __init__(self, voice: TwilioVoice, forms: SignedForms, metrics: Metrics) -> None:
        self._voice = voice
        self._forms = forms
        self._metrics = metrics

    def mount(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        for name, take in (
            ("call", self._call),
            ("status", self._status),
            ("fallback", self._fallback),
            ("progress", self._progress),
            ("screen", self._screen),
            ("next", self._next),
        ):
            answer = self._forms.guard(name, take, WEBHOOKS_TOTAL)
            app.add_route(f"/voice/{name}", answer, methods=["POST"], include_in_schema=False)
        app.router.routes.append(WebSocketRoute("/voice/stream", self.stream))

    async def _call(self, form: SignedForm) -> str:
        return self._voice.on_call(form.connection, form.fields)

    async def _status(self, form: SignedForm) -> str:
        self._voice.on_status(form.connection, form.fields)
        return twiml.nothing()

    async def _fallback(self, form: SignedForm) -> str:
        return self._voice.on_fallback(form.connection, form.fields)

    async def _progress(self, form: SignedForm) -> str:
        parent = form.query.get("parent", "")
        self._voice.on_progress(form.connection, parent, _attempt(form), form.fields)
        return twiml.nothing()

    async def _screen(self, form: SignedForm) -> str:
        parent, step = form.query.get("parent", ""), form.query.get("step", "")
        return self._voice.on_screen(form.connection, parent, _attempt(form), step, form.fields)

    async def _next(self, form: SignedForm) -> str:
        after = form.query.get("after", "")
        return self._voice.on_next(form.connection, after, _attempt(form), form.fields)

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


def _attempt(form: SignedForm) -> int:
    text = form.query.get("attempt", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
