"""Twilio's webhooks: a form within a size limit, with a good `X-Twilio-Signature`, answered by TwiML.

They are no part of the API for clients: docs/reference/twilio.md has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from tieline.errors import InvalidInput, TielineError
from tieline.http.errors import HttpError, error_response, internal_error
from tieline.http.exchange import ClientLeft, read_body
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

log = get_logger("twilio")


@dataclass(frozen=True, slots=True)
class SignedForm:
    """One webhook: the connection whose account has signed it, its fields, and the query that we gave its URL."""

    connection: TwilioConnection
    fields: Form
    query: QueryParams


Take = Callable[[SignedForm], Awaitable[str]]
"""From a webhook to the TwiML that answers it."""


class SignedForms:
    """Lets through what Twilio has signed. `public_url` is what it has signed, where a proxy stands between."""

    def __init__(
        self, connections: Callable[[], Sequence[TwilioConnection]], public_url: str | None, metrics: Metrics
    ) -> None:
        self._connections = connections
        self._public_url = public_url
        self._metrics = metrics

    def guard(self, name: str, take: Take, metric: str) -> Callable[[Request], Awaitable[Response]]:
        """What answers the webhook `name`, which `metric` counts: `take` where the signature is good, else 403."""

        def refuse(error: HttpError, result: str = "refused") -> Response:
            self._metrics.inc(metric, name, result)
            return error_response(error, error.message, "text/plain")

        async def answer(request: Request) -> Response:
            path = request.url.path
            try:
                text = await take(await self._read(request))
            except ClientLeft:
                return Response(status_code=400)
            except NotFromTwilio as error:
                log.warning("a webhook was refused", webhook=path, why=error.detail)
                return refuse(HttpError(403, error.code, error.message))
            except HttpError as error:
                return refuse(error)
            except TielineError as error:
                log.warning("a webhook cannot be taken", webhook=path, why=error.message)
                return refuse(HttpError(400, error.code, error.message), "failed")
            except Exception:
                # Told so, Twilio tries its fall-back URL, and shows the failure in its console.
                log.exception("a webhook failed", webhook=path)
                return refuse(internal_error(), "failed")
            self._metrics.inc(metric, name, "taken")
            return Response(text, media_type="text/xml")

        return answer

    async def _read(self, request: Request) -> SignedForm:
        """Raises `NotFromTwilio`, `InvalidInput`, and `HttpError` 413 for a body that is too large."""
        body = await read_body(dict(request.scope["headers"]), request.receive, MAX_BODY)
        url = public_request_url(self._public_url, str(request.url))
        signature = request.headers.get(SIGNATURE_HEADER)
        if not signature:
            raise NotFromTwilio("no X-Twilio-Signature")
        connections, query = tuple(self._connections()), request.query_params
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in {"application/x-www-form-urlencoded", ""}:
            fields = read_form(body)
            return SignedForm(check_signature(connections, url, fields, signature), fields, query)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InvalidInput("the body is not UTF-8") from None
        connection = check_signature(connections, url, Form(()), signature, body=text)
        return SignedForm(connection, Form(query.multi_items()), query)
