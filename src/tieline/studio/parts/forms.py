"""Forms: labelled fields by their name in the resource, and faults shown at the field that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from nicegui import ui

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.errors import TielineError
from tieline.observe.logging import get_logger
from tieline.studio.parts.states import BROKEN, Tone, tell
from tieline.studio.parts.variables import variable_field

log = get_logger("studio")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the element, and how what it holds becomes the resource's value."""

    element: Any
    read: Callable[[Any], Any]


class Form:
    """Fields by their path in the resource (`ttl_s`, `handoffs[0].name`), and a place on top for other faults.

    Use it as a context manager and add fields by its methods or, for elements of your own, by `add`. `values()` gives
    what was filled in; `with form.telling():` around the saving shows what is refused.
    """

    def __init__(self) -> None:
        self._box = ui.element("div").classes("tl-form")
        self.fields: dict[str, Field] = {}
        with self._box:
            self._top = ui.element("div").classes("tl-form-top")

    def __enter__(self) -> Self:
        self._box.__enter__()
        return self

    def __exit__(self, *unused: object) -> None:
        self._box.__exit__(*unused)

    # -- fields -----------------------------------------------------------------------------------------------

    def add(self, path: str, element: Any, read: Callable[[Any], Any] = lambda value: value) -> Any:
        """Take an element with a `value` (and an `error`, to show faults at it) as the field `path`."""
        self.fields[path] = Field(element, read)
        return element

    def text(
        self, path: str, label: str, *, value: str | None = "", hint: str = "", mono: bool = False
    ) -> ui.input:
        """One line of text; empty gives None."""
        field = ui.input(label, value=value or "").props("outlined dense autocomplete=off")
        if mono:
            field.props.update({"input-class": "tl-mono"})
        _hint(field, hint)
        self.add(path, field, lambda text: (text or "").strip() or None)
        return field

    def area(
        self, path: str, label: str, *, value: str | None = "", hint: str = "", mono: bool = False
    ) -> ui.textarea:
        """Several lines of text; empty gives None."""
        field = ui.textarea(label, value=value or "").props("outlined dense autogrow autocomplete=off")
        if mono:
            field.props.update({"input-class": "tl-mono"})
        _hint(field, hint)
        self.add(path, field, lambda text: (text or "").strip() or None)
        return field

    def lines(self, path: str, label: str, *, value: Sequence[str] = (), hint: str = "") -> ui.textarea:
        """A list of texts, one a line."""
        field = self.area(path, label, value="\n".join(value), hint=hint or "One a line", mono=True)
        self.add(
            path, field, lambda text: [line.strip() for line in (text or "").splitlines() if line.strip()]
        )
        return field

    def number(
        self, path: str, label: str, *, value: float | None = None, hint: str = "", whole: bool = True,
        suffix: str = "",
    ) -> ui.number:  # fmt: skip
        """A number; empty gives None."""
        field = ui.number(label, value=value, format="%d" if whole else None, suffix=suffix or None)
        field.props("outlined dense autocomplete=off")
        _hint(field, hint)

        def read(given: float | None) -> float | None:
            return given if given is None or not whole or given != int(given) else int(given)

        self.add(path, field, read)
        return field

    def choice(
        self, path: str, label: str, options: Mapping[str, str] | Sequence[str], *, value: str | None = None,
        hint: str = "", clearable: bool = False,
    ) -> ui.select:  # fmt: skip
        """One of several: value -> text, or the values themselves."""
        shown = dict(options) if isinstance(options, Mapping) else list(options)
        field = ui.select(shown, label=label, value=value, clearable=clearable)
        field.props("outlined dense options-dense")
        _hint(field, hint)
        self.add(path, field)
        return field

    def switch(self, path: str, label: str, *, value: bool = False, hint: str = "") -> ui.switch:
        """Yes or no."""
        field = ui.switch(label, value=value)
        field.props["aria-label"] = label
        if hint:
            ui.label(hint).classes("tl-check-hint")
        self.add(path, field)
        return field

    def secret(self, path: str, label: str, *, there: bool = False, hint: str = "") -> ui.input:
        """A secret that can be set and not read; empty gives None, which is to mean that it stays as it is."""
        field = ui.input(label, password=True, password_toggle_button=True)
        field.props("outlined dense autocomplete=new-password")
        _hint(field, hint or ("There is one; leave this empty to keep it" if there else ""))
        self.add(path, field, lambda text: text or None)
        return field

    def variable(
        self, path: str, label: str, variables: Mapping[str, str], *, value: str = "", hint: str = ""
    ) -> ui.input:
        """One line of text that completes `$variables`."""
        field = variable_field(label, variables, value=value, hint=hint)
        self.add(path, field, lambda text: (text or "").strip() or None)
        return field

    # -- what was filled in -----------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """The value of every field by its path."""
        return {path: field.read(field.element.value) for path, field in self.fields.items()}

    # -- faults -----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Take all shown faults away."""
        self._top.clear()
        for field in self.fields.values():
            if hasattr(field.element, "error"):
                field.element.error = None

    def show(self, faults: Sequence[FieldFault]) -> None:
        """Show each fault at its field; those of no field are listed on top."""
        by_field: dict[str, list[str]] = {}
        others: list[str] = []
        for fault in faults:
            path = self._field_of(fault.field)
            if path is None:
                others.append(f"{fault.field}: {fault.message}" if fault.field else fault.message)
            else:
                by_field.setdefault(path, []).append(fault.message)
        # One that stays as it is is not touched: an update would bring a text that may be behind what is being typed.
        for path, field in self.fields.items():
            if hasattr(field.element, "error"):
                field.element.error = "; ".join(by_field.get(path, ())) or None
        self._top.clear()
        self.refuse(*others)

    def refuse(self, *messages: str) -> None:
        """Say on top what is wrong with the whole."""
        with self._top:
            for message in messages:
                tell(text=f"{message[:1].upper()}{message[1:]}", tone=Tone.BAD)
        if messages:
            self._top.run_method("scrollIntoView", {"block": "nearest"})

    def _field_of(self, path: str) -> str | None:
        """The field that a fault is about: the longest path that the fault's begins with."""
        found = [
            one
            for one, field in self.fields.items()
            if hasattr(field.element, "error") and (path == one or path.startswith((f"{one}.", f"{one}[")))
        ]
        return max(found, key=len, default=None)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Show what is refused within: faults at their fields, anything else on top."""
        self.clear()
        try:
            yield
        except InvalidFields as error:
            self.show(error.faults)
        except TielineError as error:
            self.refuse(error.message)
        except Exception:
            log.exception("a form failed")
            self.refuse(BROKEN)


@contextmanager
def pair() -> Iterator[ui.element]:
    """Fields beside one another where there is room."""
    with ui.element("div").classes("tl-form-pair") as box:
        yield box


def _hint(field: Any, hint: str) -> None:
    if hint:
        field.props["hint"] = hint
