"""Dialogs: a form with Cancel and its action, a question, and a confirmation by typing a name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

from nicegui import ui

from tieline.studio.parts.forms import Form
from tieline.studio.parts.states import Tone, tell


class Dialog:
    """A dialog around a `Form`: add fields within `with dialog:`, then `open()` it.

    `act` is awaited when the action's button (or Enter in a field of one line) is pressed; what it raises is shown in
    the form, and the dialog stays. When it returns, the dialog closes, unless it returned False.
    """

    def __init__(
        self,
        title: str,
        action: str,
        act: Callable[[], Awaitable[object]],
        *,
        danger: bool = False,
        width: int = 560,
    ) -> None:
        self._act = act
        self.element = ui.dialog()
        self.element.props["aria-label"] = title
        with self.element, ui.card().classes("tl-dialog").style(f"--tl-dialog-width: {width}px"):
            with ui.element("h2").classes("tl-dialog-head"):
                ui.label(title)
            with ui.element("div").classes("tl-dialog-body") as self._body:
                self.form = Form()
            with ui.element("div").classes("tl-dialog-foot") as self.foot:
                ui.button("Cancel", on_click=self.close).props("flat")
                self.button = ui.button(action, on_click=self._submit)
                self.button.props(f"unelevated color={'negative' if danger else 'primary'}")

    def __enter__(self) -> Self:
        self.form.__enter__()
        return self

    def __exit__(self, *unused: object) -> None:
        self.form.__exit__(*unused)

    def open(self) -> None:
        """Show it."""
        for field in self.form.fields.values():
            if isinstance(field.element, ui.input):
                field.element.on("keydown.enter", self._submit)
        self.element.open()

    def close(self) -> None:
        """Put it away."""
        self.element.close()

    async def _submit(self) -> None:
        if not self.button.enabled:
            return
        self.button.props(add="loading")
        try:
            with self.form.telling():
                if await self._act() is not False:
                    self.close()
        finally:
            self.button.props(remove="loading")


async def ask(title: str, text: str, action: str, *, danger: bool = False) -> bool:
    """Ask whether to go on; True when the action's button was pressed."""
    with ui.dialog() as dialog, ui.card().classes("tl-dialog"):
        dialog.props["aria-label"] = title
        with ui.element("h2").classes("tl-dialog-head"):
            ui.label(title)
        with ui.element("div").classes("tl-dialog-body"):
            ui.label(text)
        with ui.element("div").classes("tl-dialog-foot"):
            ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat")
            go = ui.button(action, on_click=lambda: dialog.submit(True))
            go.props(f"unelevated color={'negative' if danger else 'primary'}")
    answer = await dialog
    dialog.delete()
    return bool(answer)


def confirm_by_name(
    noun: str, name: str, consequences: str, act: Callable[[], Awaitable[object]], *, action: str = "Delete"
) -> Dialog:
    """A dialog whose action becomes possible when the name has been typed: `confirm_by_name(...).open()`."""
    dialog = Dialog(f"{action} {noun} {name}?", action, act, danger=True)
    with dialog:
        tell(text=consequences, tone=Tone.WARN)
        field = ui.input(f"Type {name} to confirm").props("outlined dense autocomplete=off autofocus")
    dialog.button.bind_enabled_from(field, "value", backward=lambda value: value == name)
    return dialog
