"""The admin API's routes on an application: who asks, what they ask, and every refusal in one shape.

A key with the scope `admin` is let in. Its account confines it, and its project where it names one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from tieline.admin.app import Admin
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.proxies import TrustedProxies
from tieline.calls.credential_use import CredentialUse
from tieline.calls.directory import Directory
from tieline.clock import Clock
from tieline.errors import ConfigurationError, InvalidInput, TielineError
from tieline.http.admin import calls, people, pools, resources, webhooks
from tieline.http.admin.credentials import credentials
from tieline.http.admin.figures import figures
from tieline.http.admin.handoffs import exposure, handoffs
from tieline.http.admin.openapi import admin_document
from tieline.http.admin.overview import overview
from tieline.http.admin.pool_work import pool_work
from tieline.http.admin.projects import projects
from tieline.http.admin.signature import Noun
from tieline.http.admin.sms import sms
from tieline.http.admin.table import PREFIX, AdminRoute, Asked
from tieline.http.admin.test_calls import test_calls
from tieline.http.admin.trunks import trunks
from tieline.http.admin.twilio import twilio
from tieline.http.admin.webhook_facts import webhook_facts
from tieline.http.auth import authenticate, key_from_headers
from tieline.http.errors import HttpError, from_exception, internal_error
from tieline.http.exchange import ClientLeft, check_json_type, correlation_id, read_body
from tieline.http.json_input import parse_json
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.model.principal import Principal, PrincipalKind
from tieline.model.project import ApiKey, Scope
from tieline.model.user import Right
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics

MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request's body: a pool of many numbers is long."""

DEEPEST = 32
"""How deep a body may be nested."""

NOUNS: tuple[Noun, ...] = (
    overview, projects, handoffs, exposure, pool_work, trunks, credentials, figures, test_calls, twilio, sms,
    webhook_facts,
)  # fmt: skip
"""Those whose routes are written as functions."""

ROUTES: tuple[AdminRoute, ...] = (
    *resources.ROUTES, *pools.ROUTES, *calls.ROUTES, *webhooks.ROUTES, *people.ROUTES,
    *(route for noun in NOUNS for route in noun.routes),
)  # fmt: skip
"""All routes of the admin API, besides its own `openapi.json`."""

log = get_logger("http")


class AdminFault(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    field: str
    message: str


class AdminError(msgspec.Struct, frozen=True):
    """The body of every refusal."""

    error_message: str
    code: str
    faults: tuple[AdminFault, ...] = ()


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
            return self._finish(request, Response(self._document, media_type="application/json"))

        app.add_api_route(
            f"{PREFIX}/openapi.json", document, methods=["GET"], response_model=None, include_in_schema=False
        )

    def _answering(self, route: AdminRoute) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return self._finish(request, await self._answer(route, request))

        return answer

    async def _answer(self, route: AdminRoute, request: Request) -> Response:
        try:
            body = _encode(await route.handle(await self._asked(route, request)))
        except ClientLeft:
            return Response(status_code=400)
        except HttpError as error:
            return _refusal(error)
        except InvalidFields as error:
            return _refusal(HttpError(422, error.code, error.message), error)
        except Forbidden as error:
            return _refusal(HttpError(403, error.code, error.message))
        except ConfigurationError as error:
            return _refusal(HttpError(422, error.code, error.message))
        except TwilioRefused as error:
            return _refusal(HttpError(409, error.code, error.message))
        except TielineError as error:
            return _refusal(from_exception(error))
        except Exception:
            log.exception("= admin request failed", route=route.name)
            return _refusal(internal_error())
        return Response(body, media_type=route.media_type)

    async def _asked(self, route: AdminRoute, request: Request) -> Asked:
        headers = dict(request.scope["headers"])
        key = authenticate(self._directory(), key_from_headers(headers, bearer=True), self._clock, self._uses)
        peer = request.client.host if request.client else ""
        who = principal_of(key, self._proxies.address_of(peer, request.headers))
        raw = await read_body(headers, request.receive, MAX_BODY)
        body: object = {}
        if raw:
            check_json_type(headers)
            body = parse_json(raw)
        if not isinstance(body, dict):
            raise InvalidInput("the body must be a JSON object")
        _check_depth(body)
        if body and route.body is None:
            raise InvalidInput("this request takes no body")
        return Asked(self._admin, who, request.path_params, dict(request.query_params), body)

    def _finish(self, request: Request, response: Response) -> Response:
        response.headers["x-correlation-id"] = correlation_id(dict(request.scope["headers"])).decode()
        response.headers["cache-control"] = "no-store"
        self._metrics.count_request("admin", response.status_code)
        return response


def _check_depth(value: object, depth: int = 0) -> None:
    """Raises `InvalidInput` for what is nested so deep that it cannot be written as a resource file."""
    if depth > DEEPEST:
        raise InvalidInput(f"the body is nested deeper than {DEEPEST}")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _check_depth(one, depth + 1)


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


def _refusal(error: HttpError, fields: InvalidFields | None = None) -> Response:
    faults = () if fields is None else tuple(AdminFault(one.field, one.message) for one in fields.faults)
    body = msgspec.json.encode(AdminError(error.message, error.code, faults))
    response = Response(body, status_code=error.status, media_type="application/json")
    for name, value in error.headers:
        response.headers[name.decode()] = value.decode()
    return response
