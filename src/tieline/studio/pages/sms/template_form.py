"""The form of one template: its text with tokens completed as one types, how long it is, and how it will look."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from nicegui import ui

from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.sms_views import ListedTemplate, TemplateSource
from tieline.model.sms_segments import measure
from tieline.model.sms_tokens import fill_tokens, tokens_of
from tieline.studio.frame import View
from tieline.studio.pages.sms.words import ENVIRONMENTS, forced_in_words, size_in_words
from tieline.studio.parts.cards import section
from tieline.studio.parts.dialogs import Dialog

SERVICE = "MG"


class TemplateForm:
    """A dialog that makes or changes a template. `tokens` are names with where they are known from."""

    def __init__(
        self,
        view: View,
        project: str,
        listed: ListedTemplate | None,
        tokens: Mapping[str, str],
        saved: Callable[[], Awaitable[None]],
    ) -> None:
        self._view, self._project, self._saved = view, project, saved
        self._replaces = listed.template.name if listed is not None else None
        there = listed.template if listed is not None else None
        fixed = listed is not None and listed.source is not TemplateSource.RESOURCES
        title = "Add template" if there is None else f"Edit {there.name}"
        self._dialog = Dialog(title, "Add" if there is None else "Save", self._save, width=640)
        senders = (
            {one.env.value: one.messaging_service_sid or one.number for one in there.senders} if there else {}
        )
        with self._dialog:
            form = self._dialog.form
            name = form.text(
                "name", "Name", value=there.name if there else "", hint="What the agent asks for", mono=True
            )
            name.enabled = not fixed
            self._content = form.area("content", "Text", value=there.content if there else "")
            self._content.props["data-variables"] = json.dumps(list(tokens.items()))
            self._content.props["hint"] = (
                "$name or {{vrbl:name}} from the state, {{attr:name}} from the attributes"
            )
            self._content.on_value_change(self._measure)
            with ui.element("div").props('role=status aria-live=polite aria-label="Length"'):
                self._size = ui.label().classes("tl-mono tl-muted")
                self._forced = ui.label().classes("tl-wrap tl-muted")
            with section("Preview", "With the names in place of values."):
                self._preview = ui.label().classes("tl-card tl-wrap").style("white-space: pre-wrap")
                self._preview.props('aria-label="Preview"')
            with section(
                "Senders", "A number, or a Messaging Service (MG…). Empty: the project's own Twilio number."
            ):
                for index, (env, label) in enumerate(ENVIRONMENTS.items()):
                    form.text(f"senders[{index}]", label, value=senders.get(env) or "", mono=True)
        self._measure()

    def open(self) -> None:
        """Show it."""
        self._dialog.open()

    def _measure(self) -> None:
        content = self._content.value or ""
        shown = {token.name.partition(".")[0]: f"‹{token.name}›" for token in tokens_of(content)}
        example = {token.name: "x" * len(token.name) for token in tokens_of(content) if "." not in token.name}
        self._preview.text = fill_tokens(content, shown, shown).text or "–"
        size = measure(fill_tokens(content, example, example).text)
        self._size.text = size_in_words(size)
        self._forced.text = forced_in_words(size)
        self._forced.visible = bool(self._forced.text)

    async def _save(self) -> None:
        values = self._dialog.form.values()
        given = [(index, env, values[f"senders[{index}]"]) for index, env in enumerate(ENVIRONMENTS)]
        given = [(index, env, text) for index, env, text in given if text]
        senders = [
            {"env": env, "messaging_service_sid" if text.startswith(SERVICE) else "number": text}
            for _, env, text in given
        ]
        draft = {"name": values["name"], "content": values["content"], "senders": senders}
        admin, who = self._view.admin.sms, self._view.who
        try:
            await admin.save_template(who, self._project, draft, replaces=self._replaces)
        except InvalidFields as error:
            raise _at_fields(error, [index for index, _, _ in given]) from None
        await self._saved()


def _at_fields(error: InvalidFields, indexes: Sequence[int]) -> InvalidFields:
    """Faults of senders at the fields that they were typed into: those left empty are not among the senders."""

    def field(path: str) -> str:
        for at, index in enumerate(indexes):
            if path.startswith(f"senders[{at}]"):
                return f"senders[{index}]"
        return path

    return InvalidFields(tuple(FieldFault(field(one.field), one.message) for one in error.faults))
