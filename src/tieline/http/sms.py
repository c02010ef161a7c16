"""Twilio's webhooks of text messages: `/sms/inbound` and `/sms/status`. Without a good signature nothing is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from tieline.errors import TielineError
from tieline.http.errors import HttpError
from tieline.http.exchange import ClientLeft
from tieline.http.voice import signed_form
from tieline.integrations.twilio.signature import Form, NotFromTwilio
from tieline.integrations.twilio.sms import reply
from tieline.messaging.inbox import SmsInbox
from tieline.messaging.sender import MESSAGE_PARAMETER, STATUS_PATH
from tieline.model.twilio import TwilioConnection
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics

INBOUND_PATH = "/sms/inbound"

Handle = Callable[[TwilioConnection, Form, Request], Awaitable[str]]

log = get_logger("sms")


class SmsRoutes:
    """The routes over one `SmsInbox`."""

    def __init__(
        self,
        inbox: SmsInbox,
        metrics: Metrics,
        connections: Callable[[], Sequence[TwilioConnection]],
        public_url: str | None,
    ) -> None:
        self._inbox = inbox
        self._metrics = metrics
        self._connections = connections
        self._public_url = public_url

    def mount(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        handlers: dict[str, tuple[str, Handle]] = {
            "inbound": (INBOUND_PATH, self._message),
            "status": (STATUS_PATH, self._status),
        }
        for name, (path, handle) in handlers.items():
            app.add_route(path, self._guarded(name, handle), methods=["POST"], include_in_schema=False)

    async def _message(self, connection: TwilioConnection, form: Form, _request: Request) -> str:
        return reply(await self._inbox.take_message(connection, form))

    async def _status(self, connection: TwilioConnection, form: Form, request: Request) -> str:
        await self._inbox.take_status(connection, form, request.query_params.get(MESSAGE_PARAMETER))
        return reply(None)

    def _guarded(self, name: str, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                connection, form = await signed_form(request, tuple(self._connections()), self._public_url)
                text = await handle(connection, form, request)
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
            except Exception:
                # Told so, Twilio tries its fall-back URL, and shows the failure in its console.
                self._count(name, "failed")
                log.exception("a webhook failed", webhook=name)
                return _plain(500, "this failed inside Tieline")
            self._count(name, "taken")
            return Response(text, media_type="text/xml")

        return answer

    def _count(self, name: str, result: str) -> None:
        self._metrics.inc("tieline_sms_webhooks_total", name, result)


def _plain(status: int, text: str) -> Response:
    return Response(text, status_code=status, media_type="text/plain")
