"""The newest reservations of a pool."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.pools import ReservationView
from tieline.model.reservation import ReservationState
from tieline.model.user import Right
from tieline.studio.frame import View, telling
from tieline.studio.pages.pools.gauges import RESERVATION_TONES
from tieline.studio.parts.cards import values
from tieline.studio.parts.code import code_block
from tieline.studio.parts.dialogs import ask
from tieline.studio.parts.states import Tone, empty, tell
from tieline.studio.parts.tables import Column, DataTable

SHOWN = 100
COLUMNS = (
    Column("number", "Number", "mono"),
    Column("state", "State", "badge"),
    Column("reserved", "Reserved", "ago"),
    Column("until", "Until", "time"),
    Column("caller", "Expected caller", "mono"),
    Column("call", "Call"),
)
LOOK = ("look", "data_object", "Attributes")
RELEASE = ("release", "cancel", "Give it up")


class ReservationTable:
    """Fetches the newest ones, again at each `refresh`."""

    def __init__(self, view: View, pool: str) -> None:
        self._view, self._pool = view, pool
        self._found: dict[str, ReservationView] = {}
        acts = (LOOK, RELEASE) if view.may(Right.OPERATE) else (LOOK,)
        self._table = DataTable(
            (*COLUMNS, Column("acts", "", "actions", actions=acts)), per_page=10, label="Reservations",
            on_act=self._act,
        )  # fmt: skip
        with self._table.when_empty():
            empty("event_busy", "No reservations yet", "Try it reserves a number as a client would.")

    async def refresh(self) -> None:
        """Fetch the newest."""
        found = await self._view.admin.pools.reservations(self._view.who, self._pool, limit=SHOWN)
        self._found = {one.reservation.id: one for one in found}
        self._table.rows = [_row(one) for one in found]

    async def _act(self, name: str, reservation_id: str) -> None:
        one = self._found.get(reservation_id)
        if one is None:
            return
        if name == "look":
            _show(one)
        elif await ask(
            f"Give up {one.reservation.number}?",
            "A call that still comes gets no attributes.",
            "Give it up",
            danger=True,
        ):
            with telling():
                await self._view.admin.pools.release(self._view.who, self._pool, reservation_id)
                await self.refresh()


def _row(one: ReservationView) -> dict[str, object]:
    found = one.reservation
    call = found.conversation_id
    return {
        "id": found.id, "number": found.number, "state": found.state.value,
        "state_tone": RESERVATION_TONES[found.state], "reserved": found.reserved_at, "until": found.expires_at,
        "state_sub": "late" if found.late else None, "caller": found.expected_caller,
        "call": "open" if call else None, "call_path": f"/conversations/{call}" if call else None,
    }  # fmt: skip


def _show(one: ReservationView) -> None:
    found = one.reservation
    with ui.dialog() as dialog, ui.card().classes("tl-dialog"):
        with ui.element("h2").classes("tl-dialog-head"):
            ui.label(f"Reservation of {found.number}")
        with ui.element("div").classes("tl-dialog-body"):
            values(
                {
                    "Id": found.id,
                    "State": found.state.value,
                    "Epoch": found.epoch,
                    "Reserved": found.reserved_at,
                }
            )
            if one.attributes_hidden:
                tell("Attributes are hidden", "They take the right to see personal data.", Tone.QUIET)
            else:
                code_block(found.attributes_json, wrap=True, label="Attributes")
            if found.state is ReservationState.EXPIRED:
                tell(text="Nobody called in time.", tone=Tone.WARN)
        with ui.element("div").classes("tl-dialog-foot"):
            ui.button("Close", on_click=dialog.close).props("flat")
    dialog.on("hide", dialog.delete)
    dialog.open()
