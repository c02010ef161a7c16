"""The words we use: the glossary's, in modules, classes and functions; and every public name explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def is_repeated(node: Definition) -> bool:
    """Overloads, setters and overrides are explained where they are first declared."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"overload", "setter", "override"})


def test_modules_are_named_after_what_they_hold() -> None:
    vague = [
        str(module.relative_to(ROOT))
        for module in MODULES
        if module not in GIVEN_NAMES
        and SAYS_NOTHING
        & {word for part in module.relative_to(SOURCE).with_suffix("").parts for word in part.split("_")}
    ]
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


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(SOURCE)))
def test_public_names_are_explained(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    silent = [
        name
        for name, node in list_public(tree.body)
        if ast.get_docstring(node) is None and not is_repeated(node)
    ]
    assert ast.get_docstring(tree), "the module has no docstring"
    assert silent == []


def test_the_glossary_explains_what_we_do_not_say() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    for word in ("manager", "helper", "utils", "common", "data"):
        assert f"`{word}`" in glossary
