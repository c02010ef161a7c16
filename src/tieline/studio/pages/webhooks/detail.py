"""One endpoint: how it does, its secret, and what was sent to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from tieline.admin.webhooks import ABOUT, ListedWebhook
from tieline.model.user import Right
from tieline.model.webhook import Delivery, DeliveryState, EventType
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.webhooks.fields import (
    add_fields,
    attempt_text,
    delivery_badge,
    endpoint_badge,
    percent,
    show_secret,
)
from tieline.studio.parts.cards import card, columns, figure, grid, titled_card, values
from tieline.studio.parts.dialogs import Dialog, ask, confirm_by_name
from tieline.studio.parts.menus import action, actions_menu
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, chip, tell
from tieline.studio.parts.tables import Column, DataTable, table

COLUMNS = (
    Column("type", "Event"),
    Column("state", "State", "badge"),
    Column("subject", "About", "mono"),
    Column("at", "Happened", "ago"),
    Column("attempts", "Attempts", "number"),
    Column("last", "Last attempt"),
    Column("next_at", "Next attempt", "ago"),
)
SHOWN = 200
REFRESH_S = 3.0
OVERLAPS = {"24": "A day", "1": "An hour", "168": "A week", "0": "Not at all: the old one has leaked"}


@page("/webhooks/{name}", "Webhook", icon="webhook")
async def webhook(view: View, name: str) -> None:
    """Everything about one endpoint."""
    found = await view.admin.webhooks.webhook(view.who, name)
    view.heading.title(found.name)
    view.heading.crumbs(("Webhooks", "/webhooks"))
    view.heading.subtitle(found.url)
    _actions(view, found)
    if not found.disabled and (problem := await view.admin.webhooks.check(view.who, name)) is not None:
        tell("Nothing can be sent there", f"{problem[:1].upper()}{problem[1:]}.", Tone.WARN)
    with columns():
        _facts(found)
        with titled_card("Deliveries"), grid(90):
            figure("Delivered", f"{found.delivered:,}", percent(found.success_rate))
            figure("Failed", f"{found.failed:,}")
            figure("Waiting", f"{found.waiting:,}")
    await _Deliveries(view, name).fetch()


def _facts(found: ListedWebhook) -> None:
    text, tone = endpoint_badge(found)

    def types() -> None:
        with ui.element("div").classes("tl-row"):
            for one in found.events:
                chip(one.value).tooltip(ABOUT[one])
            if not found.events:
                ui.label("all")

    with titled_card("Endpoint"):
        values(
            {
                "State": lambda: badge(text, tone),
                "Events": types,
                "Account": found.account,
                "Project": found.project or "all of the account",
                "Private address": "allowed" if found.allow_private else None,
                "Old secret signs until": found.previous_until,
                "Last failure": found.last_failure.at if found.last_failure else None,
                "Why": attempt_text(found.last_failure),
            }
        )


def _actions(view: View, found: ListedWebhook) -> None:
    admin, name = view.admin.webhooks, found.name

    async def test() -> None:
        with telling():
            sent = await admin.test(view.who, name)
            ui.navigate.to(f"/webhooks/deliveries/{sent.id}")

    async def edit() -> None:
        async def act() -> None:
            await admin.update(view.who, name, {**dialog.form.values()})
            view.redraw()

        with telling():
            dialog = Dialog(f"Edit {name}", "Save", act)
            await add_fields(view, dialog.form, found)
            dialog.open()

    async def able() -> None:
        text = "New events are not kept for it. What waits goes out when it is enabled again."
        if found.disabled or await ask(f"Disable {name}?", text, "Disable", danger=True):
            with telling():
                await admin.update(view.who, name, {"disabled": None if found.disabled else True})
                view.redraw()

    async def remove() -> None:
        await admin.remove(view.who, name)
        ui.navigate.to("/webhooks")

    def ask_removal() -> None:
        text = "What waits for it is given up; what was sent stays in the calls' records."
        confirm_by_name("endpoint", name, text, remove).open()

    with view.heading.actions:
        if view.may(Right.OPERATE) and not found.disabled:
            ui.button("Send a test", icon="send", on_click=test).props("outline")
        if found.changeable:
            ui.button("Edit", icon="edit", on_click=edit).props("outline")
            with actions_menu(f"More of {name}"):
                action("Replace the secret", lambda: _rotate(view, name))
                action("Enable" if found.disabled else "Disable", able)
                action("Delete", ask_removal, danger=True)


def _rotate(view: View, name: str) -> None:
    """Ask how long the old secret shall go on, and show the new one."""

    async def act() -> None:
        hours = int(dialog.form.values()["keep"])
        made = await view.admin.webhooks.rotate(view.who, name, timedelta(hours=hours))
        text = (
            "The old secret signs beside it for a while: put the new one into your receiver, and nothing is refused."
            if hours
            else "The old secret signs no more: put the new one into your receiver at once."
        )
        show_secret(name, made.secret, text, view.redraw)

    dialog = Dialog(f"Replace the secret of {name}", "Replace", act)
    with dialog:
        dialog.form.choice("keep", "The old secret goes on for", OVERLAPS, value="24")
    dialog.open()


class _Deliveries:
    """The table of an endpoint's deliveries with its filters, kept up to date."""

    def __init__(self, view: View, name: str) -> None:
        self._view = view
        self._name = name
        with card(flush=True):
            with ui.element("div").classes("tl-row").style("padding: 12px 16px 0"):
                self._type = _select("Event", {one.value: one.value for one in EventType}, self.fetch)
                self._state = _select("State", {one.value: one.value for one in DeliveryState}, self.fetch)
                self._subject = ui.input("About", on_change=self.fetch).props(
                    'outlined dense clearable debounce=400 aria-label="About"'
                )
                self._subject.classes("tl-grow")
            self._table: DataTable = table(
                COLUMNS, [], icon="outbox", nothing="Nothing was sent",
                text="Events appear here as they happen. The test button sends one now.", label="Deliveries",
                on_open=lambda one: ui.navigate.to(f"/webhooks/deliveries/{one}"),
            )  # fmt: skip
        refresh_every(REFRESH_S, self.fetch)

    async def fetch(self) -> None:
        """Show what is there now."""
        with telling():
            found = await self._view.admin.webhooks.deliveries(
                self._view.who,
                endpoint=self._name,
                type_=EventType(self._type.value) if self._type.value else None,
                state=DeliveryState(self._state.value) if self._state.value else None,
                subject=(self._subject.value or "").strip() or None,
                limit=SHOWN,
            )
            self._table.rows = [_row(one) for one in found]


def _select(label: str, options: dict[str, str], on_change: Any) -> ui.select:
    field = ui.select(options, label=label, clearable=True, on_change=on_change)
    return field.props("outlined dense options-dense").style("min-width: 170px")


def _row(one: Delivery) -> dict[str, Any]:
    text, tone = delivery_badge(one)
    last = one.attempts[-1] if one.attempts else None
    return {
        "id": one.id, "type": one.event.type.value, "type_path": f"/webhooks/deliveries/{one.id}",
        "state": text, "state_tone": tone.value, "subject": one.event.subject, "at": one.event.at,
        "attempts": len(one.attempts), "last": attempt_text(last), "next_at": one.next_at,
    }  # fmt: skip
