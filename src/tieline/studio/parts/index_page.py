"""The shape of a page that lists things: a button that adds one, and what is shown as long as there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import isawaitable
from typing import NamedTuple
from urllib.parse import quote

from nicegui import ui

from tieline.model.user import Right
from tieline.studio.frame import View, telling
from tieline.studio.parts.cards import card
from tieline.studio.parts.states import Act, empty
from tieline.studio.parts.tables import Column, DataTable, Row


class Nothing(NamedTuple):
    """What is said where there is nothing: an icon, a few words, and what such a thing is good for."""

    icon: str
    title: str
    text: str


class Index:
    """The button is in the heading from the start, for whoever has the `right`; what `add` raises is told.

    Then comes either `table(...)` or, for cards, `empty()` where there are none.
    """

    def __init__(
        self, view: View, right: Right, action: str, add: Act, nothing: Nothing, *, icon: str = "add"
    ) -> None:
        self.may_add = view.may(right)
        self._action = action
        self._add = add
        self._nothing = nothing
        if self.may_add:
            with view.heading.actions:
                ui.button(action, icon=icon, on_click=self._act).props("unelevated")

    async def _act(self) -> None:
        with telling():
            done = self._add()
            if isawaitable(done):
                await done

    def empty(self) -> None:
        """A card that says that there is nothing, and what to do about it."""
        with card():
            empty(*self._nothing, *((self._action, self._act) if self.may_add else ()))

    def table(
        self, columns: Sequence[Column], rows: Iterable[Row], *, path: str, label: str, sort_by: str
    ) -> DataTable | None:
        """A table whose rows lead to a page of their own, below `path` by their `id`; None when there are none."""
        found = list(rows)
        if not found:
            self.empty()
            return None
        with card(flush=True):
            return DataTable(
                columns, found, label=label, sort_by=sort_by,
                on_open=lambda key: ui.navigate.to(f"{path}/{quote(key, safe='')}"),
            )  # fmt: skip
