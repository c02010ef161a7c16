"""Hold the size budgets of pyproject.toml: lines in a file, lines in a function; and leave nothing marked as undone.

A function's lines are counted from its `def` to its end, without its docstring: explaining costs nothing.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "bench", "tools")
TEXTS = (*FOLDERS, "docs", "examples", "deploy", ".ci")
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".html", ".css", ".js", ""}
UNDONE = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def count_lines(function: Function) -> int:
    """Lines of a function, docstring not counted."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def find_oversized(path: Path, file_lines: int, function_lines: int) -> Iterator[str]:
    """Say what in one file is over budget."""
    text = path.read_text(encoding="utf-8")
    place = path.relative_to(ROOT)
    if (lines := len(text.splitlines())) > file_lines:
        yield f"{place}: {lines} lines (budget {file_lines})"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and (lines := count_lines(node)) > function_lines:
            yield f"{place}:{node.lineno}: {node.name} has {lines} lines (budget {function_lines})"


def find_undone(path: Path) -> Iterator[str]:
    """Say where one file still promises work."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if UNDONE.search(line):
            yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def list_texts() -> Iterator[Path]:
    """Every text file that people write, code or not."""
    for folder in TEXTS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path


def main() -> None:
    """Print every offender; exit with 1 when there is one."""
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["tieline"]["size"]
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    offenders = [offender for path in sources for offender in find_oversized(path, **budget)]
    offenders += [offender for path in list_texts() for offender in find_undone(path)]
    print("\n".join(offenders))
    sys.exit(1 if offenders else 0)


if __name__ == "__main__":
    main()
