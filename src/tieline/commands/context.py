"""What every command shares: its common options, settings, the open store, and ways to show a result."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from tieline.admin.resources import ResourceAdmin
    from tieline.clock import SystemClock
    from tieline.config import Settings
    from tieline.store.base import Store

T = TypeVar("T")

EXIT_OK = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 3
EXIT_UNAVAILABLE = 4


def examples(*lines: str) -> str:
    """The end of a command's help: what one would type."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


EXIT_CODES: dict[int, str] = {
    EXIT_OK: "Done.",
    EXIT_NO: "The answer is no: not found, refused, or a check found faults.",
    EXIT_USAGE: "The command line is wrong.",
    EXIT_CONFIGURATION: "The settings or the resource file are wrong.",
    EXIT_UNAVAILABLE: "The database or a part of the server cannot be used.",
    130: "Interrupted.",
}
"""Every exit status, for the reference page and scripts."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="TIELINE_CONFIG", show_default=False,
        help="Settings file; without it, tieline.toml in the current directory.",
    ),
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Show at most so many.")]


class CommandFailed(Exception):
    """A command ends with a message on stderr and an exit status."""

    def __init__(self, message: str, status: int = EXIT_NO) -> None:
        super().__init__(message)
        self.status = status


def read_settings(config: Path | None) -> Settings:
    """The settings as the server would read them."""
    from tieline.config import load_settings

    return load_settings(config)


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store that a command works on, with the clock that its leases go by."""

    store: Store
    clock: SystemClock
    settings: Settings

    def now(self) -> datetime:
        """UTC as the leases go by it."""
        return self.clock.utc()


def resource_admin(opened: OpenStore) -> ResourceAdmin:
    """The one way in for changes of resources, which notes them in the audit log; relative paths begin here."""
    from tieline.admin.resources import ResourceAdmin, ResourceRules
    from tieline.admin.trail import AuditTrail
    from tieline.wiring import check_folder

    rules = ResourceRules(
        default_region=opened.settings.server.default_region, check_project=check_folder, folder=Path.cwd()
    )
    return ResourceAdmin(opened.store, opened.clock, AuditTrail(opened.store, opened.clock), rules)


@asynccontextmanager
async def open_store(config: Path | None) -> AsyncIterator[OpenStore]:
    """The database of the settings, opened beside a server that may be running."""
    from tieline.clock import SystemClock
    from tieline.store.anchor import steady_anchor
    from tieline.store.seal import seal_of
    from tieline.store.sqlite import SqliteStore

    settings = read_settings(config)
    path = Path(settings.store.path)
    clock = SystemClock(steady_anchor(path))
    store: Store = SqliteStore(path, seal=seal_of(path, settings.store.key_file))
    await store.open(clock.utc())
    try:
        yield OpenStore(store, clock, settings)
    finally:
        await store.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Carry out a command's asynchronous work."""
    import asyncio

    return asyncio.run(work)


def console(*, stderr: bool = False) -> Console:
    """Where people read. Without a terminal: plain, and as wide as need be."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, soft_wrap=not terminal, width=None if terminal else 1000)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Plain text on stdout, as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def print_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str = "nothing to show",
) -> None:
    """Rows as a table of `columns`, or all of their fields as JSON."""
    found = list(rows)
    if as_json:
        print_json(found)
        return
    if not found:
        console(stderr=True).print(empty, style="dim")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=not out.is_terminal)
    for row in found:
        table.add_row(*(Text(show_value(row.get(column))) for column in columns))
    out.print(table)


def print_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a field a line, or as JSON."""
    if as_json:
        print_json(fields)
        return
    out = console()
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        out.print(f"[bold]{name.replace('_', ' '):<{width}}[/]  ", end="")
        out.print(show_value(value), markup=False)


def show_value(value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return ", ".join(show_value(one) for one in value) or "-"
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(show_value(one) for one in value)) or "-"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()
