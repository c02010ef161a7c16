"""State machines on generated pages: diagrams and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


def identifier(state: StrEnum) -> str:
    """A state's name as Mermaid takes it."""
    return state.value.replace(" ", "_")


def diagram(
    first: Iterable[StrEnum], last: Iterable[StrEnum], rows: Iterable[tuple[StrEnum, StrEnum, str]]
) -> str:
    """A state diagram: where it begins, where it may end, and each step as before, after and what brings it about."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {identifier(state)}" for state in first]
    merged: dict[tuple[str, str], list[str]] = {}
    for before, after, given in rows:
        merged.setdefault((identifier(before), identifier(after)), []).append(given)
    lines += [f"    {before} --> {after}: {', '.join(given)}" for (before, after), given in merged.items()]
    lines += [*(f"    {identifier(state)} --> [*]" for state in last), "```"]
    return "\n".join(lines)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table with these headings."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
