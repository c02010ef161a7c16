"""The HTTP API as one ASGI application.

The busiest paths are found by exact path and run on bare ASGI; all others go through FastAPI. Both come from the
table in `tieline.http.routes`, from which the OpenAPI document is made too.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from tieline.errors import TielineError
from tieline.http import errors
from tieline.http.conversations import ConversationRoutes
from tieline.http.errors import HttpError, error_response
from tieline.http.exchange import (
    CLOSE,
    RETRY_AFTER,
    AsgiHandler,
    ClientLeft,
    Receive,
    Scope,
    Send,
    correlation_id,
    send_json,
)
from tieline.http.handoff_state import GetHandoff
from tieline.http.health import LIVE_PATH, HealthRoutes, Live
from tieline.http.openapi import openapi_document
from tieline.http.reservations import ReservationRoutes
from tieline.http.reserve_dni import PATH as RESERVE_PATH
from tieline.http.reserve_dni import ReserveDni
from tieline.http.routes import ROUTES
from tieline.http.routes import Route as ApiRoute
from tieline.http.schemas import HandoffError
from tieline.http.services import Services
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics

Handler = Callable[[Request], Awaitable[Response]]

log = get_logger("http")


class HttpApp:
    """The ASGI application; `hot` maps method and path to the handlers on bare ASGI."""

    def __init__(self, hot: dict[tuple[str, str], AsgiHandler], rest: FastAPI, metrics: Metrics) -> None:
        self.hot = hot
        self.rest = rest
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            handler = self.hot.get((scope["method"], scope["path"]))
            if handler is not None:
                await handler(scope, receive, send)
                return
        await self.rest(scope, receive, send)

    async def full(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on a connection that is one too many. Alive we are all the same."""
        if scope["path"] == LIVE_PATH:
            await self(scope, receive, send)
            return
        error = HttpError(503, "too_many_connections", "there are too many connections", (RETRY_AFTER, CLOSE))
        self.metrics.count_request("other", error.status)
        correlation = correlation_id(dict(scope["headers"]))
        await send_json(send, error.status, errors.reserve_body(error), correlation, error.headers)


def create_app(services: Services) -> HttpApp:
    """The whole HTTP API over `services`."""
    reservations, handoff = ReservationRoutes(services), GetHandoff(services)
    conversations, health = ConversationRoutes(services), HealthRoutes(services)
    handlers: dict[str, Handler] = {
        "list_reservations": reservations.several,
        "get_reservation": reservations.one,
        "release_reservation": reservations.release,
        "get_pool_stats": reservations.pool_stats,
        "get_handoff_state": handoff.by_query,
        "post_handoff": handoff.by_body,
        "list_conversations": conversations.several,
        "get_conversation": conversations.one,
        "ready": health.ready,
        "metrics": health.metrics,
    }
    # A redirect for a slash would name the host that the request named, by plain HTTP: keys would follow it there.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for route in ROUTES:
        if route.name in handlers:
            endpoint = _guarded(services, route, handlers[route.name])
            app.add_api_route(
                route.path, endpoint, methods=[route.method], response_model=None, include_in_schema=False
            )
    document = openapi_document(services.settings.server.public_url)

    async def openapi(request: Request) -> Response:
        return _finish(services, "other", request, JSONResponse(document))

    app.add_api_route("/openapi.json", openapi, methods=["GET"], response_model=None, include_in_schema=False)

    async def not_routed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        message = HTTPStatus(status).phrase.lower()
        allowed = {
            method
            for route in app.routes
            if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
        raw = ((b"allow", ", ".join(sorted(allowed)).encode()),) if allowed else ()
        answer = HttpError(
            status, message.replace(" ", "_"), f"{message}: {request.method} on this path", raw
        )
        return _finish(services, "other", request, error_response(answer, errors.reserve_body(answer)))

    app.add_exception_handler(HTTPException, not_routed)
    hot: dict[tuple[str, str], AsgiHandler] = {
        ("POST", RESERVE_PATH): ReserveDni(services),
        ("GET", LIVE_PATH): Live(services),
    }
    for (
        method,
        path,
    ), handler in hot.items():  # for HEAD, and to say which methods there are
        app.router.routes.append(Route(path, handler, methods=[method]))
    return HttpApp(hot, app, services.metrics)


def _guarded(services: Services, route: ApiRoute, handler: Handler) -> Handler:
    """The handler, with every exception turned into the route's documented error body."""
    body = errors.handoff_body if route.error is HandoffError else errors.reserve_body

    @functools.wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            response = await handler(request)
        except ClientLeft:
            response = Response(status_code=400)
        except HttpError as error:
            response = error_response(error, body(error))
        except TielineError as error:
            answer = errors.from_exception(error)
            response = error_response(answer, body(answer))
        except Exception:
            answer = errors.internal_error()
            response = error_response(answer, body(answer))
            response.headers["x-correlation-id"] = correlation_id(dict(request.scope["headers"])).decode()
            log.exception(
                "= request failed", route=route.name, correlation_id=response.headers["x-correlation-id"]
            )
        return _finish(services, route.label, request, response)

    guarded.__annotations__ = {"request": Request, "return": Response}
    return guarded


def _finish(services: Services, label: str, request: Request, response: Response) -> Response:
    """What every answer gets: a correlation id, and to be counted."""
    if "x-correlation-id" not in response.headers:
        response.headers["x-correlation-id"] = correlation_id(dict(request.scope["headers"])).decode()
    services.metrics.count_request(label, response.status_code)
    return response
