"""`tieline trunk` and `tieline project`: who may call, and who answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_NO,
    CommandFailed,
    ConfigOption,
    JsonOption,
    console,
    open_store,
    print_fields,
    print_json,
    print_rows,
    run,
)
from tieline.commands.credentials import find_project

if TYPE_CHECKING:
    from tieline.model.handoff import Destination
    from tieline.model.project import Project
    from tieline.model.trunk import Trunk

_ASK_S = 5.0
"""How long a running server is waited for."""

trunk = typer.Typer(name="trunk", help="Look at SIP trunks, and change them.", no_args_is_help=True)
project = typer.Typer(
    name="project", help="Look at projects, change them and check their folders.", no_args_is_help=True
)


@trunk.command("list")
def list_trunks(
    server: Annotated[
        str | None, typer.Option(help="URL of the running server, to see which trunks are up and registered.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the SIP peers that may call."""
    states = _ask_states(server) if server is not None else {}

    async def work() -> list[dict[str, Any]]:
        async with open_store(config) as opened:
            trunks = (await opened.store.resources()).trunks
            return [show_fields(one) | _state_of(states.get(one.name), server) for one in trunks]

    columns = (
        "name",
        *(("state", "registered") if server is not None else ()),
        "profile",
        "networks",
        "target",
        "account",
        "require_token",
        "number_from",
        "max_calls",
        "max_cps",
    )
    print_rows(run(work()), columns, as_json=as_json, empty="no trunks: every call is refused")


def _state_of(known: dict[str, Any] | None, server: str | None) -> dict[str, Any]:
    """What the server knows of a trunk: nothing of one that it does not watch."""
    return {} if server is None else known or {"state": "not watched", "registered": None}


def _ask_states(server: str) -> dict[str, dict[str, Any]]:
    """The states of a running server's trunks, by name. Raises `CommandFailed`."""
    import json
    import urllib.error
    import urllib.request

    url = f"{server.rstrip('/')}/health/ready"
    if not url.startswith(("http://", "https://")):
        raise CommandFailed(f"{server} is no http or https URL")
    try:
        try:
            with urllib.request.urlopen(url, timeout=_ASK_S) as response:
                body = response.read()
        except urllib.error.HTTPError as error:  # a server that is not ready tells all the same
            body = error.read()
        states: dict[str, dict[str, Any]] = json.loads(body)["trunks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{url} does not say how trunks are: {error}") from None
    return states


@trunk.command("show")
def show_trunk(
    name: Annotated[str, typer.Argument(help="The trunk.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one trunk, with the pools that trust it."""

    async def work() -> dict[str, Any]:
        async with open_store(config) as opened:
            resources = await opened.store.resources()
            for one in resources.trunks:
                if one.name == name:
                    pools = [pool.name for pool in resources.pools if name in pool.trunks]
                    return {**show_fields(one), "pools": pools}
        raise CommandFailed(f"there is no trunk {name}")

    print_fields(run(work()), as_json=as_json)


def show_fields(trunk: Trunk) -> dict[str, Any]:
    """A trunk's fields for people and scripts: of its secrets, whether they are there."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(trunk)
    return fields | {field: "(hidden)" for field in trunk.hidden if fields[field] is not None}


@project.command("list")
def list_projects(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the projects."""

    async def work() -> list[dict[str, Any]]:
        async with open_store(config) as opened:
            resources = await opened.store.resources()
            return [
                {
                    "slug": one.slug,
                    "id": one.id,
                    "account": one.account,
                    "env": one.env,
                    "numbers": list(one.numbers),
                    "pools": [pool.name for pool in resources.pools if pool.project == one.id],
                    "path": one.path or "(answer only)",
                }
                for one in resources.projects
            ]

    columns = ("slug", "account", "env", "numbers", "pools", "path")
    print_rows(run(work()), columns, as_json=as_json, empty="no projects; see `tieline apply`")


@project.command("show")
def show_project(
    name: Annotated[str, typer.Argument(help="The project's slug or id.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one project: its pools, destinations and what Get Handoff exposes; its secrets by name only."""

    async def work() -> dict[str, Any]:
        import msgspec

        async with open_store(config) as opened:
            resources = await opened.store.resources()
            found = find_project(resources, name)
            fields: dict[str, Any] = msgspec.to_builtins(found)
            fields["secrets"] = sorted(found.secrets)
            return {**fields, "pools": [pool.name for pool in resources.pools if pool.project == found.id]}

    fields = run(work())
    if not as_json:
        fields["handoffs"] = [one["name"] for one in fields["handoffs"]]
        fields["handoff_api"] = fields["handoff_api"]["state_keys"]
    print_fields(fields, as_json=as_json)


@project.command("check")
def check_project(
    path: Annotated[str, typer.Argument(help="A project folder, or the slug of a project.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an agent project's folder: what would fail, and what this release does not use."""
    from tieline.agent.project import check_project as check

    folder = Path(path)
    destinations: tuple[Destination, ...] = ()
    if not folder.is_dir():
        found = run(_find(path, config))
        if found.path is None:
            raise CommandFailed(f"{path} is neither a folder nor a project with one")
        folder, destinations = Path(found.path), found.handoffs
    report = check(folder, destinations=destinations)
    if as_json:
        print_json({"folder": str(folder), "ok": report.ok, "findings": list(report.findings)})
    else:
        out = console()
        styles = {"error": "bold red", "unsupported": "yellow", "warning": "yellow"}
        for finding in report.findings:
            out.print(str(finding), style=styles[finding.level], markup=False)
        if report.ok:
            out.print(f"{folder}: this project can be served", style="green", markup=False)
    if not report.ok:
        raise typer.Exit(EXIT_NO)


async def _find(name: str, config: Path | None) -> Project:
    async with open_store(config) as opened:
        found: Project = find_project(await opened.store.resources(), name)
        return found
