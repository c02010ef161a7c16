"""Reads values out of the tree, each by its kind, and collects every fault instead of stopping at the first."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from tieline.errors import ConfigurationError, InvalidInput
from tieline.model.number import expand
from tieline.resources.yaml_tree import Value

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_TEXT = 4096

Read = Callable[["Reader", Value, str], Any]
"""Turns a value into what a record holds. The text is the field's path, for faults. `FAULTY` when it is no good."""


class _Faulty:
    """Stands for a value that was reported as a fault."""


FAULTY = _Faulty()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind of resource: how it is written, what it means and how it is read."""

    name: str
    kind: str
    description: str
    read: Read
    required: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """One resource as the file has it: its fields read, and the line of each and of each item of a list (`name[0]`)."""

    kind: str
    line: int
    values: dict[str, Any]
    lines: dict[str, int]

    def line_of(self, name: str) -> int:
        """Where a field stands, else where the resource begins."""
        return self.lines.get(name, self.line)

    def line_of_item(self, name: str, item: str) -> int:
        """Where the item named `item` of a list begins, else where the list stands."""
        found = self.values.get(name)
        for index, one in enumerate(found if isinstance(found, tuple) else ()):
            if getattr(one, "name", None) == item:
                return self.lines.get(f"{name}[{index}]", self.line_of(name))
        return self.line_of(name)


Check = Callable[["Reader", Draft, str], _Faulty | None]
"""Looks at a mapping whose fields are good one by one. `FAULTY` when they are not together, and that was reported."""


@dataclass(slots=True)
class Reader:
    """The state of one reading: the file's name, the environment for `value_from_env`, and the faults so far."""

    file: str
    environ: Mapping[str, str]
    default_region: str | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)

    def fault(self, line: int, key: str, message: str) -> _Faulty:
        """Note a fault."""
        where = f"{self.file}:{line}"
        self.faults.append({"where": where, "message": message, "file": self.file, "line": line, "key": key})
        return FAULTY

    def check(self) -> None:
        """Raises `ConfigurationError` with all faults, in the order of their lines, if there are any."""
        if not self.faults:
            return
        self.faults.sort(key=lambda fault: fault["line"])
        first = self.faults[0]
        raise ConfigurationError(
            "\n".join(f"{fault['where']}: {fault['key']}: {fault['message']}" for fault in self.faults),
            file=self.file,
            line=first["line"],
            field=first["key"],
            faults=self.faults,
        )

    def fields(self, value: Value, table: tuple[Field, ...], path: str, kind: str) -> Draft | None:
        """A mapping read by a table of fields; None when it is no mapping."""
        if value.kind != "mapping":
            self.fault(value.line, path, f"must be a mapping of fields, not {value.describe()}")
            return None
        known = {row.name: row for row in table}
        values: dict[str, Any] = {}
        for name, inner in value.entries.items():
            row = known.get(name)
            if row is None:
                self.fault(value.key_lines[name], f"{path}.{name}", unknown(name, known, "field"))
            elif inner.text is not None or inner.kind != "scalar":
                values[name] = row.read(self, inner, f"{path}.{name}")
        for row in table:
            if row.required and row.name not in values:
                self.fault(value.line, f"{path}.{row.name}", "is missing")
                values[row.name] = FAULTY
        items = {
            f"{name}[{index}]": item.line
            for name, inner in value.entries.items()
            for index, item in enumerate(inner.items)
        }
        return Draft(kind=kind, line=value.line, values=values, lines=value.key_lines | items)


def unknown(name: str, known: Iterable[str], noun: str) -> str:
    """Say that `name` is unknown, and which known one it may have meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"unknown {noun}; did you mean {close[0]}?"
    return (
        f"unknown {noun}; known are {', '.join(sorted(known))}" if known else f"unknown {noun}; there is none"
    )


def text(reader: Reader, value: Value, path: str) -> Any:
    """One line of text."""
    if value.kind != "scalar" or value.text is None:
        return reader.fault(value.line, path, f"must be text, not {value.describe()}")
    if len(value.text) > MAX_TEXT or not all(c.isprintable() for c in value.text):
        return reader.fault(value.line, path, f"must be at most {MAX_TEXT} printable characters in one line")
    return value.text


def long_text(reader: Reader, value: Value, path: str) -> Any:
    """Text of any number of lines."""
    if value.kind != "scalar" or value.text is None:
        return reader.fault(value.line, path, f"must be text, not {value.describe()}")
    return value.text


def name(reader: Reader, value: Value, path: str) -> Any:
    """A name: letters, digits, `.`, `_` and `-`."""
    found = text(reader, value, path)
    if isinstance(found, str) and not NAME.fullmatch(found):
        return reader.fault(
            value.line, path, f"{found[:80]!r} is not a name: letters, digits, '.', '_', '-', at most 64"
        )
    return found


def boolean(reader: Reader, value: Value, path: str) -> Any:
    """`true` or `false`."""
    if value.kind == "scalar" and value.text in {"true", "false", "True", "False"}:
        return value.text.lower() == "true"
    return reader.fault(value.line, path, f"must be true or false, not {value.describe()}")


def number(least: float, most: float = math.inf, *, whole: bool = False) -> Read:
    """A number within bounds."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        try:
            found = (int if whole else float)(value.text or "") if value.kind == "scalar" else math.nan
        except ValueError:
            found = math.nan
        if not least <= found <= most or math.isinf(found):
            bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
            kind = "whole number" if whole else "number"
            return reader.fault(value.line, path, f"must be a {kind} {bounds}, not {value.describe()}")
        return found

    return read


