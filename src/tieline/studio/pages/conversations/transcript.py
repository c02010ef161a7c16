"""The transcript: what was heard and said, functions that ran, what they logged. It grows while a call is up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from tieline.admin.call_words import reason_words
from tieline.admin.redaction import HIDDEN
from tieline.model.conversation import Turn

OCCASIONS = {
    "handoff_failed": "after a handoff that failed",
    "bridge_ended": "after the bridge",
    "end": "after the call",
}
"""Why the agent ran where the caller did nothing."""


class Transcript:
    """Turns one below the other; `show` adds those that are new."""

    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at
        self._box = ui.element("div").props('role=log aria-label="Transcript"')
        with self._box:
            self._nothing = ui.label("Nothing has been said yet.").classes("tl-muted")
        self._shown = 0

    def show(self, turns: Sequence[Turn]) -> None:
        """Add the turns beyond those that are shown."""
        self._nothing.visible = not turns
        with self._box:
            for turn in turns[self._shown :]:
                self._turn(turn)
        self._shown = max(self._shown, len(turns))

    def _turn(self, turn: Turn) -> None:
        with ui.element("div").classes("tl-turn"):
            ui.label(f"{(turn.at - self._started_at).total_seconds():.1f} s").classes("tl-turn-at")
            with ui.element("div").classes("tl-turn-body"):
                if turn.channel in OCCASIONS:
                    ui.label(OCCASIONS[turn.channel]).classes("tl-muted tl-small")
                elif turn.channel != "start":
                    heard = turn.user_input if turn.user_input is not None else HIDDEN
                    ui.label(f"Caller ({reason_words(turn.channel)}): {heard or 'nothing'}").classes(
                        "tl-turn-heard"
                    )
                if turn.utterance:
                    ui.label(turn.utterance)
                for run in turn.function_runs:
                    _function(run)
                for entry in turn.logs:
                    _log(entry)


def _function(run: dict[str, Any]) -> None:
    error = run.get("error")
    took = f"{run.get('name', '?')}  {float(run.get('duration_ms') or 0):.1f} ms"
    label = ui.label(f"{took}  {error}" if error else took).classes("tl-turn-ran")
    if error:
        label.classes("tl-bad")


def _log(entry: dict[str, Any]) -> None:
    fields = entry.get("fields") or {}
    told = " ".join(f"{name}={value}" for name, value in fields.items())
    line = f"{entry.get('level', 'info')}: {entry.get('content', '')} {told}".rstrip()
    ui.label(line).classes("tl-turn-ran")
