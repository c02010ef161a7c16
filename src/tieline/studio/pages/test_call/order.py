"""What a test call is to be: the form on the page's left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from tieline.admin.errors import FieldFault
from tieline.admin.test_calls import TestCallOrder, read_attributes
from tieline.gateway.studio_leg import TransferAnswer
from tieline.model.environment import Environment
from tieline.model.project import Project
from tieline.studio.parts.forms import Form, pair

TRANSFERS = {
    TransferAnswer.ACCEPT.value: "Done, as by a polite SBC",
    TransferAnswer.REFUSE.value: "Refused (403)",
    TransferAnswer.IGNORE.value: "Never answered",
}

EXAMPLE = '{"shared_id": "test-1"}'


class HeaderRows:
    """Rows of a header's name and value, which can be added and taken away."""

    def __init__(self) -> None:
        self.rows: list[tuple[ui.element, ui.input, ui.input]] = []
        self.box = ui.element("div").classes("tl-stack tl-rows")
        ui.button("Add header", icon="add", on_click=self._on_add).props("flat dense").classes("self-start")

    def _on_add(self) -> None:
        self.add()

    def add(self, name: str = "", value: str = "") -> None:
        """One more row."""
        with self.box, ui.element("div").classes("tl-header-row") as line:
            key = ui.input("Name", value=name, placeholder="X-Customer").props(
                "outlined dense autocomplete=off"
            )
            text = ui.input("Value", value=value).props("outlined dense autocomplete=off")
            remove = ui.button(icon="close", on_click=lambda: self._remove(line))
            remove.props('flat round dense aria-label="Remove this header"')
        self.rows.append((line, key, text))

    def _remove(self, line: ui.element) -> None:
        self.rows = [row for row in self.rows if row[0] is not line]
        line.delete()

    def values(self) -> tuple[tuple[str, str], ...]:
        """The headers; rows with nothing in them do not count."""
        found = [((key.value or "").strip(), (text.value or "").strip()) for _, key, text in self.rows]
        return tuple(one for one in found if one != ("", ""))

    def show(self, faults: Sequence[FieldFault]) -> list[FieldFault]:
        """Show the faults of single headers at their rows; gives back the others."""
        for _, key, _ in self.rows:
            key.error = None
        filled = [row for row in self.rows if (row[1].value or "").strip() or (row[2].value or "").strip()]
        left = []
        for fault in faults:
            number = fault.field.removeprefix("headers[").removesuffix("]")
            if fault.field.startswith("headers[") and number.isdigit() and int(number) < len(filled):
                filled[int(number)][1].error = fault.message
            else:
                left.append(fault)
        return left


class OrderForm:
    """The whole form. `read` gives the order."""

    def __init__(self, projects: Sequence[Project], chosen: str) -> None:
        slugs = {one.slug: f"{one.name or one.slug} ({one.slug})" for one in projects}
        env = {one.slug: one.env.value for one in projects}
        first = chosen if chosen in slugs else next(iter(slugs), None)
        self.form = Form()
        with self.form:
            with pair():
                project = self.form.choice("project", "Project", slugs, value=first)
                environments = {"": "The project's own", **{one.value: one.value for one in Environment}}
                self.form.choice("env", "Environment", environments, value="")
            with pair():
                self.form.text("caller", "Caller's number", hint="What conv.caller_number is", mono=True)
                self.form.text("callee", "Called number", hint="A number or extension", mono=True)
            attributes = self.form.area(
                "attributes", "Attributes", hint=f"As JSON, for example {EXAMPLE}", mono=True
            )
            attributes.props["input-style"] = "min-height: 84px"
            ui.label("SIP headers").classes("tl-muted")
            self.headers = HeaderRows()
            self.form.choice(
                "transfers", "Transfers (REFER) in calls by microphone are", TRANSFERS,
                value=TransferAnswer.ACCEPT.value,
            )  # fmt: skip
        self._project = project
        self._env = env

    def read(self) -> TestCallOrder:
        """The order as filled in. Raises `InvalidFields` for attributes that are no JSON object."""
        given: dict[str, Any] = self.form.values()
        return TestCallOrder(
            project=given["project"] or "",
            env=given["env"] or None,
            caller=given["caller"] or "",
            callee=given["callee"] or "",
            attributes=read_attributes(given["attributes"] or ""),
            headers=self.headers.values(),
            transfers=TransferAnswer(given["transfers"]),
        )
