"""Live: the calls that are up, as they happen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from tieline.admin.call_words import reason_words
from tieline.calls.live import LiveCall, worst
from tieline.errors import TielineError
from tieline.studio.frame import Group, View, page
from tieline.studio.pages.conversations.parts_of_call import HEALTH_TONES
from tieline.studio.pages.conversations.words import number_or
from tieline.studio.parts.cards import card, grid
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import empty
from tieline.studio.parts.times import iso
from tieline.studio.paths import PREFIX

CALL_PATH = f"{PREFIX}/conversations/"

ROW_PX, HEAD_PX, SCROLLBAR_PX = 36, 36, 18
MOST_ROWS = 15

_SECONDS = "Math.max(0, Math.floor((Date.now() - Date.parse({})) / 1000))"
_SPAN = (
    "(s => (s < 3600 ? Math.floor(s / 60)"
    " : Math.floor(s / 3600) + ':' + String(Math.floor(s % 3600 / 60)).padStart(2, '0'))"
    " + ':' + String(s % 60).padStart(2, '0'))"
)
_LINK = (
    "p => { const a = document.createElement('a'); a.className = 'tl-cell-link'; a.textContent = p.value;"
    f" a.href = '{CALL_PATH}' + encodeURIComponent(p.data.id); return a; }}"
)
_MARK = (
    "p => { const mark = document.createElement('span'); if (!p.value) return mark;"
    f" mark.className = 'tl-badge tl-badge-' + {json.dumps(HEALTH_TONES)}[p.value];"
    " mark.textContent = p.value; return mark; }"
)
SOUND_HINT = "How the callers' sound gets through: by loss and jitter of the last seconds, of the worst leg"
_OPEN = f"window.location = '{CALL_PATH}' + encodeURIComponent(p.data.id)"
_NARROW = ["trunk", "project", "state", "flow", "said", "callee", "state_since"]
"""Columns that are left out at phone width."""


@page("/live", "Live", icon="podcasts", group=Group.ANALYZE, order=10)
async def live(view: View) -> None:
    """All calls that are up, in a grid that is kept up to date by what has changed."""
    view.heading.subtitle("The calls that are up, as they happen. Open one to follow it.")
    with grid() as box:
        box.style("grid-template-columns: repeat(auto-fit, minmax(min(100%, 150px), 1fr))")
        with card("Calls up"):
            total = ui.label("0").classes("tl-figure")
        counts = {}
        for title in ("By project", "By trunk", "By state"):
            with card(title):
                counts[title] = Counts()
    with card(flush=True):
        with ui.element("div").style("padding: 12px 14px 0"):
            find = (
                ui.input("Filter")
                .props("outlined dense clearable autocomplete=off")
                .style("max-width: 340px")
            )
        table = CallGrid(_rows(view))
        nothing = empty("podcasts", "No call is up", "A call appears here as soon as it arrives.")
    find.on_value_change(lambda event: table.filter(event.value or ""))

    def show() -> None:
        calls = view.admin.calls.live(view.who)
        table.show(_rows(view))
        total.text = str(len(calls))
        names = view.admin.calls.projects(view.who)
        counts["By project"].show(Counter(names.get(one.project, one.project) for one in calls))
        counts["By trunk"].show(Counter(one.trunk for one in calls))
        counts["By state"].show(Counter(reason_words(one.state) for one in calls))
        table.element.visible, nothing.visible = bool(calls), not calls

    async def refresh() -> None:
        try:
            show()
        except TielineError:
            return  # signed out, or no longer theirs: the next thing they do says so

    show()
    refresh_every(1.0, refresh)


class Counts:
    """How many there are of each; drawn anew when it changes."""

    def __init__(self) -> None:
        self._box = ui.element("div").classes("tl-counts")
        self._shown: Mapping[str, int] | None = None

    def show(self, counts: Mapping[str, int]) -> None:
        """Show these, the most first."""
        if counts == self._shown:
            return
        self._shown = dict(counts)
        self._box.clear()
        with self._box:
            if not counts:
                ui.label("–").classes("tl-muted")
            for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
                with ui.element("span").classes("tl-count"):
                    ui.label(name)
                    ui.label(str(count)).classes("tl-mono")


class CallGrid:
    """Rows that are drawn only where they are seen. `show` sends what has changed since it was last called."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._shown = {row["id"]: row for row in rows}
        self.element = ui.aggrid(_options(rows), auto_size_columns=False).classes("tl-live tl-scroll")
        self.element.props["aria-label"] = "Calls that are up"
        self._fit(len(rows))

    def filter(self, text: str) -> None:
        """Show rows alone that hold the text."""
        self.element.run_grid_method("setGridOption", "quickFilterText", text)

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        """Bring the grid up to date by one message, and by none when nothing has changed."""
        change = changes(self._shown, rows)
        self._shown = {row["id"]: row for row in rows}
        if change:
            self.element.run_grid_method("applyTransaction", change)
            self._fit(len(rows))

    def _fit(self, rows: int) -> None:
        """As high as its rows, up to what fits on a screen: from there on it scrolls by itself."""
        height = HEAD_PX + ROW_PX * min(max(rows, 1), MOST_ROWS) + SCROLLBAR_PX
        self.element.style(f"height: {height}px")


