"""The OpenAPI document of the admin API, made from its table of routes and the types that are answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

import tieline
from tieline.http.admin.table import AdminRoute

ERROR = {
    "type": "object",
    "required": ["error_message", "code", "faults"],
    "properties": {
        "error_message": {"type": "string", "description": "What is wrong, in words."},
        "code": {"type": "string", "description": "The same for programs."},
        "faults": {
            "type": "array",
            "description": "What is wrong with each field, where that is known.",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
STATUSES = {
    400: "The request is malformed.",
    401: "The API key is missing, wrong or expired.",
    403: "The API key lacks the scope `admin` or a right, or the thing is another account's.",
    404: "There is no such thing, as far as this key may know.",
    409: "The thing is in a state, or has a name, that forbids this.",
    413: "The body is too large.",
    415: "The body is not plain JSON in UTF-8.",
    422: "Fields are wrong; `faults` names each.",
    500: "A defect of the server; its log has the correlation id.",
    503: "Not now; `Retry-After` says when.",
}


def admin_document(routes: Sequence[AdminRoute], public_url: str | None = None) -> dict[str, Any]:
    """The whole document."""
    kinds: dict[tuple[str, str], Any] = {
        ("answer", one.name): one.answer for one in routes if one.answer not in {None, str, bytes}
    }
    kinds |= {("body", one.name): one.takes for one in routes if one.takes is not None}
    schemas, components = msgspec.json.schema_components(
        kinds.values(), ref_template="#/components/schemas/{name}"
    )
    by_name = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, by_name)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieline admin API",
            "version": tieline.__version__,
            "description": "What the studio does, for programs with an API key of the scope `admin`.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "AdminError": ERROR},
            "securitySchemes": {
                "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "BearerAuth": {"type": "http", "scheme": "bearer"},
            },
        },
    }
    if public_url:
        document["servers"] = [{"url": public_url}]
    return document


def _operation(one: AdminRoute, shapes: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    shown = shapes.get(("answer", one.name)) or {
        "type": "string",
        **({"format": "binary"} if one.answer is bytes else {}),
    }
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"{one.summary} Takes the right `{one.right}`.",
        "security": [{"ApiKeyAuth": []}, {"BearerAuth": []}],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"\{(\w+)\}", one.path)
            ),
            *(
                {
                    "name": each.name,
                    "in": "query",
                    "description": each.description,
                    "schema": {"type": each.kind},
                }
                for each in one.parameters
            ),
        ],
        "responses": {
            "200": {"description": "Done.", "content": {one.media_type: {"schema": shown}}},
            **{str(status): _refusal(words) for status, words in STATUSES.items()},
        },
    }
    if one.body is not None:
        made["requestBody"] = {
            "content": {"application/json": {"schema": shapes.get(("body", one.name)) or _body(one.body)}}
        }
    return made


def _refusal(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/AdminError"}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _body(members: Any) -> dict[str, Any]:
    if set(members) == {"..."}:
        return {"type": "object", "description": members["..."]}
    return {"type": "object", "properties": {name: {"description": about} for name, about in members.items()}}
