"""JSON from outside: strict, bounded, and never a surprise further in.

Refused: what is no JSON (also NaN, Infinity, lone surrogates, a byte-order mark), numbers out of range, repeated
keys (which of the two was meant?), and nesting beyond the limit.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tieline.errors import InvalidInput

_decode = msgspec.json.Decoder().decode


class MalformedJson(InvalidInput):
    """The body is not JSON as RFC 8259 has it, or repeats a key."""

    code = "malformed_json"


class TooDeep(InvalidInput):
    """The value is nested deeper than allowed."""

    code = "too_deep"


def parse_json(body: bytes, max_depth: int) -> Any:
    """The value of a JSON text. Raises `MalformedJson` or `TooDeep`."""
    try:
        value = _decode(body)
    except RecursionError:
        raise TooDeep(f"the JSON is nested deeper than {max_depth} levels") from None
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise MalformedJson(f"the body is not valid JSON: {str(error)[:200]}") from None
    keys = _count_keys(value, max_depth)
    # Every key has one colon. More colons than keys: one stands in a text, or a key is repeated and was lost.
    if body.count(b":") != keys:
        _refuse_repeated(body)
    return value


def _count_keys(value: Any, levels: int) -> int:
    kind = type(value)
    if kind is dict:
        inner, count = value.values(), len(value)
    elif kind is list:
        inner, count = value, 0
    else:
        return 0
    if levels <= 0:
        raise TooDeep("the JSON is nested too deep")
    for item in inner:
        if type(item) in {dict, list}:
            count += _count_keys(item, levels - 1)
    return count


def _refuse_repeated(body: bytes) -> None:
    def check(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise MalformedJson(f"the key {name[:64]!r} is repeated in one object")
            names.add(name)

    json.loads(body, object_pairs_hook=check)
