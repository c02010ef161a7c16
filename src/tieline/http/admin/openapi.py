"""The OpenAPI document of the admin API, made from its routes and the types that they take and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

import tieline
from tieline.http.admin.declaration import JSON, AdminRoute
from tieline.http.admin.shapes import AdminError, Fields

FIELDS = "The fields, as [resource files](resources.md) have them."

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
    kinds = (
        [one.answer for one in routes] + [one.body for one in routes if one.body is not None] + [AdminError]
    )
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    shapes = dict(zip(kinds, schemas, strict=True))
    shapes |= {
        Fields: {"type": "object", "description": FIELDS},
        bytes: {"type": "string", "format": "binary"},
    }
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, shapes)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieline admin API",
            "version": tieline.__version__,
            "description": "What the studio does, for programs with an API key of the scope `admin`.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "BearerAuth": {"type": "http", "scheme": "bearer"},
            },
        },
    }
    if public_url:
        document["servers"] = [{"url": public_url}]
    return document


def properties(kind: Any) -> dict[str, dict[str, Any]]:
    """The members of a query or a body: a schema for each, without references; none of a resource's own fields."""
    if kind in {None, str} or kind == Fields:
        return {}
    schema = msgspec.json.schema(kind)
    found: dict[str, Any] = schema["$defs"][kind.__name__]["properties"]
    return {name: _resolved(one, schema["$defs"]) for name, one in found.items()}


def in_words(one: dict[str, Any]) -> str:
    """What there is to say of a member, from its schema."""
    if "enum" in one:
        kind = "One of " + ", ".join(str(word) for word in one["enum"])
    else:
        kind = str(one.get("format") or one.get("type") or "any").capitalize()
    bounds = [
        f"{words} {one[key]}"
        for key, words in (("minimum", "at least"), ("maximum", "at most"))
        if key in one
    ]
    return f"{one.get('description', '')} {', '.join([kind, *bounds])}.".lstrip()


def _operation(one: AdminRoute, shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"{one.summary} Takes the right `{one.right}`.",
        "security": [{"ApiKeyAuth": []}, {"BearerAuth": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in one.parts
        ] + [
            {
                "name": name, "in": "query", "description": in_words(schema), "required": "default" not in schema,
                "schema": schema,
            }
            for name, schema in properties(one.query).items()
        ],
        "responses": {
            "200": _content("Done.", one.media_type, shapes[one.answer]),
            **{str(status): _content(words, JSON, shapes[AdminError]) for status, words in STATUSES.items()},
        },
    }  # fmt: skip
    if one.body is not None:
        media_type = "application/yaml" if one.body is str else JSON
        made["requestBody"] = {"content": {media_type: {"schema": shapes[one.body]}}}
    return made


def _content(words: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {media_type: {"schema": schema}}}


def _resolved(one: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """A schema without references and without the null that stands for what is left out."""
    outer = {key: value for key, value in one.items() if key not in {"anyOf", "$ref"}}
    for inner in one.get("anyOf", ()):
        if inner.get("type") != "null":
            return {**_resolved(inner, defined), **outer}
    if "$ref" in one:
        return {**defined[one["$ref"].rsplit("/", 1)[1]], **outer}
    return one
