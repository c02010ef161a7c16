"""Custom SIP headers of a handoff: which names and values may go on the wire, and how `$variables` are filled.

A header is refused rather than repaired: a changed value that looks right is worse than one that is missing and
noted. Names are RFC 3261 tokens; values are single-line text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tieline.model.record import Record

MAX_VALUE_LENGTH = 1024
"""Longest header value in characters; longer ones are cut off by common SBCs without a word."""

MAX_HEADERS = 40
"""Most custom headers of one handoff."""

RESERVED_NAMES = frozenset(
    name.casefold()
    for name in (
        "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Route", "Record-Route",
        "Content-Length", "Content-Type", "Content-Encoding", "Content-Disposition", "Allow", "Supported",
        "Require", "Proxy-Require", "Refer-To", "Referred-By", "Replaces", "Authorization",
        "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Session-Expires", "Min-SE",
        "RSeq", "RAck", "Event", "Subscription-State", "Expires", "User-Agent", "Server",
        "v", "f", "t", "i", "m", "l", "c", "e", "k", "r", "b", "x", "o",
    )
)  # fmt: skip
"""Headers that the SIP stack itself writes, with their compact forms: never to be set by a handoff."""

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_VARIABLE = re.compile(r"\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)")


class FilledHeaders(Record):
    """Headers ready for the wire, and those left out, each with its reason in words."""

    headers: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


def name_fault(name: str) -> str | None:
    """Why `name` may not be used for a custom header, or None when it may."""
    if not _TOKEN.fullmatch(name):
        return "the name is not a SIP token"
    if name.casefold() in RESERVED_NAMES:
        return "the name is reserved for the SIP stack"
    return None


def value_fault(value: str) -> str | None:
    """Why `value` may not be used in a custom header, or None when it may."""
    if _CONTROL.search(value) is not None:
        return "the value holds a control character"
    if len(value) > MAX_VALUE_LENGTH:
        return f"the value is longer than {MAX_VALUE_LENGTH} characters"
    return None


def variables_of(value: str) -> tuple[str, ...]:
    """The names of the `$variables` (also `${variables}`) in a configured value, in order."""
    return tuple(match["braced"] or match["plain"] for match in _VARIABLE.finditer(value))


def fill_headers(
    configured: Iterable[tuple[str, str]], given: Mapping[str, str], variables: Mapping[str, object]
) -> FilledHeaders:
    """Fill and check the headers of one handoff.

    `configured` come from the destination and may hold `$variables`; `given` come from the customer's code, are
    taken literally, and override configured ones of the same name, case ignored. The order is that of
    configuration, then of the code.
    """
    overrides = {name.casefold(): (name, value) for name, value in given.items()}
    headers: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []
    for name, template in configured:
        override = overrides.pop(name.casefold(), None)
        if override is not None:
            _take(override[0], override[1], headers, left_out)
            continue
        missing = [key for key in variables_of(template) if _text(variables.get(key)) is None]
        if missing:
            left_out.append((_shown(name), f"${missing[0]} has no value that fits a header"))
            continue
        _take(name, _VARIABLE.sub(lambda match: _filled(match, variables), template), headers, left_out)
    for name, value in overrides.values():
        _take(name, value, headers, left_out)
    return FilledHeaders(headers=tuple(headers), left_out=tuple(left_out))


def _take(name: str, value: str, headers: list[tuple[str, str]], left_out: list[tuple[str, str]]) -> None:
    fault = name_fault(name) or value_fault(value)
    if fault is None and len(headers) >= MAX_HEADERS:
        fault = f"there are {MAX_HEADERS} headers already"
    if fault is None:
        headers.append((name, value))
    else:
        left_out.append((_shown(name), fault))


def _shown(name: str) -> str:
    """A name for people: one that is no token may hold line breaks, and is quoted with escapes."""
    return name if _TOKEN.fullmatch(name) else repr(name)


def _filled(match: re.Match[str], variables: Mapping[str, object]) -> str:
    return _text(variables.get(match["braced"] or match["plain"])) or ""


def _text(value: object) -> str | None:
    """A plain value as header text: booleans in the lower case that contact centres compare with."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float):
        return str(value)
    return None
