"""Who wants no messages."""

from __future__ import annotations

from nicegui import ui

from tieline.model.sms import OptOut
from tieline.model.user import Right
from tieline.studio.frame import View
from tieline.studio.parts.cards import card
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.states import Tone, tell
from tieline.studio.parts.tables import Column, table


class OptOutList:
    """All opt-outs; one is taken back only for a reason."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._ends = view.may(Right.OPERATE) and view.may(Right.PERSONAL_DATA)
        self._box = ui.element("div").classes("tl-stack")
        self._dialogs = ui.element("div")

    async def show(self) -> None:
        """The table."""
        found = await self._view.admin.sms.opt_outs(self._view.who)
        columns = [
            Column("recipient", "Person", "mono"),
            Column("sender", "Wants nothing from", "mono"),
            Column("keyword", "What they sent"),
            Column("at", "Since", "time"),
        ]
        if self._ends:
            end = ("end", "undo", "Take the opt-out back")
            columns.append(Column("acts", "", "actions", sortable=False, actions=(end,)))
        rows = [
            {
                "id": str(index),
                "recipient": one.recipient,
                "sender": one.sender,
                "keyword": one.keyword,
                "at": one.at,
            }
            for index, one in enumerate(found)
        ]
        self._box.clear()
        with self._box, card(flush=True):
            table(
                columns, rows, icon="do_not_disturb_on", nothing="Nobody has opted out", label="Opt-outs",
                text="Whoever sends STOP is listed here, and gets nothing more from that sender.",
                on_act=lambda _, key: self._end(found[int(key)]),
            )  # fmt: skip

    def _end(self, opted: OptOut) -> None:
        view = self._view

        async def end() -> None:
            reason = dialog.form.values()["reason"] or ""
            await view.admin.sms.end_opt_out(
                view.who, opted.recipient, opted.sender, reason, account=opted.account
            )
            await self.show()

        self._dialogs.clear()
        with self._dialogs:
            dialog = Dialog("Take the opt-out back", "Take it back", end, danger=True)
            with dialog:
                text = (
                    "They asked for no more messages. Sending to them without a new consent is against the law in many "
                    "countries. Twilio keeps its own list: they have to send START to the sender as well."
                )
                tell(text=text, tone=Tone.WARN)
                dialog.form.text("reason", "Reason", hint="Goes into the audit log")
            dialog.open()
