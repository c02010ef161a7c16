"""Grouping: cards, sections, grids, lists of named values and single figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from nicegui import ui

from tieline.studio.parts.times import time


@contextmanager
def card(title: str = "", *, path: str = "", flush: bool = False) -> Iterator[ui.element]:
    """A bordered box. With `path` the whole card is a link; `flush` lets a table reach its borders.

    For buttons beside the title, take `titled_card`.
    """
    classes = f"tl-card{' tl-card-flush' if flush else ''}"
    box: ui.element = (
        ui.link(target=path).classes(f"{classes} tl-card-link") if path else ui.element("section")
    )
    box.classes(classes)
    with box:
        if title:
            head(title)
        yield box


@contextmanager
def titled_card(title: str, *, flush: bool = False) -> Iterator[ui.element]:
    """A `card` whose value is the row beside its title, for buttons and badges: `with row: ui.button(...)`."""
    with ui.element("section").classes(f"tl-card{' tl-card-flush' if flush else ''}"):
        yield head(title)


def head(title: str) -> ui.element:
    """A card's title; gives the row beside it."""
    with ui.element("div").classes("tl-card-head"):
        with ui.element("h2").classes("tl-card-title"):
            ui.label(title)
        return ui.element("div").classes("tl-row")


@contextmanager
def section(title: str, text: str = "") -> Iterator[ui.element]:
    """A titled part of a page or form, without a border."""
    with ui.element("section").classes("tl-section") as box:
        with ui.element("h2").classes("tl-section-title"):
            ui.label(title)
        if text:
            ui.label(text).classes("tl-muted")
        yield box


@contextmanager
def grid(min_width: int = 300) -> Iterator[ui.element]:
    """As many columns of at least `min_width` pixels as there is room for; one at phone width."""
    with ui.element("div").classes("tl-grid").style(f"--tl-grid-min: {min_width}px") as box:
        yield box


@contextmanager
def columns() -> Iterator[ui.element]:
    """Two columns on a wide screen, else one."""
    with ui.element("div").classes("tl-columns") as box:
        yield box


@contextmanager
def stack() -> Iterator[ui.element]:
    """One below the other."""
    with ui.element("div").classes("tl-stack") as box:
        yield box


@contextmanager
def row() -> Iterator[ui.element]:
    """One beside the other, wrapping."""
    with ui.element("div").classes("tl-row") as box:
        yield box


def values(pairs: Mapping[str, Any]) -> ui.element:
    """Names and their values.

    A value is text, a number, a moment, None (shown as a dash), or a function that adds elements.
    """
    with ui.element("dl").classes("tl-values") as box:
        for name, value in pairs.items():
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                show(value)
    return box


def show(value: Any) -> None:
    """Add one value as `values` does."""
    if value is None or value == "":
        ui.label("–").classes("tl-muted")
    elif isinstance(value, datetime):
        time(value)
    elif isinstance(value, bool):
        ui.label("yes" if value else "no")
    elif callable(value):
        value()
    else:
        ui.label(str(value))


def figure(label: str, value: str, text: str = "") -> ui.label:
    """One large number with what it counts; gives the number's label, to be kept up to date."""
    with ui.element("div"):
        ui.label(label).classes("tl-muted tl-small")
        shown = ui.label(value).classes("tl-figure")
        if text:
            ui.label(text).classes("tl-muted tl-small")
    return shown
