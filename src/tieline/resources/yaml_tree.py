"""YAML as a tree that knows its lines.

Scalars keep the text as written, so `+15550100` and `0100` stay telephone numbers and never become arithmetic.
Refused with the line: what is no YAML, repeated keys, tags, merge keys, several documents, and aliases that would
unfold to something huge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tieline.errors import ConfigurationError

MAX_TEXT = 8 * 1024 * 1024
MAX_VALUES = 500_000
MAX_DEPTH = 20

_SCALAR_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "null")}


@dataclass(frozen=True, slots=True)
class Value:
    """One YAML value. `text` is set for scalars (None for null), `items` for lists, `entries` for mappings."""

    line: int
    text: str | None = None
    kind: str = "scalar"
    items: tuple[Value, ...] = ()
    entries: dict[str, Value] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """The value in words, for errors."""
        if self.kind != "scalar":
            return f"a {self.kind}"
        return "nothing" if self.text is None else repr(self.text[:64])


class _Counter:
    def __init__(self, file: str) -> None:
        self.file = file
        self.left = MAX_VALUES


def parse_yaml(text: str, file: str) -> Value:
    """The document as a tree. Raises `ConfigurationError` with `file` and `line`."""
    if len(text) > MAX_TEXT:
        raise _fault(file, 1, f"larger than {MAX_TEXT >> 20} MiB")
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        if "'\\t'" in problem or "\t" in problem:
            problem = "a tab stands where blanks are needed; indent with blanks only"
        raise _fault(file, mark.line + 1 if mark else 1, f"not valid YAML: {problem}") from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise _fault(file, 1, f"not valid YAML: {str(error)[:200]}") from None
    if node is None:
        return Value(line=1, kind="mapping")
    return _convert(node, _Counter(file), 0)


def _convert(node: Node, counter: _Counter, depth: int) -> Value:
    line = node.start_mark.line + 1
    counter.left -= 1
    if counter.left < 0:
        raise _fault(counter.file, line, f"more than {MAX_VALUES} values once its aliases are unfolded")
    if depth > MAX_DEPTH:
        raise _fault(counter.file, line, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, ScalarNode):
        tag = str(node.tag)
        if tag not in _SCALAR_TAGS:
            raise _fault(counter.file, line, f"the tag {tag} is not supported")
        return Value(line=line, text=None if tag.endswith(":null") else node.value)
    if isinstance(node, SequenceNode):
        items = tuple(_convert(item, counter, depth + 1) for item in node.value)
        return Value(line=line, kind="list", items=items)
    assert isinstance(node, MappingNode)
    entries: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            raise _fault(counter.file, key_line, "a key must be plain text")
        key = key_node.value
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise _fault(counter.file, key_line, "merge keys (<<) are not supported; write the fields out")
        if key in entries:
            raise _fault(counter.file, key_line, f"{key} is given twice; first on line {lines[key]}")
        entries[key], lines[key] = _convert(value_node, counter, depth + 1), key_line
    return Value(line=line, kind="mapping", entries=entries, key_lines=lines)


def _fault(file: str, line: int, message: str) -> ConfigurationError:
    where = f"{file}:{line}"
    faults = [{"where": where, "message": message, "file": file, "line": line, "key": None}]
    return ConfigurationError(f"{where}: {message}", file=file, line=line, faults=faults)
