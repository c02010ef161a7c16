"""`tieline doctor` and `tieline migrate`: is all well, and bring the database up to date."""

from __future__ import annotations

from pathlib import Path

import typer

from tieline.commands.context import (
    EXIT_NO,
    ConfigOption,
    JsonOption,
    console,
    print_json,
    read_settings,
)

STYLES = {
    "ok": ("✓", "green"),
    "advice": ("!", "yellow"),
    "fault": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("doctor")(doctor)
    app.command("migrate")(migrate)


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look for what would keep calls from working, and name the fault and the fix.

    Checks the settings, addresses, ports, port range, certificates, clock, database, voice, projects, trunks and
    their targets, and limits. Status 1 when there is a fault.
    """
    from tieline.commands.doctor import run_checks

    findings = run_checks(config)
    faulty = any(one.level == "fault" for one in findings)
    if as_json:
        print_json({"ok": not faulty, "findings": findings})
    else:
        out = console()
        for one in findings:
            mark, style = STYLES[one.level]
            out.print(f"{mark} {one.check}: {one.message}", style=style, markup=False)
            if one.fix:
                out.print(f"    {one.fix}", markup=False)
    if faulty:
        raise typer.Exit(EXIT_NO)


def migrate(config: ConfigOption = None) -> None:
    """Bring the database to this release's schema; the server must be stopped."""
    from tieline.store.migration import migrate as bring_up_to_date

    path = Path(read_settings(config).store.path)
    version = bring_up_to_date(path)
    console().print(f"{path} has schema {version}", markup=False)
