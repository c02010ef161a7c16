"""JSON from outside: strict, bounded, and never a surprise further in.

Refused: what is no JSON (also NaN, Infinity, lone surrogates, a byte-order mark), numbers out of range, repeated
keys (which of the two was meant?), and nesting so deep that it cannot be meant well.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tieline.errors import InvalidInput

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class MalformedJson(InvalidInput):
    """The body is not JSON as RFC 8259 has it, or repeats a key."""

    code = "malformed_json"


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises `MalformedJson`."""
    try:
        value = _decode(body)
    except RecursionError:
        raise MalformedJson("the JSON is nested too deep") from None
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise MalformedJson(f"the body is not valid JSON: {str(error)[:200]}") from None
    # Written anew, the value has as many colons as were read, unless a repeated key was lost (or one was escaped).
    if body.count(b":") != _encode(value).count(b":") or b"\\u003" in body:
        _refuse_repeated(body)
    return value


def _refuse_repeated(body: bytes) -> None:
    def check(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise MalformedJson(f"the key {name[:64]!r} is repeated in one object")
            names.add(name)

    json.loads(body, object_pairs_hook=check)
