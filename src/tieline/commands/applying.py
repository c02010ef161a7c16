"""`tieline apply` and `tieline export`: resources from a file, and back into one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_CONFIGURATION,
    CommandFailed,
    ConfigOption,
    JsonOption,
    console,
    examples,
    open_store,
    print_json,
    print_text,
    resource_admin,
    run,
)

if TYPE_CHECKING:
    from tieline.resources.diff import Change
    from tieline.resources.plan import Plan

MARKS = {"create": ("+", "green"), "update": ("~", "yellow"), "remove": ("-", "red")}


EXAMPLES = examples("tieline apply -f resources.yaml --dry-run", "tieline apply -f resources.yaml")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("apply", epilog=EXAMPLES)(apply)
    app.command("export")(export)


def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="The resource file; - reads standard input.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and change nothing.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove resources that the file does not name.")
    ] = False,
) -> None:
    """Make the resources as a file describes them: accounts, projects, pools, trunks, tokens and keys.

    Safe to repeat. New keys and tokens are shown once, here, and stored hashed.
    """
    plan = run(_apply(file, config, dry_run=dry_run, prune=prune))
    if as_json:
        print_json(plan_as_json(plan, dry_run=dry_run))
        return
    show_plan(plan, dry_run=dry_run)


def export(config: ConfigOption = None) -> None:
    """Print all resources as a file that `tieline apply` takes; keys as hashes, secrets by name only."""
    from tieline.model.principal import COMMAND_LINE

    async def work() -> str:
        async with open_store(config) as opened:
            return await resource_admin(opened).export(COMMAND_LINE)

    print_text(run(work()))


def read_file(file: Path) -> tuple[Path, str]:
    """A resource file's name and text; of `-` what comes on standard input."""
    if str(file) == "-":
        return Path("stdin"), sys.stdin.read()
    try:
        return file, file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{file}: cannot be read: {error.strerror}", EXIT_CONFIGURATION) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file}: is not UTF-8 text", EXIT_CONFIGURATION) from None


async def _apply(file: Path, config: Path | None, *, dry_run: bool, prune: bool) -> Plan:
    from tieline.model.principal import COMMAND_LINE

    path, text = read_file(file)
    async with open_store(config) as opened:
        return await resource_admin(opened).apply(COMMAND_LINE, text, file=path, prune=prune, dry_run=dry_run)


def plan_as_json(plan: Plan, *, dry_run: bool = False) -> dict[str, Any]:
    """What changes, for scripts."""
    from tieline.handoff.check import CheckLevel

    return {
        "dry_run": dry_run,
        "changes": [
            {
                "kind": one.kind,
                "name": one.name,
                "action": one.action,
                "fields": [{"field": f.field, "before": f.before, "after": f.after} for f in one.fields],
            }
            for one in plan.changes
        ],
        "remarks": [remark for remark in plan.remarks if remark.level is not CheckLevel.INFO],
        "issued": [
            {"kind": one.kind, "name": one.name, "secret": None if dry_run else one.secret}
            for one in plan.issued
        ],
    }


def show_plan(plan: Plan, *, dry_run: bool = False) -> None:
    """What changes, for people, and the secrets that were made."""
    out = console()
    if not plan.changes:
        out.print("nothing to change", style="dim")
        return
    for change in plan.changes:
        _show_change(out, change)
    show_remarks(plan)
    if dry_run:
        out.print("dry run: nothing was changed", style="bold")
        return
    for issued in plan.issued:
        kind = "key" if issued.kind == "api_keys" else "token"
        out.print(f"\n[bold]{kind} {issued.name}[/] (shown only now):")
        out.print(f"  {issued.secret}", markup=False)


def show_remarks(plan: Plan) -> None:
    """What will not get through of the handoffs, on standard error; `tieline handoff check` says more."""
    from tieline.handoff.check import CheckLevel

    err = console(stderr=True)
    for remark in plan.remarks:
        if remark.level is not CheckLevel.INFO:
            err.print(f"{remark.level}: {remark.project}: {remark}", style="yellow", markup=False)


def _show_change(out: Any, change: Change) -> None:
    mark, style = MARKS[change.action]
    out.print(f"{mark} {change.kind} {change.name}", style=f"bold {style}", markup=False)
    for field in change.fields:
        if field.before is None or field.after is None:
            text = f"    {field.field}: {field.after if field.before is None else field.before}"
        else:
            text = f"    {field.field}: {field.before} -> {field.after}"
        out.print(text, style=style, markup=False)
