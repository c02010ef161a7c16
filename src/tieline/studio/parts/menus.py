"""A button that opens a menu of actions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from tieline.studio.parts.states import Act


@contextmanager
def actions_menu(label: str) -> Iterator[ui.menu]:
    """Three dots that open a menu; add its entries within, by `action`. `label` says whose actions they are."""
    button = ui.button(icon="more_vert").props("flat round dense")
    button.props["aria-label"] = label
    with button, ui.menu().props("auto-close") as menu:
        yield menu


def action(text: str, act: Act, *, danger: bool = False) -> ui.menu_item:
    """One entry of a menu."""
    item = ui.menu_item(text, on_click=act).props("role=menuitem")
    if danger:
        item.classes("tl-danger")
    return item
