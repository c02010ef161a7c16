"""Attributes: any JSON object, within bounds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import InvalidInput
from tieline.model.attributes import MAX_BYTES, MAX_DEPTH, AttributesTooLarge, attributes_text

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
TREES = st.recursive(LEAVES, lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=20)


@given(st.dictionaries(st.text(), TREES))
def test_what_goes_in_comes_out(value: dict[str, Any]) -> None:
    assert msgspec.json.decode(attributes_text(value, max_depth=1000)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("value", [None, [], "text", 1, float("nan")])
def test_only_objects(value: object) -> None:
    with pytest.raises(InvalidInput, match="must be a JSON object"):
        attributes_text(value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [{"deep": -float("inf")}], "\ud800", {"\udfff": 1}, object()]
)
def test_what_json_has_no_word_for(value: object) -> None:
    with pytest.raises(InvalidInput):
        attributes_text({"a": value})


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_depth_is_bounded() -> None:
    attributes_text(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 50_000):
        with pytest.raises(InvalidInput, match="deeper than 32"):
            attributes_text(nested(depth))
    with pytest.raises(InvalidInput, match="deeper than 3"):
        attributes_text({"a": [[[1]]]}, max_depth=3)


def test_size_is_bounded_in_bytes() -> None:
    attributes_text({"a": "x" * (MAX_BYTES - 8)})
    for text in ("x" * (MAX_BYTES - 7), "é" * (MAX_BYTES // 2)):
        with pytest.raises(AttributesTooLarge):
            attributes_text({"a": text})
