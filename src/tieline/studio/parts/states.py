"""Saying how things stand: badges, notes, and what a page shows in place of content."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from nicegui import ui

BROKEN = "This failed inside Tieline; the server's log says more."
"""What is said of a defect of ours."""

Act = Callable[[], Awaitable[Any] | Any]
"""What a button does."""


class Tone(StrEnum):
    """How something is to be taken; gives the colour."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    QUIET = "quiet"


NOTE_ICONS = {
    Tone.GOOD: "check_circle",
    Tone.WARN: "warning",
    Tone.BAD: "error",
    Tone.INFO: "info",
    Tone.QUIET: "info",
}


def badge(text: str, tone: Tone = Tone.QUIET) -> ui.label:
    """A state in one or two words, with a coloured dot."""
    return ui.label(text).classes(f"tl-badge tl-badge-{tone.value}")


def set_badge(label: ui.label, text: str, tone: Tone) -> None:
    """Show another state in a badge that is there."""
    label.text = text
    label.classes(replace=f"tl-badge tl-badge-{tone.value}")


def chip(text: str) -> ui.label:
    """A name or value in the fixed-width font, with a border."""
    return ui.label(text).classes("tl-chip")


@contextmanager
def note(title: str = "", text: str = "", tone: Tone = Tone.INFO) -> Iterator[ui.element]:
    """A coloured box with an icon that explains or warns; more may be added within."""
    with ui.element("div").classes(f"tl-note tl-note-{tone.value}") as box:
        if tone in {Tone.BAD, Tone.WARN}:
            box.props("role=alert" if tone is Tone.BAD else "role=status")
        ui.icon(NOTE_ICONS[tone]).props("aria-hidden=true")
        with ui.element("div").classes("tl-note-body"):
            if title:
                ui.label(title).classes("tl-note-title")
            if text:
                ui.label(text)
            yield box


def tell(title: str = "", text: str = "", tone: Tone = Tone.INFO) -> None:
    """A `note` with nothing more in it."""
    with note(title, text, tone):
        pass


def empty(
    icon: str, title: str, text: str = "", action: str = "", act: Act | str | None = None
) -> ui.element:
    """What stands in for a list with nothing in it: an icon, a sentence, and what to do about it.

    `act` is a function for the button `action`, or a path that it leads to.
    """
    with ui.element("div").classes("tl-empty") as box:
        ui.icon(icon).props("aria-hidden=true")
        ui.label(title).classes("tl-empty-title")
        if text:
            ui.label(text).classes("tl-empty-text")
        if action and act is not None:
            ui.button(action, on_click=_leading(act)).props("unelevated color=primary")
    return box


def _leading(act: Act | str) -> Act:
    """A function for a button, from a function or a path."""
    if isinstance(act, str):
        path = act
        return lambda: ui.navigate.to(path)
    return act


def loading(text: str = "Loading…") -> ui.element:
    """What is shown while something is fetched; delete it afterwards."""
    with ui.element("div").classes("tl-empty").props("role=status") as box:
        ui.spinner(size="28px")
        ui.label(text)
    return box


def not_allowed(text: str, *, givable: bool = True) -> None:
    """The page is not for whoever looks; `givable` when it is a right that they lack."""
    with ui.element("div").classes("tl-card"):
        empty(
            "lock",
            "You may not see this",
            f"{text[:1].upper()}{text[1:]}.{' An owner can give it to you.' if givable else ''}",
        )


def not_there(text: str) -> None:
    """The thing that the page is about is not there."""
    with ui.element("div").classes("tl-card"):
        empty("search_off", "Not found", f"{text[:1].upper()}{text[1:]}.", "To the overview", "/")


def failed(text: str) -> None:
    """The page could not be made."""
    with ui.element("div").classes("tl-card"):
        empty("error_outline", "This did not work", text, "Try again", ui.navigate.reload)
