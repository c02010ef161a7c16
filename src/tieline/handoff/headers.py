"""Custom SIP headers of a handoff: which names and values may go on the wire, and how `$variables` are filled.

A header is refused rather than repaired: a changed value that looks right is worse than one that is missing and
noted. Names are RFC 3261 tokens; values are single-line text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tieline.model.profile import HeaderLimits
from tieline.model.record import Record
from tieline.sip.grammar import is_token
from tieline.sip.header_rules import is_protocol_header

MAX_VALUE_LENGTH = 1024
"""Longest header value in characters; longer ones are cut off by common SBCs without a word."""

MAX_HEADERS = 40
"""Most custom headers of one handoff."""

NO_LIMITS = HeaderLimits(ascii_only=False, prefix=None)
"""A peer that lets everything through."""

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_VARIABLE = re.compile(r"\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)")


class FilledHeaders(Record):
    """Headers ready for the wire, and those left out, each with its reason in words."""

    headers: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


def name_fault(name: str) -> str | None:
    """Why `name` may not be used for a custom header, or None when it may."""
    if not is_token(name):
        return "the name is not a SIP token"
    if is_protocol_header(name):
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
    configured: Iterable[tuple[str, str]],
    given: Mapping[str, str],
    variables: Mapping[str, object],
    limits: HeaderLimits = NO_LIMITS,
) -> FilledHeaders:
    """Fill and check the headers of one handoff.

    `configured` come from the destination and may hold `$variables`; `given` come from the customer's code, are
    taken literally, and override configured ones of the same name, case ignored. The order is that of
    configuration, then of the code. What is over the budget of `limits` is left out from the end. The prefix of
    `limits` is for warnings: names without it are sent.
    """
    overrides = {name.casefold(): (name, value) for name, value in given.items()}
    taken: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []
    for name, template in configured:
        override = overrides.pop(name.casefold(), None)
        if override is not None:
            _take(override[0], override[1], limits, taken, left_out)
            continue
        missing = [key for key in variables_of(template) if _text(variables.get(key)) is None]
        if missing:
            left_out.append((_shown(name), f"${missing[0]} has no value that fits a header"))
            continue
        _take(name, _VARIABLE.sub(lambda match: _filled(match, variables), template), limits, taken, left_out)
    for name, value in overrides.values():
        _take(name, value, limits, taken, left_out)
    headers, over = keep_within(taken, limits)
    return FilledHeaders(headers=tuple(headers), left_out=(*left_out, *over))


def limit_fault(value: str, limits: HeaderLimits) -> str | None:
    """Why `value` would not get through a peer with these limits, or None when it would."""
    if limits.ascii_only and not value.isascii():
        return "the value is not plain ASCII, which is all that the peer lets through"
    if limits.value_length is not None and len(value) > limits.value_length:
        return f"the value is longer than the {limits.value_length} characters that the peer lets through"
    return None


def size_of(name: str, value: str) -> int:
    """The length of a header's line in bytes, without its end."""
    return len(f"{name}: {value}".encode())


def keep_within(
    headers: list[tuple[str, str]], limits: HeaderLimits
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Part headers into those within the peer's budget and those over it, which are the last ones, with the reason.

    `Reason` counts as the BYE's own header, not as a custom one.
    """
    budget = MAX_HEADERS if limits.count is None else min(limits.count, MAX_HEADERS)
    kept: list[tuple[str, str]] = []
    over: list[tuple[str, str]] = []
    count = total = 0
    why = ""
    for name, value in headers:
        if name.casefold() == "reason":
            kept.append((name, value))
            continue
        count += 1
        total += size_of(name, value)
        if not why and count > budget:
            why = f"there are {budget} headers already, which is the most that go along"
        elif not why and limits.total_length is not None and total > limits.total_length:
            why = f"the peer takes at most {limits.total_length} bytes of custom headers"
        if why:
            over.append((name, why))
        else:
            kept.append((name, value))
    return kept, over


def _take(
    name: str,
    value: str,
    limits: HeaderLimits,
    taken: list[tuple[str, str]],
    left_out: list[tuple[str, str]],
) -> None:
    fault = name_fault(name) or value_fault(value) or limit_fault(value, limits)
    if fault is None:
        taken.append((name, value))
    else:
        left_out.append((_shown(name), fault))


def _shown(name: str) -> str:
    """A name for people: one that is no token may hold line breaks, and is quoted with escapes."""
    return name if is_token(name) else repr(name)


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