def choice(words: type[StrEnum]) -> Read:
    """One word of a closed list."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        found = text(reader, value, path)
        if not isinstance(found, str):
            return FAULTY
        if found not in list(words):
            return reader.fault(value.line, path, f"{found!r}: {unknown(found, list(words), 'word')}")
        return words(found)

    return read


def several(read_one: Read) -> Read:
    """A list, or one value for a list of one."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        if value.kind == "mapping":
            return reader.fault(value.line, path, "must be a list")
        items = value.items if value.kind == "list" else (value,)
        found = [read_one(reader, item, f"{path}[{index}]") for index, item in enumerate(items)]
        return FAULTY if any(item is FAULTY for item in found) else tuple(found)

    return read


def named_once(read_one: Read, noun: str) -> Read:
    """A list of records, each name once."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        found = several(read_one)(reader, value, path)
        if found is FAULTY:
            return FAULTY
        names = [one.name for one in found]
        repeated = next((one for one in names if names.count(one) > 1), None)
        if repeated is not None:
            return reader.fault(value.line, path, f"the {noun} {repeated!r} is given twice")
        return found

    return read


def record(make: Callable[..., Any], table: tuple[Field, ...], noun: str, check: Check | None = None) -> Read:
    """A mapping, read by a table of fields into a record, unless `check` finds its fields at odds with each other."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        draft = reader.fields(value, table, path, noun)
        if draft is None or FAULTY in draft.values.values():
            return FAULTY
        if check is not None and check(reader, draft, path) is FAULTY:
            return FAULTY
        return make(**draft.values)

    return read


def numbers(reader: Reader, value: Value, path: str) -> Any:
    """Numbers and ranges, unfolded into canonical numbers; repeats are faults."""
    if value.kind == "mapping":
        return reader.fault(value.line, path, "must be a list of numbers and ranges")
    found: dict[str, int] = {}
    good = True
    for index, item in enumerate(value.items if value.kind == "list" else (value,)):
        where = f"{path}[{index}]"
        written = text(reader, item, where)
        if not isinstance(written, str):
            good = False
            continue
        try:
            unfolded = expand(written, reader.default_region)
        except InvalidInput as error:
            reader.fault(item.line, where, error.message)
            good = False
            continue
        repeated = next((one for one in unfolded if one in found), None)
        if repeated is not None:
            reader.fault(item.line, where, f"{repeated} is already on line {found[repeated]}")
            good = False
        found.update(dict.fromkeys(unfolded, item.line))
    return tuple(found) if good else FAULTY


def mapping(read_one: Read) -> Read:
    """A mapping of names to values of one kind."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        if value.kind != "mapping":
            return reader.fault(value.line, path, f"must be a mapping, not {value.describe()}")
        found = {key: read_one(reader, inner, f"{path}.{key}") for key, inner in value.entries.items()}
        return FAULTY if any(item is FAULTY for item in found.values()) else found

    return read


def moment(reader: Reader, value: Value, path: str) -> Any:
    """A time with its zone, or a date (its end, in UTC)."""
    found = text(reader, value, path)
    if not isinstance(found, str):
        return FAULTY
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", found):
            return datetime.combine(date.fromisoformat(found), time(23, 59, 59), UTC)
        parsed = datetime.fromisoformat(found)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        return reader.fault(
            value.line, path, "must be a date, or a time with its zone, like 2027-01-31T12:00:00Z"
        )
    return parsed.astimezone(UTC)


def from_env(reader: Reader, value: Value, path: str) -> Any:
    """The value of the environment variable that the field names."""
    variable = text(reader, value, path)
    if not isinstance(variable, str):
        return FAULTY
    found = reader.environ.get(variable)
    if not found:
        return reader.fault(value.line, path, f"the environment variable {variable} is not set")
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        return reader.fault(value.line, path, f"the environment variable {variable} is not UTF-8 text")
    return found
