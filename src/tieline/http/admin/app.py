"""The admin API's routes on an application: who asks, what they ask, and every refusal in one shape.

A key with the scope `admin` is let in. Its account confines it, and its project where it names one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from tieline.admin.app import Admin
from tieline.admin.errors import FieldFault, Forbidden, InvalidFields
from tieline.admin.proxies import TrustedProxies
from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.clock import Clock
from tieline.errors import ConfigurationError, TielineError
from tieline.http.admin.checks import arguments
from tieline.http.admin.declaration import JSON, PREFIX, AdminRoute, Call
from tieline.http.admin.openapi import admin_document
from tieline.http.admin.routes import ROUTES
from tieline.http.admin.shapes import AdminError
from tieline.http.auth import authenticate, key_from_headers
from tieline.http.errors import HttpError, error_response, from_exception, internal_error
from tieline.http.exchange import ClientLeft, correlation_id, read_body
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.model.principal import Principal, PrincipalKind
from tieline.model.project import ApiKey, Scope
from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics

MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request's body: a pool of many numbers is long."""

MAX_TEXT = 1024 * 1024
"""Bytes of a body that is a resource file, which takes longer to read."""

STATUS_OF: dict[type[TielineError], int] = {
    InvalidFields: 422, ConfigurationError: 422, Forbidden: 403, TwilioRefused: 409,
}  # fmt: skip
"""Status by exception class, besides those that all of HTTP shares."""

log = get_logger("http")


def principal_of(key: ApiKey, address: str) -> Principal:
    """The key as somebody who acts. Raises `HttpError` 403 without the scope `admin`.

    It may do everything but see personal data, which takes the scope `conversations:read` too; one that is confined
    to a project has no say over people, who belong to accounts.
    """
    if Scope.ADMIN not in key.scopes:
        raise HttpError(403, "missing_scope", "the API key lacks the scope admin")
    rights = set(Right)
    if Scope.CONVERSATIONS_READ not in key.scopes:
        rights.discard(Right.PERSONAL_DATA)
    if key.project is not None:
        rights.discard(Right.USERS)
    return Principal(
        kind=PrincipalKind.API_KEY, id=key.prefix, name=key.name, rights=frozenset(rights), account=key.account,
        project=key.project, address=address,
    )  # fmt: skip


class AdminApi:
    """The routes over the admin functions."""

    def __init__(
        self,
        admin: Admin,
        directory: Callable[[], Directory],
        clock: Clock,
        uses: CredentialUse,
        metrics: Metrics,
        public_url: str | None = None,
        trusted_proxies: str = "",
    ) -> None:
        self._admin = admin
        self._directory = directory
        self._clock = clock
        self._uses = uses
        self._metrics = metrics
        self._proxies = TrustedProxies(trusted_proxies)
        self._document = msgspec.json.encode(admin_document(ROUTES, public_url))

    def mount(self, app: FastAPI) -> None:
        """Add the routes to an application."""
        for route in ROUTES:
            app.add_api_route(
                route.path, self._answering(route), methods=[route.method], response_model=None,
                include_in_schema=False,
            )  # fmt: skip

        async def document(request: Request) -> Response:
            return self._finish(request, Response(self._document, media_type=JSON))

        app.add_api_route(
            f"{PREFIX}/openapi.json", document, methods=["GET"], response_model=None, include_in_schema=False
        )

    def _answering(self, route: AdminRoute) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return self._finish(request, await self._answer(route, request))

        return answer

    async def _answer(self, route: AdminRoute, request: Request) -> Response:
        try:
            headers = dict(request.scope["headers"])
            call = Call(self._who(request, headers), self._admin)
            body = await read_body(headers, request.receive, MAX_TEXT if route.body is str else MAX_BODY)
            asked = arguments(route, headers, request.query_params, body)
            found = await route.handler(call, **request.path_params, **asked)
        except ClientLeft:
            return Response(status_code=400)
        except (HttpError, TielineError) as error:
            return _refusal(error)
        except Exception:
            log.exception("= admin request failed", route=route.name)
            return _refusal(internal_error())
        return Response(_encode(route.packed(found)), media_type=route.media_type)

    def _who(self, request: Request, headers: Mapping[bytes, bytes]) -> Principal:
        key = authenticate(self._directory(), key_from_headers(headers, bearer=True), self._clock, self._uses)
        peer = request.client.host if request.client else ""
        return principal_of(key, self._proxies.address_of(peer, request.headers))

    def _finish(self, request: Request, response: Response) -> Response:
        response.headers["x-correlation-id"] = correlation_id(dict(request.scope["headers"])).decode()
        response.headers["cache-control"] = "no-store"
        self._metrics.count_request("admin", response.status_code)
        return response


def _encode(found: object) -> bytes:
    """An answer's body. What a peer sent in no known encoding is escaped."""
    if isinstance(found, bytes | str):
        return found if isinstance(found, bytes) else found.encode()
    try:
        return msgspec.json.encode(found, enc_hook=_plain)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(found, enc_hook=_plain)).encode()


def _plain(value: object) -> str:
    """The texts that a YAML file marks as quoted."""
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError


def _refusal(error: HttpError | TielineError) -> Response:
    if isinstance(error, ConfigurationError) and "faults" in error.fields:
        error = _by_line(error)
    faults = error.faults if isinstance(error, InvalidFields) else ()
    if isinstance(error, TielineError):
        status = next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), None)
        error = from_exception(error) if status is None else HttpError(status, error.code, error.message)
    body = msgspec.json.encode(AdminError(error_message=error.message, code=error.code, faults=faults))
    return error_response(error, body)


def _by_line(error: ConfigurationError) -> InvalidFields:
    """The faults of a resource file, which has no name here."""
    found: Any = error.fields["faults"]
    return InvalidFields(
        tuple(FieldFault(one["key"] or "", f"line {one['line']}: {one['message']}") for one in found)
    )
