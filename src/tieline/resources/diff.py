"""What changes from one set of resources to another, field by field, without showing secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from tieline.model.number import MAX_RANGE
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint
from tieline.resources.kinds import KINDS, identity_field

HIDDEN_FIELDS = frozenset(
    {"secrets", "key_hash", "token_hash", *Trunk.hidden, *WebhookEndpoint.hidden, *TwilioConnection.hidden}
)
PASSED_OVER = frozenset({"prefix"})
"""Goes with its hash, and is made anew by every dry run."""


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after, in words; None where the resource is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that is made, changed or removed."""

    kind: str
    name: str
    action: Action
    fields: tuple[FieldChange, ...]


def compare(current: Resources, wanted: Resources) -> Iterator[Change]:
    """Every difference, kind by kind, in the order of `wanted` with removals last."""
    for kind in KINDS:
        field = identity_field(kind)
        before = {getattr(one, field): one for one in getattr(current, kind)}
        after = {getattr(one, field): one for one in getattr(wanted, kind)}
        for name, one in after.items():
            there = before.get(name)
            fields = tuple(_fields(there, one))
            if fields:
                yield Change(kind, name, Action.CREATE if there is None else Action.UPDATE, fields)
        for name, one in before.items():
            if name not in after:
                yield Change(kind, name, Action.REMOVE, tuple(_fields(one, None)))


def _fields(before: Any, after: Any) -> Iterator[FieldChange]:
    record = type(after if after is not None else before)
    for info in msgspec.structs.fields(record):
        old = getattr(before, info.name) if before is not None else None
        new = getattr(after, info.name) if after is not None else None
        if info.name in PASSED_OVER:
            continue
        if before is not None and after is not None:
            if old == new:
                continue
        elif (new if before is None else old) == info.default:
            continue
        yield FieldChange(
            info.name,
            None if before is None else _show(info.name, old),
            None if after is None else _show(info.name, new),
        )


def _show(field: str, value: Any) -> str:
    """A value in words: numbers as ranges, secrets hidden."""
    if field in HIDDEN_FIELDS:
        return "(hidden)" if value else "(none)"
    if field == "numbers" and all(isinstance(one, str) for one in value):
        ranges = to_ranges(value)
        shown = ", ".join(ranges[:6]) + (", ..." if len(ranges) > 6 else "")
        return f"{shown} ({len(value)})" if len(value) > 1 else shown or "(none)"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    plain = msgspec.to_builtins(value)
    if isinstance(plain, tuple | list):
        return ", ".join(_brief(one) for one in plain) or "(none)"
    return _brief(plain)


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name") or value.get("number") or msgspec.json.encode(value).decode())
    return "(none)" if value is None or value == "" else str(value)


def to_ranges(numbers: Sequence[str]) -> list[str]:
    """Numbers, with runs of more than two that follow each other written as ranges; the order is kept.

    No range is longer than a file may have.
    """
    found: list[list[str]] = []
    for number in numbers:
        last = found[-1][-1] if found else ""
        follows = number.startswith("+") and last.startswith("+") and len(number) == len(last)
        if follows and int(number) == int(last) + 1 and len(found[-1]) < MAX_RANGE:
            found[-1].append(number)
        else:
            found.append([number])
    written: list[str] = []
    for run in found:
        written.extend([f"{run[0]}-{run[-1]}"] if len(run) > 2 else run)
    return written
