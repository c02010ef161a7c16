"""`tieline project set`: the simple fields of a project; the rest is in the resource file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieline.commands.changing import change, update
from tieline.commands.context import ConfigOption, JsonOption
from tieline.commands.field_options import ClearOption


def register(app: typer.Typer) -> None:
    """Add the command to `tieline project`."""
    app.command("set")(set_project)


def set_project(
    slug: Annotated[str, typer.Argument(help="The project's slug.")],
    title: Annotated[str | None, typer.Option("--title", help="Name for people.")] = None,
    path: Annotated[
        Path | None, typer.Option(help="The agent project's folder; it is checked first.")
    ] = None,
    env: Annotated[
        str | None, typer.Option(help="Environment that the agent sees: sandbox, pre-release or live.")
    ] = None,
    numbers: Annotated[
        list[str] | None,
        typer.Option(help="Its numbers without a reservation: a number or a range; repeat for more."),
    ] = None,
    answer_only: Annotated[
        bool | None,
        typer.Option("--answer-only/--no-answer-only", help="Answer and hold calls, without an agent."),
    ] = None,
    fallback_handoff: Annotated[str | None, typer.Option(help="Destination when the agent fails.")] = None,
    clear: ClearOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a project: what is given replaces what was there, the rest stays. Calls that are up keep theirs.

    Destinations, secrets and what Get Handoff exposes are changed with `tieline apply`.
    """
    given = {
        "name": title,
        "path": None if path is None else str(path.absolute()),
        "env": env,
        "numbers": numbers,
        "answer_only": answer_only,
        "fallback_handoff": fallback_handoff,
    }
    change(config, "projects", slug, update("projects", slug, given, clear), as_json=as_json)
