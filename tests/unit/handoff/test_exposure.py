"""What Get Handoff shows."""

import pytest

from tieline.handoff.exposure import expose, shared_id_of
from tieline.model.handoff import HandoffApi, HandoffMethod, HandoffPlan

PLAN = HandoffPlan(
    destination="billing", method=HandoffMethod.BYE, reason="pays", utterance=None, route=None, headers=()
)


def test_configured_keys_are_exact_null_where_never_set_and_renamed() -> None:
    api = HandoffApi(state_keys=("customer_id", "missing"), aliases={"customer_id": "customerId"})
    state = {"customer_id": 7, "handoff_to": "x", "secret": "y"}
    assert expose(state, api, PLAN) == {"customerId": 7, "missing": None}


def test_no_configured_keys_expose_nothing_when_the_list_is_empty() -> None:
    assert expose({"handoff_to": "x"}, HandoffApi(state_keys=()), PLAN) == {}


def test_the_default_shows_the_usual_keys_without_nulls() -> None:
    state = {
        "handoff_to": "sales",
        "handoff_reason": None,
        "contained": False,
        "handoff": {"a": 1},
        "other": 1,
    }
    assert expose(state, HandoffApi(), None) == {
        "handoff_to": "sales",
        "contained": False,
        "handoff": {"a": 1},
    }


def test_the_executed_handoff_stands_in_for_what_the_code_left_unset() -> None:
    assert expose({}, HandoffApi(), PLAN) == {"handoff_to": "billing", "handoff_reason": "pays"}
    assert expose({"handoff_to": "own"}, HandoffApi(), PLAN)["handoff_to"] == "own"
    bare = HandoffPlan(
        destination=None, method=HandoffMethod.BYE, reason=None, utterance=None, route=None, headers=()
    )
    assert expose({}, HandoffApi(), bare) == {}


@pytest.mark.parametrize(
    ("state", "known", "expected"),
    [
        ({}, None, None),
        ({}, "from-attributes", "from-attributes"),
        ({"shared_id": "own"}, "from-attributes", "own"),
        ({"shared_id": 42}, None, "42"),
        ({"shared_id": True}, "k", "k"),
        ({"shared_id": ""}, "k", "k"),
    ],
)
def test_the_agents_shared_id_wins_over_the_calls(
    state: dict[str, object], known: str | None, expected: str | None
) -> None:
    assert shared_id_of(state, HandoffApi(), known) == expected


def test_the_shared_id_key_is_configurable() -> None:
    assert shared_id_of({"call_ref": "r1"}, HandoffApi(shared_id_state_key="call_ref"), None) == "r1"
