"""The words we use: names say what a thing is, and the glossary says which words do not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tieline"
MODULES = sorted(SOURCE.rglob("*.py"))
SAYS_NOTHING = {
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "data",
    "misc",
    "base64",
}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# `conv.utils` is a name of the published contract.
GIVEN_NAMES = {SOURCE / "agent" / "utils.py"}


def list_public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Each public definition of a body, and the public ones inside public classes."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from list_public(node.body, f"{prefix}{node.name}.")


def test_modules_are_named_after_what_they_hold() -> None:
    vague = []
    for module in MODULES:
        parts = module.relative_to(SOURCE).with_suffix("").parts
        words = {word for part in parts for word in part.split("_")}
        if words & SAYS_NOTHING and module not in GIVEN_NAMES:
            vague.append(str(module.relative_to(ROOT)))
    assert vague == []


def test_classes_are_not_managers() -> None:
    vague = []
    for module in MODULES:
        for name, node in list_public(ast.parse(module.read_text(encoding="utf-8")).body):
            last_word = (
                re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition(".")[2]).lower().rpartition("_")[2]
            )
            if isinstance(node, ast.ClassDef) and last_word in SAYS_NOTHING:
                vague.append(f"{module.relative_to(ROOT)}: {name}")
    assert vague == []


def test_the_glossary_explains_what_we_do_not_say() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    for word in ("manager", "helper", "utils", "common", "data"):
        assert f"`{word}`" in glossary
