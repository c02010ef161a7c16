"""The attributes of a reservation: any JSON object, within bounds, kept as its JSON text."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tieline.errors import InvalidInput

MAX_DEPTH = 32
"""How deep objects and arrays may be nested; the attributes object itself is the first level."""

MAX_BYTES = 64 * 1024
"""How large the attributes may be as JSON (UTF-8 bytes)."""

_encode = msgspec.json.Encoder().encode


class AttributesTooLarge(InvalidInput):
    """The attributes exceed the size limit."""

    code = "attributes_too_large"


def attributes_text(value: object, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> str:
    """The JSON text of `value` (parsed JSON), its keys in the order given.

    Raises `InvalidInput` when it is not an object, is nested too deep, or holds what JSON has no word for (NaN,
    infinities, unpaired surrogates), and `AttributesTooLarge`.
    """
    if not isinstance(value, dict):
        raise InvalidInput("attributes must be a JSON object", field="attributes")
    try:
        encoded = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        _check(value, max_depth)
        raise InvalidInput(f"attributes are not JSON: {error}", field="attributes") from error
    # No deeper than it has brackets, and whatever is not finite became null: most values need no closer look.
    if encoded.count(b"{") + encoded.count(b"[") > max_depth or b"null" in encoded:
        _check(value, max_depth)
    if len(encoded) > max_bytes:
        raise AttributesTooLarge(
            f"attributes take {len(encoded)} bytes; {max_bytes} are the limit", field="attributes"
        )
    return encoded.decode()


def _check(value: dict[Any, Any], max_depth: int) -> None:
    """Walk the value level by level, without recursion: depth first of all bounds the work."""
    level: list[Any] = [value]
    for _ in range(max_depth):
        below: list[Any] = []
        for node in level:
            for child in node.values() if isinstance(node, dict) else node:
                if isinstance(child, (dict, list)):
                    below.append(child)
                elif isinstance(child, float) and not math.isfinite(child):
                    raise InvalidInput("attributes hold a number that is not finite", field="attributes")
        if not below:
            return
        level = below
    raise InvalidInput(f"attributes are nested deeper than {max_depth} levels", field="attributes")
