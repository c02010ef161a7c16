"""What a call sent to others: events to webhooks, text messages to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from tieline.model.sms import SmsMessage, SmsState
from tieline.model.webhook import Delivery, DeliveryState
from tieline.studio.frame import View
from tieline.studio.parts.cards import card
from tieline.studio.parts.states import Tone
from tieline.studio.parts.tables import Column, DataTable

DELIVERY_TONES = {
    DeliveryState.DELIVERED: Tone.GOOD,
    DeliveryState.FAILED: Tone.BAD,
    DeliveryState.WAITING: Tone.INFO,
}
SMS_TONES = {
    SmsState.DELIVERED: Tone.GOOD,
    SmsState.RECEIVED: Tone.GOOD,
    SmsState.REFUSED: Tone.BAD,
    SmsState.UNDELIVERED: Tone.BAD,
    SmsState.FAILED: Tone.BAD,
}
"""Tones of the states that settle a message; the others are on their way."""


class Outgoing:
    """Nothing as long as there is nothing; drawn anew when it changes."""

    def __init__(self, view: View, call_id: str) -> None:
        self._view = view
        self._id = call_id
        self._box = ui.element("div").classes("tl-stack")
        self._shown: tuple[list[Delivery], list[SmsMessage]] = ([], [])

    async def refresh(self) -> None:
        """Look again. Raises as the admin functions do."""
        who, admin = self._view.who, self._view.admin
        found = (
            list(await admin.webhooks.of_call(who, self._id)),
            list(await admin.sms.of_call(who, self._id)),
        )
        if found == self._shown:
            return
        self._shown = found
        self._box.clear()
        with self._box:
            if found[0]:
                with card("Told to webhooks", flush=True):
                    _deliveries(found[0])
            if found[1]:
                with card("Text messages", flush=True):
                    _messages(found[1])


def _deliveries(found: Sequence[Delivery]) -> None:
    def row(one: Delivery) -> dict[str, Any]:
        last = one.attempts[-1] if one.attempts else None
        answer = "" if last is None else str(last.status) if last.status is not None else last.error or ""
        return {
            "id": one.id,
            "at": one.event.at,
            "event": one.event.type.value,
            "endpoint": one.endpoint,
            "state": one.state.value,
            "state_tone": DELIVERY_TONES[one.state].value,
            "attempts": len(one.attempts),
            "answer": answer,
        }

    DataTable(
        [
            Column("at", "At", "time", sortable=False),
            Column("event", "Event", "mono", sortable=False),
            Column("endpoint", "Webhook", sortable=False),
            Column("state", "State", "badge", sortable=False),
            Column("attempts", "Attempts", "number", sortable=False),
            Column("answer", "Last answer", sortable=False),
        ],
        [row(one) for one in found],
        per_page=200,
        label="Told to webhooks",
    )


def _messages(found: Sequence[SmsMessage]) -> None:
    DataTable(
        [
            Column("at", "At", "time", sortable=False),
            Column("to", "To", "mono", sortable=False),
            Column("content", "Text", sortable=False),
            Column("state", "State", "badge", sortable=False),
        ],
        [
            {
                "id": one.id,
                "at": one.created_at,
                "to": one.to,
                "to_sub": f"from {one.from_}" if one.from_ else "",
                "content": one.content,
                "state": one.state.value,
                "state_tone": SMS_TONES.get(one.state, Tone.INFO).value,
                "state_sub": one.detail,
            }
            for one in found
        ],
        per_page=200,
        label="Text messages",
    )