def changes(before: Mapping[str, dict[str, Any]], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What turns the rows that there were into those that there are, as the grid takes it; empty for nothing."""
    now = {row["id"] for row in rows}
    change = {
        "add": [row for row in rows if row["id"] not in before],
        "update": [row for row in rows if before.get(row["id"], row) != row],
        "remove": [{"id": key} for key in before if key not in now],
    }
    return {name: found for name, found in change.items() if found}


def _rows(view: View) -> list[dict[str, Any]]:
    names = view.admin.calls.projects(view.who)
    return [_row(one, names) for one in view.admin.calls.live(view.who)]


def _row(call: LiveCall, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": call.id,
        "caller": number_or(call.caller, "withheld"),
        "callee": number_or(call.callee, "unknown"),
        "project": names.get(call.project, call.project),
        "trunk": call.trunk,
        "state": reason_words(call.state),
        "flow": " / ".join(part for part in (call.flow, call.step) if part),
        "said": call.said or "",
        "sound": found.value if (found := worst(call.sound)) is not None else "",
        "started_at": iso(call.started_at),
        "state_since": iso(call.state_since),
    }


def _options(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def text(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
        return {"field": field, "headerName": title, "width": width, **more}

    def span(field: str, title: str, width: int) -> dict[str, Any]:
        return text(
            field, title, width, type="rightAligned", cellClass="ag-right-aligned-cell tl-mono",
            **{":valueFormatter": f"p => {_SPAN}({_SECONDS.format('p.value')})", ":getQuickFilterText": "() => ''"},
        )  # fmt: skip

    return {
        "columnDefs": [
            text("caller", "From", 138, cellClass="tl-mono", **{":cellRenderer": _LINK}),
            text("callee", "To", 124, cellClass="tl-mono"),
            text("project", "Project", 104),
            text("trunk", "Trunk", 116),
            text("state", "State", 84),
            text("sound", "Sound", 96, **{":cellRenderer": _MARK, "headerTooltip": SOUND_HINT}),
            span("started_at", "Up for", 72),
            span("state_since", "In state", 78),
            text("flow", "Flow", 72, headerTooltip="Flow and step that the agent is in"),
            text("said", "Said last", 100, minWidth=100, flex=1, tooltipField="said"),
        ],
        "defaultColDef": {"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
        "rowData": list(rows),
        "rowHeight": ROW_PX,
        "headerHeight": HEAD_PX,
        ":getRowId": "p => p.data.id",
        ":onRowClicked": f"p => {{ {_OPEN}; }}",
        ":onCellKeyDown": f"p => {{ if (p.event.key === 'Enter') {_OPEN}; }}",
        ":onGridReady": (
            "p => { const tick = setInterval(() => { if (p.api.isDestroyed()) clearInterval(tick);"
            " else p.api.refreshCells({columns: ['started_at', 'state_since'], force: true}); }, 1000); }"
        ),
        ":onGridSizeChanged": f"p => p.api.setColumnsVisible({_NARROW!r}, p.clientWidth > 640)",
        "overlayNoRowsTemplate": "<span></span>",
        "animateRows": False,
    }
