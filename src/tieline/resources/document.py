"""A resource file, read: every resource as a draft with its lines."""

from __future__ import annotations

from dataclasses import dataclass

from tieline.resources.kinds import KINDS, identity_field
from tieline.resources.reader import FAULTY, Draft, Reader, unknown
from tieline.resources.yaml_tree import Value


@dataclass(frozen=True, slots=True)
class Document:
    """All drafts of a file by kind, and the reader that knows the faults so far."""

    drafts: dict[str, list[Draft]]
    reader: Reader


def read_document(tree: Value, reader: Reader) -> Document:
    """Read a resource file from its tree. Its faults go to the reader."""
    drafts: dict[str, list[Draft]] = {kind: [] for kind in KINDS}
    if tree.kind != "mapping":
        reader.fault(tree.line, "file", f"must be a mapping of {', '.join(KINDS)}")
        return Document(drafts, reader)
    for kind, section in tree.entries.items():
        if kind not in KINDS:
            reader.fault(tree.key_lines[kind], kind, unknown(kind, KINDS, "section"))
        elif section.kind != "list":
            if section.text is not None or section.kind == "mapping":
                reader.fault(section.line, kind, "must be a list")
        else:
            for index, item in enumerate(section.items):
                draft = reader.fields(item, KINDS[kind], f"{kind}[{index}]", kind)
                if draft is not None:
                    drafts[kind].append(draft)
    for kind, found in drafts.items():
        _refuse_repeated(reader, kind, found)
    return Document(drafts, reader)


def _refuse_repeated(reader: Reader, kind: str, drafts: list[Draft]) -> None:
    field = identity_field(kind)
    first: dict[str, int] = {}
    for draft in drafts:
        name = draft.values[field]
        if name is FAULTY:
            continue
        line = draft.line_of(field)
        if name in first:
            reader.fault(line, f"{kind}.{name}", f"the {field} is given twice; first on line {first[name]}")
        else:
            first[name] = line
