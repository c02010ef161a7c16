"""Our OpenAPI document keeps every promise of the published ones, and our answers keep ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.http.published import KEY_SCHEME, PUBLISHED, Operation
from tieline.http.openapi import openapi_document
from tieline.http.routes import ROUTES

DOCUMENT = openapi_document()


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return found
    return schema


def types_of(schema: dict[str, Any]) -> set[str]:
    schema = resolve(schema)
    if "anyOf" in schema:
        return set().union(*(types_of(one) for one in schema["anyOf"]))
    return {schema["type"]}


def json_schema(content: dict[str, Any]) -> dict[str, Any]:
    return resolve(content["content"]["application/json"]["schema"])


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.path)
def test_published_operation_is_kept(published: Operation) -> None:
    ours = DOCUMENT["paths"][published.path][published.method]
    assert {str(status) for status in published.statuses} <= ours["responses"].keys()
    answer = json_schema(ours["responses"]["200"])
    for name, kind in published.answer.items():
        assert kind in types_of(answer["properties"][name])
    assert published.answer_required <= set(answer["required"])
    for status in published.statuses - {200}:
        error = json_schema(ours["responses"][str(status)])
        for name, kind in published.error.items():
            assert types_of(error["properties"][name]) == {kind}
    parameters = {(one["name"], one["in"], one["required"]) for one in ours["parameters"]}
    assert published.parameters <= parameters
    assert not any(required for name, place, required in parameters - published.parameters)
    if published.body:
        body = json_schema(ours["requestBody"])
        for name, kind in published.body.items():
            assert types_of(body["properties"][name]) == {kind}
        assert set(body["required"]) == published.body_required
    assert {"ApiKeyAuth": []} in ours["security"]


def test_key_scheme() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["ApiKeyAuth"] == KEY_SCHEME


def test_every_route_is_documented() -> None:
    documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert documented == {(route.method, route.path) for route in ROUTES}


def test_every_field_has_a_description() -> None:
    missing = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, one in schema.get("properties", {}).items()
        if "description" not in one
    ]
    assert missing == []


def test_every_named_schema_exists() -> None:
    def refs(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"].rsplit("/", 1)[1]} if "$ref" in value else set()
            return own.union(*(refs(one) for one in value.values()))
        if isinstance(value, list):
            return set().union(*(refs(one) for one in value))
        return set()

    assert refs(DOCUMENT) <= DOCUMENT["components"]["schemas"].keys()
