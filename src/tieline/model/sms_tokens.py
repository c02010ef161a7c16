"""Tokens in SMS templates: `{{attr:name}}`, `{{vrbl:name}}`, `$name` and `${name}`, and what they are filled from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tieline.model.record import Record

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    r"\{\{(?P<reference>[^{}]*)\}\}"
    rf"|\$\{{(?P<braced>{_NAME})\}}"
    rf"|\$(?P<plain>{_NAME})"
)
_REFERENCE = re.compile(rf"\s*(?P<kind>attr|vrbl)\s*:\s*(?P<name>{_NAME}(?:\.{_NAME})*)\s*")


class Token(Record):
    """One token: as it is written, and what it names. `kind` is `attr` or `vrbl`; None for a reference of no kind."""

    written: str
    kind: str | None
    name: str


class Filled(Record):
    """A text with its tokens filled in; `missing` are those without a value, as they are written."""

    text: str
    missing: tuple[str, ...] = ()


def tokens_of(content: str) -> tuple[Token, ...]:
    """The tokens of a text, in order."""
    return tuple(_token(match) for match in _TOKEN.finditer(content))


def fill_tokens(content: str, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> Filled:
    """Fill the tokens of a text: `attr` from the attributes, `vrbl` and `$` from the variables, else attributes.

    `a.b` looks into an object. Text, numbers and booleans are values; nothing else is.
    """
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        token = _token(match)
        places = (attributes,) if token.kind == "attr" else (variables, attributes)
        found = next((text for place in places if (text := _look_up(place, token.name)) is not None), None)
        if token.kind is None or found is None:
            missing.append(token.written)
            return token.written
        return found

    text = _TOKEN.sub(value, content)
    return Filled(text=text, missing=tuple(dict.fromkeys(missing)))


def _token(match: re.Match[str]) -> Token:
    name = match["braced"] or match["plain"]
    if name is not None:
        return Token(written=match[0], kind="vrbl", name=name)
    reference = _REFERENCE.fullmatch(match["reference"])
    if reference is None:
        return Token(written=match[0], kind=None, name=match["reference"].strip())
    return Token(written=match[0], kind=reference["kind"], name=reference["name"])


def _look_up(place: Mapping[str, Any], name: str) -> str | None:
    found: Any = place
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | int | float) else None
