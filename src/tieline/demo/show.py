"""How the demonstration looks on a terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from tieline.demo.exchange import Exchange
from tieline.observe.ladder import Ladder

INDENT = "    "
WIDTH = 110
KEY_SHOWN = 8


class Screen:
    """Prints the demonstration part by part."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=False)
        self._number = 0

    def title(self, text: str, below: str) -> None:
        """The head of the whole."""
        self._console.print(Text(f"\n{text}", style="bold"))
        self._console.print(Text(below, style="dim"))

    def part(self, title: str) -> None:
        """The head of the next part."""
        self._number += 1
        self._console.print(Text.assemble("\n", (f" {self._number} ", "bold reverse"), (f" {title}", "bold")))

    def line(self, text: str, style: str = "") -> None:
        """One line of prose."""
        self._console.print(Text(f"{INDENT}{text}", style=style))

    def text(self, text: str) -> None:
        """Lines that are laid out already."""
        self._console.print(Text(textwrap.indent(text, INDENT)), soft_wrap=True)

    def exchange(self, shown: Exchange) -> None:
        """An HTTP request and its answer."""
        self._console.print(
            Text.assemble(INDENT, ("▶ ", "green"), (f"{shown.method} {shown.path}", "bold green"))
        )
        self._console.print(Text(f"{INDENT}  x-api-key: {shown.key[:KEY_SHOWN]}…", style="dim"))
        if shown.body is not None:
            self._json(shown.body)
        style = "green" if shown.status < 400 else "bold red"
        self._console.print(
            Text.assemble(INDENT, ("◀ ", style), (f"{shown.status} {shown.phrase}", f"bold {style}"))
        )
        if shown.answer is not None:
            self._json(shown.answer)

    def _json(self, value: Any) -> None:
        text = textwrap.indent(json.dumps(value, indent=2, ensure_ascii=False), f"{INDENT}  ")
        if self._console.is_terminal:
            self._console.print(Syntax(text, "json", background_color="default", word_wrap=False))
        else:
            self._console.print(Text(text))

    def ladder(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """A SIP ladder."""
        self._console.print(Ladder(entries).rich(), soft_wrap=True)

    def spoken(self, who: str, text: str) -> None:
        """One line of the transcript."""
        style = "cyan" if who == "agent" else "yellow"
        body = textwrap.wrap(text, min(WIDTH, self._console.width) - 16) or [""]
        self._console.print(Text.assemble(INDENT, (f"{who:>8}  ", f"bold {style}"), body[0]))
        for more in body[1:]:
            self._console.print(Text(f"{INDENT}{'':>8}  {more}"))

    def step(self, text: str, held: bool, detail: str = "") -> None:
        """Whether something that had to hold did."""
        mark, style = ("✔", "green") if held else ("✘", "bold red")
        self._console.print(
            Text.assemble(INDENT, (f"{mark} ", style), text, (f"  {detail}" if detail else "", "dim"))
        )

    def command(self, text: str) -> None:
        """A command to copy."""
        self._console.print(Text(textwrap.indent(text, INDENT), style="bold"), soft_wrap=True)
