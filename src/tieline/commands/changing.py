"""Changing one resource from the command line: options become a small resource file and go the way of `apply`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieline.commands.applying import plan_as_json, show_plan
from tieline.commands.context import EXIT_USAGE, CommandFailed, OpenStore, open_store, print_json, run

if TYPE_CHECKING:
    from tieline.model.resources import Resources
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
    from tieline.resources.export import resource_fields
    from tieline.resources.kinds import identity_field

    async with open_store(config) as opened:

        def fields_of(current: Resources) -> Fields:
            found = edit(resource_fields(current, kind, name), opened)
            return {**found, identity_field(kind): name}

        current = await opened.store.resources()
        before, fields = resource_fields(current, kind, name) or {}, fields_of(current)
        with_folder = fields.get("path") != before.get("path")
        # In a thread: checking a project starts processes and waits for them with a loop of its own.
        plan = await asyncio.to_thread(_plan, opened, kind, fields, current, with_folder=with_folder)
        if not plan.changes:
            return plan
        plans: list[Plan] = []

        def carry_out(now: Resources) -> Resources:
            plans.append(_plan(opened, kind, fields_of(now), now, with_folder=False))
            return plans[-1].resources

        await opened.store.apply(carry_out, opened.now())
        return plans[-1]


def _plan(opened: OpenStore, kind: str, fields: Fields, current: Resources, *, with_folder: bool) -> Plan:
    """What the fields make of the resources. Raises `CommandFailed` with a line for each fault."""
    from tieline.errors import ConfigurationError
    from tieline.resources.export import write_document
    from tieline.resources.kinds import identity_field
    from tieline.resources.plan import Applier
    from tieline.wiring import check_folder

    applier = Applier(
        file=Path.cwd() / "options",
        text=write_document({kind: [fields]}),
        environ=os.environ,
        random_bytes=os.urandom,
        check_project=check_folder if with_folder else None,
        default_region=opened.settings.server.default_region,
    )
    try:
        return applier.plan(current)
    except ConfigurationError as error:
        raise _refusal(kind, fields[identity_field(kind)], error) from None


async def _remove(config: Path | None, kind: str, name: str) -> Plan:
    import msgspec

    from tieline.errors import ConfigurationError
    from tieline.resources.checks import check_resources
    from tieline.resources.diff import compare
    from tieline.resources.kinds import KINDS, identity_field
    from tieline.resources.plan import Plan
    from tieline.resources.reader import Reader

    plans: list[Plan] = []

    def carry_out(current: Resources) -> Resources:
        there = getattr(current, kind)
        kept = tuple(one for one in there if getattr(one, identity_field(kind)) != name)
        if len(kept) == len(there):
            raise CommandFailed(f"there is no {NOUNS[kind]} {name}")
        wanted = msgspec.structs.replace(current, **{kind: kept})
        reader = Reader("options", {})
        check_resources(wanted, reader, {one: {} for one in KINDS})
        try:
            reader.check()
        except ConfigurationError as error:
            raise _refusal(kind, name, error) from None
        plans.append(Plan(resources=wanted, changes=tuple(compare(current, wanted)), issued=()))
        return wanted

    async with open_store(config) as opened:
        await opened.store.apply(carry_out, opened.now())
    return plans[-1]


def _refusal(kind: str, name: str, error: Any) -> CommandFailed:
    """The faults of a plan, each placed at the option that it concerns instead of a line in a file."""
    lines = []
    for fault in error.fields["faults"]:
        key = fault["key"] or "options"
        for start in (f"{kind}.{name}.", f"{kind}[0].", f"{kind}."):
            if key.startswith(start) and (start != f"{kind}." or "." not in key[len(start) :]):
                field = key[len(start) :].split(".")[0].split("[")[0]
                key = "--title" if (kind, field) == ("projects", "name") else _option(field)
                break
        lines.append(f"{key}: {fault['message']}")
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
