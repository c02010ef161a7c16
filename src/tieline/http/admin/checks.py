"""How a request of the admin API is checked: its query and its body against the records that its route takes."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.errors import InvalidInput
from tieline.http.admin.declaration import AdminRoute
from tieline.http.admin.shapes import Fields, Filter
from tieline.http.exchange import check_json_type
from tieline.http.json_input import parse_json
from tieline.http.query import read_time

DEEPEST = 32
"""How deep a body may be nested."""

_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_PLACE = re.compile(r"^(?P<message>.*) - at `\$(?P<path>.*)`$", re.DOTALL)


def arguments(
    route: AdminRoute, headers: Mapping[bytes, bytes], query: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """What a route's function is given besides its path. Raises `InvalidInput`, `InvalidFields`, `HttpError` 415."""
    found: dict[str, Any] = {}
    if route.body is str:
        found["body"] = _text(body)
    else:
        fields = _read_object(headers, body)
        if route.body is not None:
            found["body"] = fields if route.body == Fields else _convert(fields, route.body)
        elif fields:
            raise InvalidInput("this request takes no body")
    if route.query is not None:
        found["query"] = _read_query(route.query, query)
    elif query:
        raise InvalidFields(tuple(FieldFault(name, "there is no such parameter") for name in query))
    return found


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8") from None


def _read_object(headers: Mapping[bytes, bytes], body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    check_json_type(headers)
    found = parse_json(body)
    if not isinstance(found, dict):
        raise InvalidInput("the body must be a JSON object")
    _check_depth(found)
    return found


def _read_query(kind: type, given: Mapping[str, str]) -> Any:
    hints = typing.get_type_hints(kind)
    there: dict[str, object] = {
        name: (_is_time(hints.get(name)) and read_time(text)) or text for name, text in given.items() if text
    }
    try:
        return _convert(there, kind, strict=False)
    except InvalidFields as error:
        if issubclass(kind, Filter):
            raise InvalidInput(error.message) from None
        raise


def _convert(value: object, kind: type, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidFields((_fault(str(error)),)) from None


def _is_time(kind: Any) -> bool:
    return kind is datetime or datetime in typing.get_args(kind)


def _check_depth(value: object, depth: int = 0) -> None:
    """Raises `InvalidInput` for what is nested so deep that it cannot be written as a resource file."""
    if depth > DEEPEST:
        raise InvalidInput(f"the body is nested deeper than {DEEPEST}")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _check_depth(one, depth + 1)


def _fault(text: str) -> FieldFault:
    """A fault of msgspec's with its place as a path, such as `senders[0].number`."""
    placed = _PLACE.match(text)
    path = placed["path"].lstrip(".") if placed is not None else ""
    message = placed["message"] if placed is not None else text
    for pattern, words in ((_UNKNOWN, "there is no such field"), (_MISSING, "is missing")):
        found = pattern.match(message)
        if found is not None:
            return FieldFault(f"{path}.{found[1]}".lstrip("."), words)
    return FieldFault(path, message)
