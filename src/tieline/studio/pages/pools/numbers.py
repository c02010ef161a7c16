"""The numbers of a pool: a page of them at a time, searched by digits and state, each with its history."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from tieline.model.pool import NumberAdmin, NumberState
from tieline.model.reservation import Reservation
from tieline.model.user import Right
from tieline.studio.frame import View, telling
from tieline.studio.pages.pools.gauges import BADGES, RESERVATION_TONES, STATES
from tieline.studio.parts.dialogs import ask
from tieline.studio.parts.states import empty
from tieline.studio.parts.tables import Column, DataTable

PER_PAGE = 20
ACTIONS = (
    ("history", "history", "History"),
    ("active", "play_circle", "Put into service"),
    ("draining", "pause_circle", "Drain: give it out no more"),
    ("disabled", "block", "Disable: attach nothing to its calls"),
)
WARNINGS = {
    NumberAdmin.DRAINING: "It is given out no more; what is reserved on it still works.",
    NumberAdmin.DISABLED: "It is given out no more, and calls that still come for it get no attributes.",
}


class NumberTable:
    """Fetches the page that is shown, again at each `refresh`."""

    def __init__(self, view: View, pool: str, beside: ui.element) -> None:
        self._view, self._pool = view, pool
        self._offset = 0
        with beside:
            self._search = ui.input("Search digits", on_change=self._begin).props(
                "dense outlined clearable debounce=300"
            )
            options = {"": "Any state", **{state.value: name for state, (name, _) in STATES.items()}}
            self._state = ui.select(options, value="", label="State", on_change=self._begin)
            self._state.props("dense outlined options-dense").style("min-width: 150px")
        may = view.may(Right.OPERATE)
        columns = (
            Column("number", "Number", "mono", sortable=False),
            Column("state", "State", "badge", sortable=False),
            Column("epoch", "Times lent", "number", sortable=False),
            Column("last", "Last used", "ago", sortable=False),
            Column("no_shows", "No-shows", "number", sortable=False),
            Column("strays", "Strays", "number", sortable=False),
            Column("acts", "", "actions", actions=ACTIONS if may else ACTIONS[:1]),
        )
        self._table = DataTable(columns, per_page=PER_PAGE, label="Numbers", on_act=self._act)
        with self._table.when_empty():
            empty("dialpad", "No numbers here", "Add some, or search for others.")
        with ui.element("div").classes("tl-row").style("justify-content: flex-end; padding: 8px 12px"):
            self._place = ui.label().classes("tl-muted tl-small")
            self._back = ui.button(icon="chevron_left", on_click=lambda: self._turn(-PER_PAGE))
            self._back.props('flat round dense aria-label="Numbers before these"')
            self._on = ui.button(icon="chevron_right", on_click=lambda: self._turn(PER_PAGE))
            self._on.props('flat round dense aria-label="Numbers after these"')

    async def refresh(self) -> None:
        """Fetch the page that is shown."""
        state = NumberState(self._state.value) if self._state.value else None
        found = await self._view.admin.pools.numbers(
            self._view.who, self._pool, containing=(self._search.value or "").strip(), state=state,
            limit=PER_PAGE + 1, offset=self._offset,
        )  # fmt: skip
        shown = found[:PER_PAGE]
        self._back.enabled = self._offset > 0
        self._on.enabled = len(found) > PER_PAGE
        self._place.text = f"{self._offset + 1} to {self._offset + len(shown)}" if shown else ""
        self._table.rows = [
            {
                "id": one.number, "number": one.number, "state": STATES[one.state][0],
                "state_tone": BADGES.get(STATES[one.state][1], STATES[one.state][1]),
                "state_sub": "suspect: callers come without reservations, or not at all" if one.suspect else None,
                "epoch": one.epoch, "last": one.last_used_at, "no_shows": one.no_shows, "strays": one.strays,
            }
            for one in shown
        ]  # fmt: skip

    async def _begin(self) -> None:
        self._offset = 0
        with telling():
            await self.refresh()

    async def _turn(self, by: int) -> None:
        self._offset = max(0, self._offset + by)
        with telling():
            await self.refresh()

    async def _act(self, name: str, number: str) -> None:
        if name == "history":
            await self._show_history(number)
            return
        state = NumberAdmin(name)
        warning = WARNINGS.get(state)
        if warning is None or await ask(f"{number}: {state.value}?", warning, "Go on"):
            with telling():
                await self._view.admin.pools.set_state(self._view.who, self._pool, number, state)
                await self.refresh()
                ui.notify(f"{number} is {state.value}")

    async def _show_history(self, number: str) -> None:
        with telling():
            past = await self._view.admin.pools.history(self._view.who, self._pool, number)
            with ui.dialog() as dialog, ui.card().classes("tl-dialog").style("--tl-dialog-width: 760px"):
                with ui.element("h2").classes("tl-dialog-head"):
                    ui.label(f"History of {number}")
                with ui.element("div").classes("tl-dialog-body"):
                    if past:
                        _history([one.reservation for one in past])
                    else:
                        empty("history", "Never lent", "This number was not given out yet.")
                with ui.element("div").classes("tl-dialog-foot"):
                    ui.button("Close", on_click=dialog.close).props("flat")
            dialog.on("hide", dialog.delete)
            dialog.open()


def _history(past: Sequence[Reservation]) -> None:
    DataTable(
        (
            Column("epoch", "Epoch", "number"),
            Column("state", "State", "badge"),
            Column("reserved", "Reserved", "time"),
            Column("until", "Until", "time"),
            Column("call", "Call"),
        ),
        [
            {
                "id": one.id, "epoch": one.epoch, "state": one.state.value,
                "state_tone": RESERVATION_TONES[one.state], "reserved": one.reserved_at, "until": one.expires_at,
                "call": "open" if one.conversation_id else None,
                "call_path": f"/conversations/{one.conversation_id}" if one.conversation_id else None,
            }
            for one in past
        ],
        per_page=10, label="History",
    )  # fmt: skip
