"""Moments, shown in the zone of whoever looks; UTC on hover."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from nicegui import ui

Show = Literal["full", "time", "ago"]


def iso(at: datetime | None) -> str:
    """A moment as the browser's part reads it; empty for None."""
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time(at: datetime | None, show: Show = "full") -> ui.element:
    """A moment: `full` date and time, `time` of the day alone, or how long `ago` (kept up to date). None is a dash."""
    return ui.element("tl-time").props(f'datetime="{iso(at)}" show={show}')


def duration(seconds: float | None) -> str:
    """A span in words: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
