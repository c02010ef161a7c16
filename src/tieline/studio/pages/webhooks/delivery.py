"""One delivery: the event as it was sent, and every attempt."""

from __future__ import annotations

import msgspec
from nicegui import ui

from tieline.model.user import Right
from tieline.model.webhook import Delivery, DeliveryAttempt, DeliveryState
from tieline.studio.frame import View, page, telling
from tieline.studio.pages.webhooks.fields import attempt_text, delivery_badge
from tieline.studio.parts.cards import columns, stack, titled_card, values
from tieline.studio.parts.code import code_block
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, empty
from tieline.studio.parts.times import time

REFRESH_S = 1.0


@page("/webhooks/deliveries/{delivery_id}", "Delivery", icon="webhook")
async def delivery(view: View, delivery_id: str) -> None:
    """One event on its way to one endpoint."""
    found = await view.admin.webhooks.delivery(view.who, delivery_id)
    view.heading.title(found.event.type.value)
    view.heading.crumbs(("Webhooks", "/webhooks"), (found.endpoint, f"/webhooks/{found.endpoint}"))
    view.heading.subtitle(found.id)
    shown = _Shown(view, found)
    if view.may(Right.OPERATE):
        with view.heading.actions:
            ui.button("Send again", icon="replay", on_click=shown.redeliver).props("outline")


class _Shown:
    """The delivery on the page, kept up to date while it is under way."""

    def __init__(self, view: View, found: Delivery) -> None:
        self._view = view
        self._found = found
        with columns():
            with stack() as self._left:
                pass
            with titled_card("Event") as row:
                with row:
                    ui.label("as posted").classes("tl-muted tl-small")
                posted = msgspec.json.format(msgspec.json.encode(found.event), indent=2).decode()
                code_block(posted, label="Event")
        self._draw()
        refresh_every(REFRESH_S, self._refresh)

    async def redeliver(self) -> None:
        """Send it again."""
        with telling():
            self._found = await self._view.admin.webhooks.redeliver(self._view.who, self._found.id)
            self._draw()
            ui.notify("It is sent again", type="positive")

    async def _refresh(self) -> None:
        if self._found.state is not DeliveryState.WAITING:
            return
        with telling():
            now = await self._view.admin.webhooks.delivery(self._view.who, self._found.id)
            if now != self._found:
                self._found = now
                self._draw()

    def _draw(self) -> None:
        one = self._found
        text, tone = delivery_badge(one)
        self._left.clear()
        with self._left:
            with titled_card("Delivery"):
                values(
                    {
                        "State": lambda: badge(text, tone),
                        "Endpoint": lambda: ui.link(one.endpoint, f"/webhooks/{one.endpoint}"),
                        "About": one.event.subject,
                        "Happened": one.event.at,
                        "Next attempt": one.next_at,
                    }
                )
            with titled_card("Attempts"):
                for number, attempt in reversed(list(enumerate(one.attempts, 1))):
                    _attempt(number, attempt)
                if not one.attempts:
                    empty("schedule_send", "Not tried yet")


def _attempt(number: int, one: DeliveryAttempt) -> None:
    with ui.element("section").classes("tl-stack").props(f'aria-label="Attempt {number}"'):
        with ui.element("div").classes("tl-row"):
            ui.label(f"#{number}").classes("tl-mono tl-muted")
            badge(str(one.status or "no answer"), Tone.GOOD if one.succeeded else Tone.BAD)
            time(one.at)
            ui.label(f"{one.duration_ms:,.0f} ms").classes("tl-mono tl-muted")
        if not one.succeeded and one.error != f"answered {one.status}":
            ui.label(attempt_text(one)).classes("tl-wrap")
        if one.answer:
            code_block(one.answer, wrap=True, label=f"Answer to attempt {number}")
