"""`tieline serve`, `demo`, `phone`, `chat` and `bench`: the commands that run something."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_CONFIGURATION,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    CommandFailed,
    ConfigOption,
    examples,
    open_store,
    read_settings,
    run,
)
from tieline.commands.credentials import find_project

if TYPE_CHECKING:
    from tieline.model.context import ContextValue
    from tieline.model.project import Project


CHAT = examples(
    """tieline chat my_agent --attributes '{"name": "Ada"}'""",
    """tieline chat my_agent --profile five9 -H "X-Five9-Session-Id: s-1\"""",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("serve")(serve)
    app.command("demo")(demo)
    app.command("phone", context_settings=PASS_ON, add_help_option=False)(phone)
    app.command("chat", epilog=CHAT)(chat)
    app.command("bench", context_settings=PASS_ON, add_help_option=False)(bench)


HEADER_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
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
    from tieline.serve import run_server

    status = run_server(settings, ready_file=ready_file)
    if status:
        raise typer.Exit(status)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End by itself; status 0 only if every step held.")
    ] = False,
    handoff: Annotated[
        bool,
        typer.Option(
            "--handoff", help="Play a handoff that fails over from REFER to INVITE to BYE instead, once."
        ),
    ] = False,
) -> None:
    """Play the whole path with a real call on this machine, and show it."""
    if handoff:
        from tieline.demo.fail_over import run_fail_over

        status = run_fail_over()
    else:
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
    import tieline

    checkout = Path(tieline.__file__).resolve().parents[2]
    if (checkout / "bench" / "__main__.py").is_file() and str(checkout) not in sys.path:
        sys.path.append(str(checkout))
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
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME:VALUE", help="A header of the INVITE; repeat for more."),
    ] = None,
    caller: Annotated[str | None, typer.Option(help="The caller's number.")] = None,
    callee: Annotated[str | None, typer.Option(help="The number that was called.")] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Read the headers, and show handoffs, as on a trunk with this profile."
        ),
    ] = "generic",
) -> None:
    """Talk to an agent in the terminal, with the same code that runs on calls.

    A project named by its slug has the destinations and secrets that are configured for it; a folder has its own.
    """
    from tieline.agent.chat import run_chat
    from tieline.commands.handoff_preview import preview_on
    from tieline.store.seal import unopened

    given, headers = _read_attributes(attributes), _read_headers(header or [])
    folder, configured = Path(project), None
    if not folder.is_dir():
        configured = run(_find(project, config))
        if configured.path is None:
            raise CommandFailed(f"{project} has no agent to talk to")
        fault = unopened(configured)
        if fault is not None:
            raise CommandFailed(f"project {configured.slug}: {fault}", EXIT_CONFIGURATION)
        folder = Path(configured.path)
    status = run_chat(
        folder,
        given,
        headers,
        sys.stdin,
        sys.stdout,
        caller_number=caller,
        callee_number=callee,
        destinations=configured.handoffs if configured is not None else (),
        sms_templates=configured.sms_templates if configured is not None else (),
        secrets=configured.secrets if configured is not None else {},
        context=_read_context(headers, profile),
        preview=preview_on(profile),
    )
    if status:
        raise typer.Exit(status)


def _read_context(headers: dict[str, str], profile: str) -> tuple[ContextValue, ...]:
    """The context that a call with these headers would bring, over a trunk with this profile."""
    from tieline.calls.call_context import read_context
    from tieline.integrations.profiles import profile as find
    from tieline.model.trunk import Trunk
    from tieline.sip.message import Headers, Request

    trunk = Trunk(name="chat", networks=(), profile=find(profile).name)
    return read_context(
        Request("INVITE", "sip:chat", Headers(headers.items())), trunk, None, frozenset()
    ).values


def _read_headers(written: list[str]) -> dict[str, str]:
    """Headers given as `NAME:VALUE`. Standard ones are welcome: a caller may send any."""
    from tieline.handoff.headers import value_fault

    found: dict[str, str] = {}
    for one in written:
        name, colon, value = one.partition(":")
        name, value = name.strip(), value.strip()
        fault = value_fault(value) if colon and HEADER_NAME.fullmatch(name) else "must be NAME:VALUE"
        if fault is not None:
            raise CommandFailed(f"--header {one[:64]!r}: {fault}", EXIT_USAGE)
        found[name] = value
    return found


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


async def _find(name: str, config: Path | None) -> Project:
    async with open_store(config) as opened:
        found: Project = find_project(await opened.store.resources(), name)
        return found
