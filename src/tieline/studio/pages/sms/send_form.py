"""The form of one message by hand: a text of one's own, or a template with a field for each of its tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from tieline.admin.sms_views import ListedTemplate, nested
from tieline.model.sms import SmsTemplate
from tieline.model.sms_segments import measure
from tieline.model.sms_tokens import fill_tokens, tokens_of
from tieline.studio.frame import View
from tieline.studio.pages.sms.words import forced_in_words, size_in_words
from tieline.studio.parts.dialogs import Dialog

VALUE = "values."


class SendForm:
    """A dialog that sends one message of a project."""

    def __init__(
        self, view: View, project: str, listed: Sequence[ListedTemplate], sent: Callable[[], Awaitable[None]]
    ) -> None:
        self._view, self._project, self._sent = view, project, sent
        self._templates = {one.template.name: one.template for one in listed}
        self._dialog = Dialog("Send a message", "Send", self._send)
        with self._dialog:
            form = self._dialog.form
            form.text("to", "To", hint="E.164, such as +15550100", mono=True)
            form.text(
                "from_", "From", hint="Number or Messaging Service; empty: the project's own", mono=True
            )
            names = {"": "None", **{name: name for name in self._templates}}
            self._template = form.choice("template", "Template", names, value="")
            self._template.on_value_change(self._chosen)
            self._content = form.area("content", "Text")
            self._content.on_value_change(self._measure)
            self._tokens = ui.element("div").classes("tl-form")
            self._preview = ui.label().classes("tl-card tl-wrap").style("white-space: pre-wrap")
            self._preview.props('aria-label="Preview"')
            with ui.element("div").props('role=status aria-live=polite aria-label="Length"'):
                self._size = ui.label().classes("tl-mono tl-muted")
                self._forced = ui.label().classes("tl-wrap tl-muted")
        self._chosen()

    def open(self) -> None:
        """Show it."""
        self._dialog.open()

    @property
    def _picked(self) -> SmsTemplate | None:
        return self._templates.get(self._template.value or "")

    def _chosen(self) -> None:
        """Fields for the tokens of the template, in place of a text of one's own."""
        form, template = self._dialog.form, self._picked
        form.clear()
        for path in [one for one in form.fields if one.startswith(VALUE)]:
            del form.fields[path]
        self._tokens.clear()
        self._content.visible = template is None
        self._preview.visible = template is not None
        if template is not None:
            names = dict.fromkeys(one.name for one in tokens_of(template.content) if one.kind is not None)
            with self._tokens:
                for name in names:
                    form.text(f"{VALUE}{name}", name).on_value_change(self._measure)
        self._tokens.visible = bool(template is not None and len(self._values()) > 0)
        self._measure()

    def _values(self) -> dict[str, str | None]:
        found = self._dialog.form.values()
        return {path.removeprefix(VALUE): text for path, text in found.items() if path.startswith(VALUE)}

    def _measure(self) -> None:
        template, text = self._picked, self._content.value or ""
        if template is not None:
            values = nested({name: value or f"‹{name}›" for name, value in self._values().items()})
            self._preview.text = fill_tokens(template.content, values, values).text
            values = nested({name: value or "x" * len(name) for name, value in self._values().items()})
            text = fill_tokens(template.content, values, values).text
        size = measure(text)
        self._size.text = size_in_words(size)
        self._forced.text = forced_in_words(size)
        self._forced.visible = bool(self._forced.text)

    async def _send(self) -> None:
        given = self._dialog.form.values()
        draft: dict[str, Any] = {"to": given["to"], "from_": given["from_"]}
        if self._picked is None:
            draft["content"] = given["content"]
        else:
            values = {name: value for name, value in self._values().items() if value is not None}
            draft |= {"template": self._picked.name, "values": values}
        await self._view.admin.sms.send(self._view.who, self._project, draft)
        await self._sent()
