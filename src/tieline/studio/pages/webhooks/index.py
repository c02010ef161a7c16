"""All webhook endpoints and how they do, and making one."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieline.admin.webhooks import ListedWebhook
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page
from tieline.studio.pages.webhooks.fields import (
    add_fields,
    attempt_text,
    endpoint_badge,
    percent,
    show_secret,
)
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.tables import Column

COLUMNS = (
    Column("name", "Endpoint"),
    Column("state", "State", "badge"),
    Column("events", "Events", "chips", sortable=False, nowrap=True),
    Column("project", "Project"),
    Column("rate", "Delivered", "number"),
    Column("waiting", "Waiting", "number"),
    Column("failed_at", "Last failure", "ago", blank="none"),
)
NOTHING = Nothing(
    "webhook",
    "No endpoints yet",
    "Name a URL, and it gets a signed request for each event: a call that ended, a handoff state that changed, a pool "
    "that ran out of numbers.",
)
SHOWN_TYPES = 2
SHORT = 60


@page("/webhooks", "Webhooks", icon="webhook", group=Group.CONFIGURE, order=25)
async def webhooks(view: View) -> None:
    """A table of the endpoints."""
    view.heading.subtitle(
        "URLs of yours that are told what happens: calls, handoffs, reservations, trunks, messages."
    )
    index = Index(view, Right.BUILD, "Add endpoint", lambda: _add(view), NOTHING)
    found = await view.admin.webhooks.webhooks(view.who)
    index.table(COLUMNS, [_row(one) for one in found], path="/webhooks", label="Endpoints", sort_by="name")


def _row(one: ListedWebhook) -> dict[str, Any]:
    text, tone = endpoint_badge(one)
    types = [each.value for each in one.events]
    shown = types[:SHOWN_TYPES] + ([f"+{len(types) - SHOWN_TYPES}"] if len(types) > SHOWN_TYPES else [])
    return {
        "id": one.name, "name": one.name, "name_path": f"/webhooks/{one.name}", "name_sub": one.url,
        "state": text, "state_tone": tone.value, "events": shown or ["all"],
        "project": one.project or "all", "project_sub": one.account, "rate": percent(one.success_rate),
        "waiting": one.waiting,
        "failed_at": one.last_failure.at if one.last_failure else None,
        "failed_at_sub": _short(attempt_text(one.last_failure)),
    }  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


async def _add(view: View) -> None:
    """Ask for a new endpoint, and show its secret."""

    async def act() -> None:
        fields = {key: value for key, value in dialog.form.values().items() if value not in (None, False)}
        made = await view.admin.webhooks.create(view.who, fields)
        show_secret(made.name, made.secret, "", lambda: ui.navigate.to(f"/webhooks/{made.name}"))

    dialog = Dialog("Add endpoint", "Add", act)
    await add_fields(view, dialog.form)
    dialog.open()
