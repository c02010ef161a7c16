"""Changing one resource from the command line: options become an edit of its fields, carried out by `tieline.admin`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieline.commands.applying import plan_as_json, show_plan
from tieline.commands.context import (
    EXIT_USAGE,
    CommandFailed,
    OpenStore,
    open_store,
    print_json,
    resource_admin,
    run,
)

if TYPE_CHECKING:
    from tieline.admin.errors import InvalidFields
    from tieline.resources.plan import Plan

Fields = dict[str, Any]
Edit = Callable[[Fields | None, OpenStore], Fields]
"""From a resource's fields as a file has them (None when it is not there) to what they shall be."""

NOUNS = {"trunks": "trunk", "pools": "pool", "projects": "project"}


def create(kind: str, name: str, given: Mapping[str, Any]) -> Edit:
    """Make a resource of the given options; those that are None were not given."""

    def edit(there: Fields | None, _: OpenStore) -> Fields:
        if there is not None:
            noun = NOUNS[kind]
            raise CommandFailed(f"there is a {noun} {name} already; change it with `tieline {noun} set`")
        return _given(given)

    return edit


def update(kind: str, name: str, given: Mapping[str, Any], clear: Iterable[str] | None) -> Edit:
    """Lay the given options over a resource's fields; `clear` names fields that get their default again."""
    cleared = {field.replace("-", "_") for field in clear or ()}
    wanted = _given(given)
    unknown = sorted(cleared - set(given))
    if unknown:
        known = ", ".join(sorted(given))
        raise CommandFailed(f"--clear: there is no field {unknown[0]} (known: {known})", EXIT_USAGE)
    if not wanted and not cleared:
        raise CommandFailed("nothing to change: give at least one option", EXIT_USAGE)
    both = sorted(cleared & set(wanted))
    if both:
        raise CommandFailed(f"{_option(both[0])} is given, and cleared", EXIT_USAGE)

    def edit(there: Fields | None, _: OpenStore) -> Fields:
        kept = {field: value for field, value in _existing(kind, name, there).items() if field not in cleared}
        return {**kept, **wanted}

    return edit


def change(config: Path | None, kind: str, name: str, edit: Edit, *, as_json: bool) -> None:
    """Carry an edit out in one transaction, checked as `tieline apply` checks, and show what it changed."""
    _show(run(_change(config, kind, name, edit)), as_json=as_json)


def remove(config: Path | None, kind: str, name: str, *, as_json: bool) -> None:
    """Remove a resource, unless others need it, and show what that changed."""
    _show(run(_remove(config, kind, name)), as_json=as_json)


async def _change(config: Path | None, kind: str, name: str, edit: Edit) -> Plan:
    from tieline.admin.errors import InvalidFields
    from tieline.model.principal import COMMAND_LINE

    async with open_store(config) as opened:
        try:
            return await resource_admin(opened).edit(
                COMMAND_LINE, kind, name, lambda there: edit(there, opened)
            )
        except InvalidFields as error:
            raise _refusal(kind, error) from None


async def _remove(config: Path | None, kind: str, name: str) -> Plan:
    from tieline.admin.errors import InvalidFields
    from tieline.model.principal import COMMAND_LINE

    async with open_store(config) as opened:
        try:
            return await resource_admin(opened).remove(COMMAND_LINE, kind, name)
        except InvalidFields as error:
            raise _refusal(kind, error) from None


def _refusal(kind: str, error: InvalidFields) -> CommandFailed:
    """The faults of a change, each placed at the option that it concerns."""
    from tieline.resources.kinds import KINDS

    known = {field.name for field in KINDS[kind]}
    lines = []
    for fault in error.faults:
        place, field = fault.field or "options", fault.field.split(".")[0].split("[")[0]
        if field in known:
            place = "--title" if (kind, field) == ("projects", "name") else _option(field)
        lines.append(f"{place}: {fault.message}")
    return CommandFailed("\n".join(lines), EXIT_USAGE)


def _option(field: str) -> str:
    if field in {"name", "slug"}:
        return "NAME"
    return f"--{field.replace('_', '-')}{'-env' if field.endswith('password') else ''}"


def _existing(kind: str, name: str, there: Fields | None) -> Fields:
    """The fields of a resource that has to be there, with those that a file must name even when empty."""
    if there is None:
        raise CommandFailed(f"there is no {NOUNS[kind]} {name}")
    return {"numbers": [], **there} if kind == "pools" else there


def _given(options: Mapping[str, Any]) -> Fields:
    return {field: value for field, value in options.items() if value not in (None, [])}


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan_as_json(plan))
    else:
        show_plan(plan)
