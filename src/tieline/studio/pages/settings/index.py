"""Every setting with its value and source, the server's state, and the resources as YAML."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieline.admin.installation import Installation, SettingRow
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.pages.settings.applying import apply_dialog
from tieline.studio.parts.cards import columns, titled_card, values
from tieline.studio.parts.states import Tone, badge, empty, tell
from tieline.studio.parts.tables import Column, DataTable

COLUMNS = (
    Column("key", "Setting", "mono", nowrap=True),
    Column("value", "Value", "mono"),
    Column("source", "From"),
    Column("meaning", "Meaning", sortable=False),
)


@page("/settings", "Settings", icon="settings", group=Group.CONFIGURE, order=90)
async def settings(view: View) -> None:
    """What this installation is and how it is set up."""
    found = await view.admin.installation.installation(view.who)
    view.heading.subtitle("Settings are read when the server starts, from tieline.toml and the environment.")
    with columns():
        _state(found)
        _resources(view)
    _table(found)


def _state(found: Installation) -> None:
    with titled_card("This server") as beside:
        with beside:
            badge(
                "not ready" if found.not_ready else "takes calls", Tone.BAD if found.not_ready else Tone.GOOD
            )
        for reason in found.not_ready:
            tell(text=reason, tone=Tone.BAD)
        values(dict(found.about))


def _resources(view: View) -> None:
    with titled_card("Resources as a file"):
        ui.label(
            "Accounts, projects, pools, trunks, keys and the rest, as the YAML that tieline apply takes. Secrets are "
            "not in it: they stand there as references."
        ).classes("tl-muted")

        async def export() -> None:
            with telling():
                text = await view.admin.resources.export(view.who)
                ui.download.content(text, "tieline-resources.yaml", "application/yaml")

        with ui.element("div").classes("tl-row"):
            ui.button("Export as YAML", icon="download", on_click=export).props("outline")
            if _may_apply(view):
                ui.button("Apply a YAML", icon="upload", on_click=lambda: apply_dialog(view)).props("outline")
            else:
                ui.label("To apply a file takes every right.").classes("tl-muted tl-small")


def _may_apply(view: View) -> bool:
    needed = (Right.USERS, Right.BUILD, Right.TELEPHONY, Right.SECRETS)
    return view.who.account is None and all(view.may(right) for right in needed)


def _table(found: Installation) -> None:
    with titled_card("Settings", flush=True) as beside:
        with beside:
            field = ui.input(placeholder="Search").props(
                'outlined dense clearable debounce=150 aria-label="Search"'
            )
            only = ui.switch("Changed ones only").props('aria-label="Changed ones only"')
        table = DataTable(COLUMNS, [], label="Settings", per_page=25, sort_by="key")
        with table.when_empty():
            empty("search_off", "No such setting")

        def show() -> None:
            wanted = (field.value or "").casefold()
            table.rows = [
                _row(one)
                for one in found.settings
                if (one.changed or not only.value)
                and wanted in f"{one.key} {one.meaning} {one.env}".casefold()
            ]

        field.on_value_change(show)
        only.on_value_change(show)
        show()


def _row(one: SettingRow) -> dict[str, Any]:
    default = _shown(one.default, one.unit)
    return {
        "id": one.key, "key": one.key, "key_sub": one.env, "value": _shown(one.value, one.unit),
        "value_sub": f"default: {default}" if one.changed else "", "source": _place(one.source),
        "meaning": one.meaning.replace("`", ""),
    }  # fmt: skip


def _place(source: str) -> str:
    """A file and line without the folder, which the card above has."""
    return source.rpartition("/")[2]


def _shown(value: Any, unit: str) -> str:
    if value is None or value == "":
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value} {unit}".strip()
