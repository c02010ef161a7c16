"""Which endpoint gets which event: by account, project and type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tieline.model.facts import event, pool_exhausted
from tieline.model.trunk import Trunk
from tieline.model.webhook import EventType, WebhookEndpoint
from tieline.model.webhook_payloads import TrialPayload
from tieline.webhooks.routes import accounts_told, endpoints_of, wanted_types

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FULL = pool_exhausted("p", "x", "a", NOW, 1.0)


def endpoint(name: str = "e", **fields: Any) -> WebhookEndpoint:
    return WebhookEndpoint(
        **({"name": name, "account": "a", "url": "https://example.com", "secret": "s"} | fields)
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, True),
        ({"project": "x"}, True),
        ({"project": "y"}, False),
        ({"account": "b"}, False),
        ({"disabled": True}, False),
        ({"events": (EventType.POOL_EXHAUSTED,)}, True),
        ({"events": (EventType.CALL_ENDED,)}, False),
    ],
)
def test_an_event_goes_to_those_who_may_have_it_and_want_it(fields: dict[str, Any], told: bool) -> None:
    assert endpoints_of(FULL, [endpoint(**fields)]) == (("e",) if told else ())


def test_an_event_of_no_project_goes_to_whole_accounts() -> None:
    lost = event(EventType.TRUNK_DOWN, NOW, "a", None, "t", TrialPayload(endpoint="", by=""))
    assert endpoints_of(lost, [endpoint("one"), endpoint("two", project="x")]) == ("one",)


def test_tests_go_nowhere_by_themselves() -> None:
    trial = event(EventType.TEST, NOW, "a", None, "t", TrialPayload(endpoint="", by=""))
    assert endpoints_of(trial, [endpoint(), endpoint("f", events=(EventType.TEST,))]) == ()


def test_only_what_is_wanted_is_written() -> None:
    assert wanted_types([]) == frozenset()
    assert wanted_types([endpoint()]) == frozenset(EventType) - {EventType.TEST}
    chosen = [
        endpoint(events=(EventType.CALL_ENDED,)),
        endpoint(events=(EventType.CALL_STARTED,), disabled=True),
    ]
    assert wanted_types(chosen) == {EventType.CALL_ENDED}


def test_a_trunk_of_all_accounts_is_told_to_each_that_wants_it() -> None:
    endpoints = [
        endpoint(),
        endpoint("f"),
        endpoint("g", account="b"),
        endpoint("h", account="c", disabled=True),
    ]
    told = {
        account: accounts_told(Trunk(name="t", networks=(), account=account), EventType.TRUNK_DOWN, endpoints)
        for account in (None, "a", "c")
    }
    assert told == {None: ("a", "b"), "a": ("a",), "c": ()}
