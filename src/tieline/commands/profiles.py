"""`tieline profile list` and `show`: the dialects of contact centres and carriers that a trunk may name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tieline.commands.context import JsonOption, console, print_fields, print_json, print_rows

profile = typer.Typer(name="profile", help="Look at the profiles of trunks.", no_args_is_help=True)


@profile.command("list")
def list_profiles(as_json: JsonOption = False) -> None:
    """List the profiles: what each takes, and how many headers get through."""
    from tieline.integrations.profiles import PROFILES

    rows = [
        {
            "name": one.name,
            "title": one.title,
            "refer": one.refer.supported,
            "bye_headers": one.bye_headers,
            "max_headers": one.headers.count,
            "transport": one.transport.value,
            "encryption": one.encryption.value,
            "shared_id": ", ".join(one.shared_id),
        }
        for one in PROFILES.values()
    ]
    columns = ("name", "title", "refer", "bye_headers", "max_headers", "transport", "encryption", "shared_id")
    print_rows(rows, columns, as_json=as_json)


@profile.command("show")
def show_profile(
    name: Annotated[str, typer.Argument(help="The profile.")], as_json: JsonOption = False
) -> None:
    """Show one profile: every field, and what one should know besides."""
    import msgspec

    from tieline.integrations.profiles import profile as find

    found = find(name)
    if as_json:
        print_json(found)
        return
    fields: dict[str, Any] = msgspec.to_builtins(found)
    about, notes = " ".join(fields.pop("about").split()), fields.pop("notes")
    out = console()
    out.print(about, markup=False)
    out.print()
    print_fields(dict(_flat(fields)), as_json=False)
    out.print()
    for note in notes:
        out.print(f"- {note}", markup=False)


def _flat(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """Nested fields beside the others, under both names."""
    rows: list[tuple[str, Any]] = []
    for name, value in fields.items():
        if name == "context":
            rows.append((name, ", ".join(f"{one['key']} from {one['header']}" for one in value)))
        elif name == "ladder":
            rows += [
                (f"after {method}", ", then ".join(rung["method"] for rung in rungs))
                for method, rungs in value.items()
            ]
        elif isinstance(value, dict):
            rows += [(f"{name} {inner}", each) for inner, each in value.items()]
        else:
            # In the order given, best first; a list would be sorted.
            rows.append((name, ", ".join(value) if isinstance(value, list | tuple) else value))
    return rows
