"""Numbers from a file or a text field: ranges, one number a line, or CSV with or without a heading. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection

from tieline.errors import InvalidInput
from tieline.model.number import expand
from tieline.model.record import Record

MAX_TEXT = 8_000_000
"""Characters of the longest file: more than the largest pool needs."""

HEADINGS = frozenset(
    {
        "number", "numbers", "phone", "phonenumber", "phone number", "phone_number", "dni", "did", "e164", "tn",
        "telephone",
    }
)  # fmt: skip
"""Headings of the column that holds numbers, lower case."""


class ImportFault(Record):
    """A line that could not be read. `line` counts from 1."""

    line: int
    text: str
    message: str


class NumberImport(Record):
    """What a text holds: new numbers in order, those that are there already or come twice, and faults."""

    numbers: tuple[str, ...]
    repeated: tuple[str, ...]
    faults: tuple[ImportFault, ...]


def read_numbers(text: str, there: Collection[str] = (), default_region: str | None = None) -> NumberImport:
    """Read numbers and ranges. Raises `InvalidInput` for a text that is too long or no CSV at all."""
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"the text has {len(text):,} characters; {MAX_TEXT:,} are the limit")
    found: dict[str, None] = {}
    repeated: dict[str, None] = {}
    faults: list[ImportFault] = []
    known = frozenset(there)
    for line, cell in _cells(text):
        try:
            unfolded = expand(cell, default_region)
        except InvalidInput as error:
            faults.append(ImportFault(line=line, text=cell[:64], message=error.message))
            continue
        for number in unfolded:
            (repeated if number in known or number in found else found)[number] = None
    return NumberImport(numbers=tuple(found), repeated=tuple(repeated), faults=tuple(faults))


def _cells(text: str) -> list[tuple[int, str]]:
    """The cells that ought to hold numbers, each with its line."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    delimiter = next((one for one in (";", "\t", ",") if one in first), ",")
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num}: {error}") from None
    column: int | None = None
    if rows:
        names = [cell.strip().casefold() for cell in rows[0][1]]
        column = next((index for index, name in enumerate(names) if name in HEADINGS), None)
        if column is not None:
            del rows[0]
    cells = []
    for line, row in rows:
        wanted = row if column is None else row[column : column + 1]
        cells += [(line, cell.strip()) for cell in wanted if cell.strip()]
    return cells
