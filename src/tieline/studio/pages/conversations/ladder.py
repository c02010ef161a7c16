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


class LadderView:
    """The ladder of `entries`, and a dialog for the message that is opened. Further messages can be shown later."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._drawing = ui.element("tl-ladder").props('aria-label="SIP messages"')
        with ui.dialog() as self._dialog, ui.card().classes("tl-dialog").style("--tl-dialog-width: 860px"):
            with ui.element("h2").classes("tl-dialog-head"):
                self._title = ui.label()
            with ui.element("div").classes("tl-dialog-body"):
                self._about = ui.label().classes("tl-muted tl-small")
                self._text = code_block("", wrap=True, label="Message")
            with ui.element("div").classes("tl-dialog-foot"):
                ui.button("Close", on_click=self._dialog.close).props("flat")
        self._drawing.on("open", self._open, ["detail"])
        self.show(entries)

    def show(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Draw these messages."""
        self._entries = entries
        self._ladder = Ladder(entries)
        self._drawing.props["ladder"] = drawn(self._ladder)

    @property
    def count(self) -> int:
        """How many messages are shown."""
        return len(self._entries)

    def _open(self, event: GenericEventArguments) -> None:
        index = event.args.get("detail") if isinstance(event.args, dict) else event.args
        if not isinstance(index, int) or not 0 <= index < len(self._entries):
            return
        message = self._ladder.messages[index]
        self._title.text = message.label
        self._about.text = _described(message, self._ladder.messages[0].at_ms)
        self._text.text = str(self._entries[index].get("text", "")).replace("\r\n", "\n")
        self._dialog.open()


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
