"""`tieline settings` and `tieline openapi`: what there is to set, and to call."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tieline.commands.context import ConfigOption, JsonOption, print_json, print_rows, read_settings


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("settings")(settings)
    app.command("openapi")(openapi)


def settings(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    defaults: Annotated[bool, typer.Option("--defaults", help="Show defaults only; read no file.")] = False,
) -> None:
    """Show every setting: its value here, its default, and what it means."""
    from tieline.config import SETTINGS, Settings

    present = Settings() if defaults else read_settings(config)
    rows: list[dict[str, Any]] = []
    for row in SETTINGS:
        value = getattr(getattr(present, row.section), row.name)
        unit = f" {row.unit}" if row.unit and not as_json else ""
        rows.append(
            {
                "setting": row.key,
                "value": value if as_json else f"{_word(value)}{unit}",
                "default": row.default if as_json else f"{_word(row.default)}{unit}",
                "unit": row.unit,
                "kind": row.kind,
                "environment": row.env,
                "meaning": row.description,
            }
        )
    print_rows(rows, ("setting", "value", "default", "meaning"), as_json=as_json)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "(unset)"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or '""'


def openapi(config: ConfigOption = None) -> None:
    """Print the OpenAPI document of the HTTP API."""
    from tieline.http.openapi import openapi_document

    print_json(openapi_document(read_settings(config).server.public_url))
