"""`conv.state`, `conv.sip_headers`, and what may be kept in the state."""

from __future__ import annotations

import copy
import enum
import json
import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.agent.state import MAX_DEPTH, NotJson, SipHeaders, State, to_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Fraction(float):
    pass


def test_a_missing_key_is_none_by_attribute_default_by_get_and_an_error_by_index() -> None:
    state = State()
    assert state.order is None
    assert state.get("order", 7) == 7
    with pytest.raises(KeyError, match="order"):
        state["order"]


def test_attributes_and_keys_are_the_same_thing() -> None:
    state = State(a=1)
    state.b = [2]
    state["c"] = {"d": 3}
    assert (state["a"], state.b, state.c) == (1, [2], {"d": 3})
    del state.b
    del state.never_there
    assert "b" not in state


def test_state_copies_and_pickles_as_a_dict_does() -> None:
    state = State(a=[1])
    assert copy.deepcopy(state) == {"a": [1]}
    assert copy.copy(state) == {"a": [1]}
    assert pickle.loads(pickle.dumps(dict(state))) == {"a": [1]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), r"conv\.state\.x is a datetime\.datetime"),
        ({1, 2}, r"conv\.state\.x is a builtins\.set"),
        (b"bytes", r"conv\.state\.x is a builtins\.bytes"),
        (math.nan, r"conv\.state\.x is nan"),
        ([1, {"y": math.inf}], r"conv\.state\.x\[1\]\.y is inf"),
        ({"y": {2: 3}}, r"conv\.state\.x\.y has the key 2 of type int"),
        ("\ud800", r"conv\.state\.x holds text with half of a surrogate pair"),
        ({"\udfff": 1}, r"conv\.state\.x\.\\udfff holds text"),
    ],
)
def test_what_json_does_not_have_is_refused_by_name_when_it_is_set(value: Any, message: str) -> None:
    state = State()
    with pytest.raises(NotJson, match=message):
        state.x = value
    assert state == {}


def test_keys_of_the_state_must_be_text() -> None:
    with pytest.raises(NotJson, match="has the key 1 of type int"):
        State()[1] = "x"  # type: ignore[index]


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"k": inner}])
def test_what_contains_itself_or_is_too_deep_is_refused(wrap: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert to_json(value, "x") == value
    with pytest.raises(NotJson, match="nested more than 64 deep"):
        to_json(wrap(wrap(value)), "x")
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(NotJson, match="contains itself"):
        to_json(circle, "x")


def test_tuples_and_subclasses_are_kept_as_what_they_stand_for() -> None:
    plain = to_json({Colour.RED: (Colour.RED, Size.LARGE, Fraction(0.5), State(a=1), True)}, "x")
    assert plain == {"red": ["red", 3, 0.5, {"a": 1}, True]}
    kinds = [type(item) for item in plain["red"]]
    assert kinds == [str, int, float, dict, bool]
    assert type(next(iter(plain))) is str


@given(JSON)
def test_any_json_is_copied_unchanged(value: Any) -> None:
    copied = to_json(value, "x")
    assert json.dumps(copied) == json.dumps(value)


def test_headers_are_found_in_any_case_and_listed_as_they_came() -> None:
    headers = SipHeaders({"X-Five9-Session": "1", "From": "a"})
    assert headers["x-five9-SESSION"] == headers.get("X-FIVE9-SESSION") == "1"
    assert "x-five9-session" in headers
    assert "x-other" not in headers
    assert not headers.__contains__(5)
    assert headers.get("x-other", "none") == "none"
    assert list(headers) == ["X-Five9-Session", "From"]
    assert json.loads(json.dumps(headers)) == {"X-Five9-Session": "1", "From": "a"}
    with pytest.raises(KeyError):
        headers["x-other"]


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: headers.__setitem__("a", "b"),
        lambda headers: headers.__delitem__("From"),
        lambda headers: headers.update(a="b"),
        lambda headers: headers.pop("From"),
        lambda headers: headers.clear(),
    ],
)
def test_headers_cannot_be_changed(change: Callable[[SipHeaders], object]) -> None:
    with pytest.raises(TypeError, match="cannot be changed"):
        change(SipHeaders({"From": "a"}))
