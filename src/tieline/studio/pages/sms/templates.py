"""The templates of a project as cards."""

from __future__ import annotations

from nicegui import ui

from tieline.admin.sms_views import ListedTemplate, TemplateSource
from tieline.model.user import Right
from tieline.studio.frame import View, telling
from tieline.studio.pages.sms.template_form import TemplateForm
from tieline.studio.pages.sms.words import ENVIRONMENTS, SOURCES, forced_in_words, size_in_words
from tieline.studio.parts.cards import grid, head, values
from tieline.studio.parts.dialogs import confirm_by_name
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.menus import action, actions_menu
from tieline.studio.parts.states import Tone, badge, tell

NOTHING = Nothing(
    "sms", "No template yet", "A template is a text with tokens that the agent sends by its name."
)


class TemplateCards:
    """The cards of one project; drawn again after every change."""

    def __init__(self, view: View, project: str) -> None:
        self._view, self._project = view, project
        self._index = Index(view, Right.BUILD, "Add template", lambda: self._open(None), NOTHING)
        self._builds = self._index.may_add
        self._box = ui.element("div").classes("tl-stack")
        self._dialogs = ui.element("div")

    async def show(self) -> None:
        """Draw the cards as things are now."""
        listed = await self._view.admin.sms.templates(self._view.who, self._project)
        self._box.clear()
        with self._box:
            if not listed:
                self._index.empty()
                return
            with grid(340):
                for one in listed:
                    self._card(one)

    def _card(self, listed: ListedTemplate) -> None:
        one = listed.template
        with ui.element("section").classes("tl-card") as box:
            box.props["aria-label"] = one.name
            with head(one.name):
                badge(f"{listed.size.segments} × {listed.size.encoding.value}", Tone.QUIET)
                if self._builds:
                    self._menu(listed)
            ui.label(one.content).classes("tl-wrap").style("white-space: pre-wrap")
            senders = {
                sender.env.value: sender.messaging_service_sid or sender.number for sender in one.senders
            }
            facts = {ENVIRONMENTS[env]: senders.get(env) or "the project's number" for env in ENVIRONMENTS}
            facts["Length"] = size_in_words(listed.size)
            if SOURCES[listed.source]:
                facts["From"] = SOURCES[listed.source]
            values(facts)
            if listed.unknown:
                tell(text=f"Can never be filled in: {', '.join(listed.unknown)}", tone=Tone.WARN)
            if forced_in_words(listed.size):
                tell(text=forced_in_words(listed.size), tone=Tone.WARN)

    def _menu(self, listed: ListedTemplate) -> None:
        with actions_menu(f"Actions for {listed.template.name}"):
            folder = listed.source is TemplateSource.FOLDER
            action("Lay a change over it" if folder else "Edit", lambda: self._open(listed))
            if listed.source is TemplateSource.RESOURCES:
                action("Delete", lambda: self._delete(listed), danger=True)
            elif listed.source is TemplateSource.LAID_OVER:
                action("Go back to the folder's", lambda: self._delete(listed), danger=True)

    async def _open(self, listed: ListedTemplate | None) -> None:
        self._dialogs.clear()
        with telling(), self._dialogs:
            known = await self._view.admin.sms.tokens(self._view.who, self._project)
            tokens = {one.name: one.about for one in known}
            TemplateForm(self._view, self._project, listed, tokens, self.show).open()

    def _delete(self, listed: ListedTemplate) -> None:
        name, view = listed.template.name, self._view

        async def remove() -> None:
            await view.admin.sms.remove_template(view.who, self._project, name)
            await self.show()

        laid_over = listed.source is TemplateSource.LAID_OVER
        text = "The agent that sends it gets an error instead."
        if laid_over:
            text = "The template of the agent's folder holds again, as it is there."
        self._dialogs.clear()
        with self._dialogs:
            confirm_by_name(
                "template", name, text, remove, action="Go back" if laid_over else "Delete"
            ).open()
