"""The SIP ladder of a call: arrows between columns, each opening its message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from tieline.observe.ladder import SHOWN_HEADERS, US, Ladder, LadderMessage, media_of
from tieline.studio.parts.code import code_block

MOST_NOTES = 4
"""Header lines that are shown below an arrow; the message has all of them."""


def ladder_view(entries: Sequence[Mapping[str, Any]]) -> None:
    """The ladder of `entries`, and a dialog for the message that is opened."""
    ladder = Ladder(entries)
    drawing = ui.element("tl-ladder").props('aria-label="SIP messages"')
    drawing.props["ladder"] = drawn(ladder)
    with ui.dialog() as dialog, ui.card().classes("tl-dialog").style("--tl-dialog-width: 860px"):
        with ui.element("h2").classes("tl-dialog-head"):
            title = ui.label()
        with ui.element("div").classes("tl-dialog-body"):
            about = ui.label().classes("tl-muted tl-small")
            text = code_block("", wrap=True, label="Message")
        with ui.element("div").classes("tl-dialog-foot"):
            ui.button("Close", on_click=dialog.close).props("flat")

    def show(event: GenericEventArguments) -> None:
        index = event.args.get("detail") if isinstance(event.args, dict) else event.args
        if not isinstance(index, int) or not 0 <= index < len(entries):
            return
        message = ladder.messages[index]
        title.text = message.label
        about.text = _described(message, ladder.messages[0].at_ms)
        text.text = str(entries[index].get("text", "")).replace("\r\n", "\n")
        dialog.open()

    drawing.on("open", show, ["detail"])


def drawn(ladder: Ladder) -> dict[str, Any]:
    """A ladder as the browser's part takes it."""
    origin = ladder.messages[0].at_ms if ladder.messages else 0.0
    ours = ladder.columns.index(US) if US in ladder.columns else 0
    messages = []
    for message in ladder.messages:
        theirs = ladder.columns.index(message.peer)
        start, end = (theirs, ours) if message.incoming else (ours, theirs)
        messages.append(
            {
                "from": start,
                "to": end,
                "label": message.label,
                "at": f"+{(message.at_ms - origin) / 1000:.3f}",
                "tone": tone_of(message),
                "notes": _notes(message),
                "name": _described(message, origin),
            }
        )
    return {"columns": list(ladder.columns), "messages": messages}


def tone_of(message: LadderMessage) -> str:
    """The colour of an arrow: requests, and answers by their class."""
    if not message.first_line.startswith("SIP/2.0 "):
        return "accent"
    return {"1": "quiet", "2": "good", "3": "warn"}.get(message.first_line[8:9], "bad")


def _notes(message: LadderMessage) -> list[str]:
    """What people look for below an arrow: headers that are not part of every message, and the offer in short."""
    found = [
        f"{name}: {value}"
        for name, value in message.headers
        if name.lower().startswith("x-") or name.lower() in SHOWN_HEADERS
    ]
    media = media_of(message.body)
    return [*([media] if media else []), *found][:MOST_NOTES]


def _described(message: LadderMessage, origin: float) -> str:
    way = "from" if message.incoming else "to"
    return f"{message.label} {way} {message.peer}, {(message.at_ms - origin) / 1000:.3f} s after the first"
