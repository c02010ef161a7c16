"""`tieline serve`, `demo`, `phone`, `chat` and `bench`: the commands that run something."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    CommandFailed,
    ConfigOption,
    open_store,
    read_settings,
    run,
)
from tieline.commands.credentials import find_project


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("serve")(serve)
    app.command("demo")(demo)
    app.command("phone", context_settings=PASS_ON, add_help_option=False)(phone)
    app.command("chat")(chat)
    app.command("bench", context_settings=PASS_ON, add_help_option=False)(bench)


PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def serve(
    config: ConfigOption = None,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Write the addresses there, as JSON, once calls are taken."),
    ] = None,
) -> None:
    """Run the server until SIGTERM or SIGINT: then no new calls, and running ones may finish."""
    from tieline.observe.logging import configure_logging

    settings = read_settings(config)
    configure_logging(settings.log.level, settings.log.format, personal_data=settings.log.personal_data)
    from tieline.server import run_server

    status = run_server(settings, ready_file=ready_file)
    if status:
        raise typer.Exit(status)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End by itself; status 0 only if every step held.")
    ] = False,
) -> None:
    """Play the whole path with a real call on this machine, and show it."""
    from tieline.demo import run_demo

    status = run_demo(once=once)
    if status:
        raise typer.Exit(status)


def phone(context: typer.Context) -> None:
    """Call a number with the built-in softphone; see `tieline phone --help`."""
    module: Any = _load("tieline.softphone.command", "the softphone")
    status = module.main(list(context.args))
    if status:
        raise typer.Exit(status)


def bench(context: typer.Context) -> None:
    """Measure this machine (from a source checkout): reservations, calls, media, memory."""
    module: Any = _load("bench.__main__", "the bench scripts of a source checkout")
    status = module.main(list(context.args))
    if status:
        raise typer.Exit(status)


def _load(name: str, what: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise CommandFailed(f"{what} cannot be found", EXIT_UNAVAILABLE) from None
        raise


def chat(
    project: Annotated[str, typer.Argument(help="A project folder, or the slug of a project.")],
    config: ConfigOption = None,
    attributes: Annotated[
        str | None, typer.Option("--attributes", "-a", help="Attributes of the call, as a JSON object.")
    ] = None,
    caller: Annotated[str | None, typer.Option(help="The caller's number.")] = None,
) -> None:
    """Talk to an agent in the terminal, with the same code that runs on calls."""
    from tieline.agent.chat import run_chat

    given = _read_attributes(attributes)
    folder = Path(project)
    secrets: dict[str, str] = {}
    if not folder.is_dir():
        found = run(_find(project, config))
        if found.path is None:
            raise CommandFailed(f"{project} has no agent to talk to")
        folder, secrets = Path(found.path), found.secrets
    status = run_chat(folder, given, None, sys.stdin, sys.stdout, caller_number=caller, secrets=secrets)
    if status:
        raise typer.Exit(status)


def _read_attributes(text: str | None) -> dict[str, Any]:
    from tieline.errors import InvalidInput
    from tieline.http.json_input import parse_json

    if text is None:
        return {}
    try:
        value = parse_json(text.encode())
    except InvalidInput as error:
        raise CommandFailed(f"--attributes: {error.message}", EXIT_USAGE) from None
    if not isinstance(value, dict):
        raise CommandFailed("--attributes must be a JSON object", EXIT_USAGE)
    return value


async def _find(name: str, config: Path | None) -> Any:
    async with open_store(config) as opened:
        return find_project(await opened.store.resources(), name)
