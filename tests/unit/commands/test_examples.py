"""What the help of a command says one would type is something that the command takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tieline.cli import app


def walk(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from walk(inner)


ROOT = typer.main.get_command(app)
EXAMPLES = [
    line.strip()
    for command in walk(ROOT)
    for line in (command.epilog or "").splitlines()
    if line.strip().startswith("tieline ")
]


def test_there_are_some() -> None:
    assert len(EXAMPLES) > 10


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_a_command_line(line: str) -> None:
    command: Any = ROOT
    words = shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)
