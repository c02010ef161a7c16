"""One YAML file of a project, read leniently, with the line of every key for messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tieline.agent.spec import Finding, Level

MAX_YAML = 1024 * 1024
"""Bytes of a YAML file; a longer one is not read."""


class YamlFile:
    """The mapping that a YAML file holds; empty when the file is missing, broken or something else."""

    def __init__(self, file: str, data: Any, findings: list[Finding], *, exists: bool) -> None:
        self.file = file
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        self.exists = exists
        self._findings = findings

    def line(self, key: str) -> int | None:
        """The line of a key, from 1."""
        return find_line(self.data, key)

    def text(self, key: str) -> str | None:
        """The text at `key`, or None; a finding when something else is there."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self.say(f"{key} must be text.", key)
        return None

    def section(self, key: str) -> YamlFile:
        """The mapping at `key`."""
        return YamlFile(self.file, self.data.get(key), self._findings, exists=True)

    def say(self, message: str, key: str | None = None, level: Level = Level.ERROR) -> None:
        """Add a finding at the line of `key`."""
        line = None if key is None else self.line(key)
        self._findings.append(Finding(file=self.file, line=line, level=level, message=message))


def read_yaml(root: Path, file: str, findings: list[Finding]) -> YamlFile:
    """Read `root/file`. A file that is not YAML or not a mapping is an error finding and reads as empty."""
    path = root / file
    if not path.is_file():
        return YamlFile(file, {}, findings, exists=False)
    try:
        text = path.read_bytes()
        if len(text) > MAX_YAML:
            raise ValueError(f"the file is larger than {MAX_YAML // 1024} KiB")
        data = YAML(typ="rt", pure=True).load(text.decode("utf-8-sig"))
    except MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        problem = " ".join((error.problem or "it cannot be parsed").split())
        findings.append(
            Finding(file=file, line=line, level=Level.ERROR, message=f"it is not YAML: {problem}.")
        )
        data = {}
    except (OSError, ValueError, YAMLError) as error:
        findings.append(Finding(file=file, level=Level.ERROR, message=f"it cannot be read: {error}."))
        data = {}
    if data is not None and not isinstance(data, dict):
        findings.append(
            Finding(file=file, level=Level.ERROR, message="it must hold a mapping of keys to values.")
        )
    return YamlFile(file, data, findings, exists=True)


def find_line(data: Any, key: Any) -> int | None:
    """The line (from 1) of a key of a mapping or an index of a list, where the parser kept it."""
    marks = getattr(data, "lc", None)
    if marks is None or not getattr(marks, "data", None):
        return None
    try:
        place = marks.key(key) if isinstance(data, dict) else marks.item(key)
    except (KeyError, IndexError, TypeError):
        return None
    return int(place[0]) + 1
