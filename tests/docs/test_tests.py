"""The habits of the test tree itself: no waiting by the clock outside integration."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PATIENT = {"time.sleep", "asyncio.sleep", "anyio.sleep", "sleep"}
MODULES = sorted(
    module
    for module in TESTS.rglob("*.py")
    if not {"integration", "projects"} & set(module.relative_to(TESTS).parts)
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(TESTS)))
def test_no_sleeps_outside_integration(module: Path) -> None:
    sleeps = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in PATIENT
        and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]
    assert sleeps == [], "use the test clock, or wait for the event itself"
