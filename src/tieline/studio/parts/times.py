"""Moments, shown and entered in the zone of whoever looks; UTC on hover."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nicegui import ui

from tieline.errors import InvalidInput

Show = Literal["full", "time", "ago"]

ZONE_COOKIE = "tieline_zone"
"""Where the browser tells the name of its zone."""

_LONGEST_NAME = 64


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


# -- the zone of whoever looks --------------------------------------------------------------------------------------


def viewers_zone() -> tzinfo:
    """The zone of the browser that this page is drawn for. One that has not told it yet does, and asks once more."""
    told = ui.context.client.request.cookies.get(ZONE_COOKIE, "")
    # The page names what it was drawn for: see `studio.js`.
    ui.element("tl-drawn-for").props["zone"] = told
    return zone_named(told)


def zone_named(name: str) -> tzinfo:
    """The zone of a name such as `Europe/Berlin`; UTC for one that is not known here."""
    if not name or len(name) > _LONGEST_NAME:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def field_text(at: datetime | None, zone: tzinfo) -> str:
    """A moment as a field for date and time shows it."""
    if at is None:
        return ""
    local = at.astimezone(zone).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def read_field(text: str | None, zone: tzinfo, *, last: bool = False) -> datetime | None:
    """What was entered in such a field; None for nothing. Raises `InvalidInput`.

    Of an hour that comes twice as clocks go back it is the first one's, or the last one's if so asked. In the hour that
    clocks skip, it is as long after its begin.
    """
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no date and time") from None
    return local.replace(tzinfo=zone, fold=int(last)).astimezone(UTC).astimezone(zone)


def end_of_day(text: str, zone: tzinfo) -> datetime:
    """The moment when a day like 2026-01-31 is over. Raises `InvalidInput`."""
    try:
        day = date.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is no date like 2026-01-31") from None
    return datetime.combine(day, clock_time(), zone)


def moment_field(
    label: str,
    at: datetime | None,
    zone: tzinfo,
    on_change: Callable[[datetime | None], Any],
    *,
    last: bool = False,
) -> ui.input:
    """A field for date and time in `zone`; `on_change` is called when another one was entered, or none."""
    shown = field_text(at, zone)
    field = ui.input(label if zone is not UTC else f"{label} (UTC)", value=shown)
    field.props("outlined dense type=datetime-local stack-label").classes("tl-when")
    with field:
        hint = ui.tooltip(f"Your time ({zone})" if zone is not UTC else "UTC")
        if at is not None:
            hint.text += f": {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def entered() -> None:
        if (field.value or "") != shown:
            on_change(read_field(field.value, zone, last=last))

    field.on("blur", entered)
    field.on("keydown.enter", entered)
    return field
