"""The rows of the form that come and go: SIP headers, and the steps of the fall-back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from tieline.model.handoff import Rung, SipHeader
from tieline.studio.pages.handoffs.words import METHODS, muted
from tieline.studio.parts.forms import Form
from tieline.studio.parts.variables import variable_field

OWN_METHOD = ""
THIS_ONE = ""
MOST_STEPS = 5


class HeaderRows:
    """Name and value of each SIP header; faults are shown at the field that they are about."""

    def __init__(
        self,
        form: Form,
        variables: Mapping[str, str],
        headers: Sequence[SipHeader],
        wants_prefix: Callable[[str], bool],
        changed: Callable[[], Any],
    ) -> None:
        self._form, self._variables = form, variables
        self._wants_prefix, self._changed = wants_prefix, changed
        self._rows: list[tuple[ui.element, ui.input, ui.input]] = []
        self._box = ui.element("div").classes("tl-stack tl-rows")
        for one in headers:
            self._add(one.key, one.value)
        ui.button("Add SIP Header", icon="add", on_click=self._add_empty).props("outline dense").classes(
            "self-start"
        )
        self._register()

    def values(self) -> list[dict[str, str]]:
        """The headers as a resource file has them."""
        return [
            {"key": (key.value or "").strip(), "value": value.value or ""} for _, key, value in self._rows
        ]

    def _add_empty(self) -> None:
        key = self._add("X-", "")
        self._register()
        key.run_method("focus")

    def _add(self, name: str, text: str) -> ui.input:
        with (
            self._box,
            ui.element("div").classes("tl-header-row").props('role=group aria-label="SIP header"') as row,
        ):
            key = ui.input("Header name", value=name).props("outlined dense autocomplete=off")
            key.props.update({"input-class": "tl-mono"})
            value = variable_field("Value", self._variables, value=text)
            remove = ui.button(icon="delete_outline", on_click=lambda: self._remove(row))
            remove.props('flat round dense aria-label="Remove this header"')
        self._rows.append((row, key, value))
        key.on_value_change(lambda: self._take(key))
        value.on_value_change(self._changed)
        self._warn(key)
        return key

    def _take(self, key: ui.input) -> Any:
        self._warn(key)
        return self._changed()

    def _warn(self, key: ui.input) -> None:
        """Say under a name that it may get lost."""
        warned = self._wants_prefix((key.value or "").strip())
        if warned == ("hint" in key.props):
            return
        if warned:
            key.props('hint="Without X- in front, it may get lost on the way"')
            key.classes(add="tl-warned")
        else:
            key.props(remove="hint")
            key.classes(remove="tl-warned")

    def _remove(self, row: ui.element) -> Any:
        self._rows = [one for one in self._rows if one[0] is not row]
        row.delete()
        self._register()
        return self._changed()

    def _register(self) -> None:
        """Let the form know which field is which, for its faults."""
        for path in [path for path in self._form.fields if path.startswith("sip_headers[")]:
            del self._form.fields[path]
        for index, (_, key, value) in enumerate(self._rows):
            self._form.add(f"sip_headers[{index}].key", key)
            self._form.add(f"sip_headers[{index}].value", value)


class LadderRows:
    """The fall-back: the profile's, none, or steps of one's own."""

    KINDS = {
        "profile": "As the trunk's profile has it",
        "none": "None: the agent gets the caller back",
        "own": "These steps",
    }

    def __init__(
        self, fallback: Sequence[Rung] | None, others: Sequence[str], changed: Callable[[], Any]
    ) -> None:
        self._others, self._changed = others, changed
        self._rows: list[tuple[ui.element, ui.select, ui.select]] = []
        kind = "profile" if fallback is None else "own" if fallback else "none"
        self._kind = ui.select(self.KINDS, label="When it fails", value=kind, on_change=self._take)
        self._kind.props("outlined dense options-dense")
        with ui.element("div").classes("tl-stack tl-rows") as self._area:
            self._steps = ui.element("div").classes("tl-stack tl-rows")
            self._more = ui.button("Add a step", icon="add", on_click=self._add_step)
            self._more.props("outline dense").classes("self-start")
        for rung in fallback or ():
            self._add(rung)
        self._area.visible = kind == "own"

    def value(self) -> list[Any] | None:
        """The ladder as a resource file has it; None for the profile's."""
        if self._kind.value == "profile":
            return None
        if self._kind.value == "none":
            return []
        found: list[Any] = []
        for _, destination, method in self._rows:
            rung = {"destination": destination.value or None, "method": method.value or None}
            found.append({key: value for key, value in rung.items() if value})
        return found

    def methods(self) -> set[str]:
        """The methods that the steps name."""
        return {str(method.value) for _, _, method in self._rows} if self._kind.value == "own" else set()

    def _take(self) -> Any:
        self._area.visible = self._kind.value == "own"
        if self._kind.value == "own" and not self._rows:
            self._add(None)
        return self._changed()

    def _add_step(self) -> Any:
        self._add(None)
        return self._changed()

    def _add(self, rung: Rung | None) -> None:
        there = rung.destination if rung is not None and rung.destination else THIS_ONE
        known = [*self._others, *([there] if there and there not in self._others else [])]
        with (
            self._steps,
            ui.element("div").classes("tl-header-row").props('role=group aria-label="Step"') as row,
        ):
            destination = ui.select(
                {THIS_ONE: "This destination", **{name: name for name in known}}, label="Where", value=there,
                on_change=self._changed,
            )  # fmt: skip
            method = ui.select(
                {OWN_METHOD: "Its own method", **METHODS}, label="How",
                value=rung.method.value if rung is not None and rung.method is not None else OWN_METHOD,
                on_change=self._changed,
            )  # fmt: skip
            for field in (destination, method):
                field.props("outlined dense options-dense")
            remove = ui.button(icon="delete_outline", on_click=lambda: self._remove(row))
            remove.props('flat round dense aria-label="Remove this step"')
        self._rows.append((row, destination, method))
        self._more.visible = len(self._rows) < MOST_STEPS

    def _remove(self, row: ui.element) -> Any:
        self._rows = [one for one in self._rows if one[0] is not row]
        row.delete()
        self._more.visible = True
        return self._changed()


def title(text: str, more: str = "") -> None:
    """The title of a part of the form."""
    with ui.element("h3").classes("tl-section-title"):
        ui.label(text)
    if more:
        muted(more)
