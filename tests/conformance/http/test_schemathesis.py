"""Generated requests against the real app: every answer is one that the document describes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.http.world import ADMIN_KEY, RESOURCES
from tieline.calls.directory import Directory
from tieline.calls.outcomes import Outcomes
from tieline.calls.reservations import Reservations
from tieline.config import Settings
from tieline.http.app import create_app
from tieline.http.openapi import openapi_document
from tieline.http.services import Health, Services
from tieline.observe.metrics import Metrics
from tieline.store.memory import MemoryStore
from tieline.testing.clock import FakeClock

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def build_app() -> Any:
    """The app on its own event loop per request: the memory store needs none of its own."""
    clock, store, directory = FakeClock(), MemoryStore(), Directory(RESOURCES)
    asyncio.run(store.apply(lambda _: RESOURCES, clock.utc()))
    return create_app(
        Services(
            reservations=Reservations(store, directory, clock),
            outcomes=Outcomes(store),
            conversations=store,
            directory=directory,
            health=Health(),
            metrics=Metrics(process=False),
            clock=clock,
            settings=Settings(),
        )
    )


schema = schemathesis.openapi.from_dict(openapi_document())
schema.app = build_app()


@schema.exclude(path="/metrics").parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(case: Any) -> None:
    case.headers = {**(case.headers or {}), "x-api-key": ADMIN_KEY}
    if "wait" in (case.query or {}):
        case.query["wait"] = "0"
    case.call_and_validate(checks=CHECKS)


@pytest.mark.parametrize("path", ["/metrics", "/health/live"])
def test_left_out_routes_exist(path: str) -> None:
    assert path in openapi_document()["paths"]
