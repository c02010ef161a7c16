"""A destination while it is being written: what is wrong with it, and as much of it as can be checked already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tieline.model.handoff import Destination
from tieline.resources.export import write_document
from tieline.resources.handoff_fields import destination
from tieline.resources.reader import FAULTY, Reader
from tieline.resources.yaml_tree import parse_yaml

UNNAMED = "(new)"
"""What a destination is called in remarks while it has no name that can be read."""

_HEADER = re.compile(r"sip_headers\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class DestinationDraft:
    """A destination as far as it could be read, and the faults as field (path within it) and message.

    `destination` leaves out headers at fault; None where something else is at fault, too.
    """

    destination: Destination | None
    faults: tuple[tuple[str, str], ...]


def read_draft(fields: Mapping[str, Any]) -> DestinationDraft:
    """Read a destination's fields, written as in a resource file."""
    found, faults = _read(fields)
    if found is not None or not faults:
        return DestinationDraft(found, faults)
    broken = {int(match[1]) for path, _ in faults if (match := _HEADER.match(path))}
    headers = fields.get("sip_headers")
    sound: dict[str, Any] = {**fields}
    if broken and isinstance(headers, list):
        sound["sip_headers"] = [one for index, one in enumerate(headers) if index not in broken]
    if any(path == "name" for path, _ in faults):
        sound["name"] = UNNAMED
    return DestinationDraft(_read(sound)[0], faults)


def _read(fields: Mapping[str, Any]) -> tuple[Destination | None, tuple[tuple[str, str], ...]]:
    reader = Reader("draft", {})
    tree = parse_yaml(write_document({"destination": dict(fields)}), reader.file)
    found = destination(reader, tree.entries["destination"], "destination")
    faults = [
        (fault["key"].removeprefix("destination").lstrip("."), fault["message"]) for fault in reader.faults
    ]
    return (None if found is FAULTY else found), tuple(faults)
