"""The OpenAPI document, made from the table of routes."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

import tieline
from tieline.http.routes import ROUTES, STATUS_MEANINGS, Route


def _documented(request: Request) -> Response:
    """Stands for a route's handler where only its documentation is wanted."""
    raise NotImplementedError


def openapi_document(public_url: str | None = None) -> dict[str, Any]:
    """The OpenAPI document of every route in the table."""
    routes = [_api_route(route) for route in ROUTES]
    document = get_openapi(
        title="Tieline",
        version=tieline.__version__,
        description="Reserve DNIs, read what calls achieved, watch the server.",
        routes=routes,
        servers=[{"url": public_url}] if public_url else None,
    )
    schemes = {
        "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "BearerAuth": {"type": "http", "scheme": "bearer"},
    }
    document.setdefault("components", {})["securitySchemes"] = schemes
    return document


def _describe(route: Route) -> str:
    scope = f" Needs the scope `{route.scope}`." if route.scope else " Needs no key."
    return f"{route.summary}{scope} Every answer carries `X-Correlation-Id`."


def _api_route(route: Route) -> APIRoute:
    extra: dict[str, Any] = {"parameters": [parameter.openapi() for parameter in route.parameters]}
    if route.scope is not None:
        extra["security"] = [{"ApiKeyAuth": []}, *([{"BearerAuth": []}] if route.bearer else [])]
        extra["x-scope"] = route.scope
    if route.body is not None:
        schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    responses: dict[int | str, dict[str, Any]] = {}
    for status in route.statuses:
        responses[status] = {"description": STATUS_MEANINGS[status], "model": route.error}
    return APIRoute(
        route.path,
        _documented,
        methods=[route.method],
        name=route.name,
        operation_id=route.name,
        summary=route.summary,
        description=_describe(route),
        response_model=route.answer,
        response_description=STATUS_MEANINGS[200],
        responses=responses,
        openapi_extra=extra,
    )
