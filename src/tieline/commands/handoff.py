"""`tieline handoff list` and `check`: where callers can be handed to, and what of it will not get through."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_NO,
    CommandFailed,
    ConfigOption,
    JsonOption,
    console,
    examples,
    open_store,
    print_json,
    print_rows,
    run,
)
from tieline.commands.credentials import find_project

if TYPE_CHECKING:
    from tieline.model.handoff import Destination, Rung
    from tieline.model.resources import Resources
    from tieline.resources.handoff_check import HandoffRemark

handoff = typer.Typer(
    name="handoff", help="Look at handoffs, and check them before the first call.", no_args_is_help=True
)

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        show_default=False,
        help="A resource file, instead of the database; - reads standard input.",
    ),
]
ProjectOption = Annotated[str | None, typer.Option(help="One project only.")]
STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


@handoff.command("list")
def list_handoffs(
    file: FileOption = None,
    project: ProjectOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the destinations of every project, those of its folder included, each with what is tried when it fails."""
    from tieline.resources.handoff_check import destinations_of

    resources = _resources(file, config)
    rows = [
        {"project": one.slug, **_row(destination)}
        for one in _projects(resources, project)
        for destination in destinations_of(one)
    ]
    columns = ("project", "destination", "default", "method", "route", "fallback", "headers", "description")
    print_rows(rows, columns, as_json=as_json, empty="no destinations: a handoff is a plain BYE")


@handoff.command(
    "check",
    epilog=examples("tieline handoff check -f resources.yaml", "tieline handoff check --trunk carrier"),
)
def check(
    file: FileOption = None,
    project: ProjectOption = None,
    trunk: Annotated[str | None, typer.Option(help="One trunk only.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say before the first call what will not get through, for each destination and trunk, and what to do about it.

    Goes by the profile of each trunk and by its own settings. Ends with status 1 when something cannot work.
    """
    from tieline.resources.handoff_check import check_handoffs, destinations_of, trunks_of

    resources = _resources(file, config)
    wanted = {one.slug: one for one in _projects(resources, project)}
    if trunk is not None and all(one.name != trunk for one in resources.trunks):
        raise CommandFailed(f"there is no trunk {trunk}")
    remarks = [
        one
        for one in check_handoffs(resources)
        if one.project in wanted and (trunk is None or trunk in one.trunks)
    ]
    if as_json:
        print_json({"ok": not _fails(remarks), "findings": remarks})
    else:
        destinations = sum(len(destinations_of(one)) for one in wanted.values())
        trunks = {name.name for one in wanted.values() for name in trunks_of(one, resources)}
        _show(remarks, destinations, len(trunks) if trunk is None else 1)
    if _fails(remarks):
        raise typer.Exit(EXIT_NO)


def _fails(remarks: list[HandoffRemark]) -> bool:
    return any(one.level == "error" for one in remarks)


def _row(destination: Destination) -> dict[str, Any]:
    config = destination.sip_config
    steps = destination.fallback
    return {
        "destination": destination.name,
        "default": destination.is_default,
        "method": config.method.value,
        "route": config.phone_number,
        "fallback": "of the profile" if steps is None else ", then ".join(map(_step, steps)) or "none",
        "headers": [header.key for header in destination.sip_headers],
        "description": destination.description,
    }


def _step(rung: Rung) -> str:
    words = (
        rung.method.value if rung.method else None,
        f"to {rung.destination}" if rung.destination else None,
    )
    return " ".join(word for word in words if word)


def _show(remarks: list[HandoffRemark], destinations: int, trunks: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not destinations:
        out.print("no destinations to check", style="dim")
        return
    if not remarks:
        what = f"{_count(destinations, 'destination')} on {_count(trunks, 'trunk')}"
        out.print(f"{what}: nothing to remark upon", style="green")
        return
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False, header_style="bold")
    for column in ("level", "project", "destination", "trunks", "what", "what to do"):
        table.add_column(column, overflow="fold", no_wrap=not out.is_terminal)
    for one in remarks:
        words = (one.level, one.project, one.destination, ", ".join(one.trunks), one.message, one.fix)
        table.add_row(*(Text(word) for word in words), style=STYLES[one.level])
    out.print(table)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _projects(resources: Resources, name: str | None) -> tuple[Any, ...]:
    return resources.projects if name is None else (find_project(resources, name),)


def _resources(file: Path | None, config: Path | None) -> Resources:
    """The resources of the file, or of the database."""
    if file is not None:
        return _read_file(file)

    async def work() -> Resources:
        async with open_store(config) as opened:
            return await opened.store.resources()

    return run(work())


def _read_file(file: Path) -> Resources:
    """The resources that a file describes; no secret need be in the environment, for none matters here."""
    from tieline.commands.applying import read_file
    from tieline.model.resources import Resources
    from tieline.resources.plan import Applier

    path, text = read_file(file)
    applier = Applier(
        file=path, text=text, environ=_Anything(os.environ), random_bytes=os.urandom, allow_hopeless=True
    )
    return applier.plan(Resources()).resources


class _Anything(dict[str, str]):
    """An environment in which every variable is set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)

    def get(self, name: str, default: Any = None) -> Any:
        """The variable's value, or one that stands for it."""
        return super().get(name) or f"the value of the variable {name}"
