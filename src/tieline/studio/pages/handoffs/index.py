"""Call Handoffs: the destinations of a project as cards."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from tieline.admin.handoffs import DestinationSource, ListedDestination
from tieline.model.handoff import HandoffMethod
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.menu import Group
from tieline.studio.pages.handoffs.form import DestinationForm
from tieline.studio.pages.handoffs.words import (
    METHODS,
    SOURCES,
    count_remarks,
    fallback_of,
    muted,
    route_of,
    show_remarks,
)
from tieline.studio.parts.cards import grid, head, values
from tieline.studio.parts.dialogs import confirm_by_name
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.menus import action, actions_menu
from tieline.studio.parts.projects import pick_project
from tieline.studio.parts.states import Tone, badge, chip

SHOWN_HEADERS = 6
NOTHING = Nothing(
    "phone_forwarded",
    "No handoff yet",
    "Add one, and the agent can hand callers over to it. The first one becomes the default.",
)


@page("/handoffs", "Call Handoffs", icon="phone_forwarded", group=Group.BUILD, order=20)
async def handoffs(view: View, project: str = "") -> None:
    """The destinations that callers are handed to."""
    view.heading.subtitle("Where callers go when a human takes over.")
    chosen = await pick_project(view, "/handoffs", project)
    if chosen is not None:
        await HandoffCards(view, chosen).show()


class HandoffCards:
    """The cards of one project; drawn again after every change."""

    def __init__(self, view: View, project: str) -> None:
        self._view, self._project = view, project
        self._index = Index(view, Right.BUILD, "Add Handoff", self._add, NOTHING)
        self._builds = self._index.may_add
        self._listed: Sequence[ListedDestination] = ()
        self._box = ui.element("div").classes("tl-stack")
        self._dialogs = ui.element("div")

    async def show(self) -> None:
        """Draw the cards as things are now."""
        self._listed = await self._view.admin.handoffs.destinations(self._view.who, self._project)
        self._box.clear()
        with self._box:
            if not self._listed:
                self._index.empty()
                return
            with grid(340):
                for one in self._listed:
                    self._card(one)

    def _card(self, listed: ListedDestination) -> None:
        one = listed.destination
        with ui.element("section").classes("tl-card") as box:
            box.props["aria-label"] = one.name
            with head(one.name):
                if one.is_default:
                    badge("default", Tone.GOOD)
                state = count_remarks(listed.remarks)
                if state is not None:
                    badge(*state)
                if self._builds:
                    self._menu(listed)
            if one.description:
                ui.label(one.description).classes("tl-wrap")
            facts = {"Method": METHODS[one.sip_config.method.value], "Route": route_of(one)}
            if one.sip_config.method is HandoffMethod.INVITE:
                facts["Trunk"] = one.sip_config.outbound_endpoint or "the caller's own"
                facts["Encryption"] = one.sip_config.outbound_encryption or "TLS/SRTP"
            facts |= {"Fall-back": fallback_of(one), "Headers": str(len(one.sip_headers) or "none")}
            if SOURCES[listed.source]:
                facts["From"] = SOURCES[listed.source]
            values(facts)
            if one.sip_headers:
                with ui.element("div").classes("tl-row"):
                    for header in one.sip_headers[:SHOWN_HEADERS]:
                        chip(header.key)
                    if len(one.sip_headers) > SHOWN_HEADERS:
                        muted(f"and {len(one.sip_headers) - SHOWN_HEADERS} more")
            if listed.differs:
                muted(f"Differs from the folder's in {', '.join(listed.differs)}.")
            self._findings(listed)

    def _findings(self, listed: ListedDestination) -> None:
        told = [remark for remark in listed.remarks if remark.level.value != "info"]
        if told:
            found = ui.expansion("What will not get through").props("dense").classes("w-full tl-findings")
            with found, ui.element("div").classes("tl-stack tl-rows"):
                show_remarks(told)

    def _menu(self, listed: ListedDestination) -> None:
        one, source = listed.destination, listed.source
        with actions_menu(f"Actions for {one.name}"):
            action(
                "Edit" if source is not DestinationSource.FOLDER else "Lay a change over it",
                lambda: self._edit(listed),
            )
            action("Duplicate", lambda: self._duplicate(one.name))
            if not one.is_default:
                action("Set as default", lambda: self._set_default(one.name))
            if source is DestinationSource.RESOURCES:
                action("Delete", lambda: self._delete(listed), danger=True)
            elif source is DestinationSource.LAID_OVER:
                action("Go back to the folder's", lambda: self._delete(listed), danger=True)

    # -- acts -------------------------------------------------------------------------------------------------

    async def _add(self) -> None:
        await self._open(None)

    async def _edit(self, listed: ListedDestination) -> None:
        await self._open(listed)

    async def _open(self, listed: ListedDestination | None) -> None:
        self._dialogs.clear()
        with telling(), self._dialogs:
            view = self._view
            resources = await view.admin.resources.resources(view.who)
            there = listed.destination if listed is not None else None
            form = DestinationForm(
                view,
                self._project,
                there,
                others=[
                    one.destination.name
                    for one in self._listed
                    if there is None or one.destination.name != there.name
                ],
                trunks=[one.name for one in resources.trunks],
                variables={
                    one.name: one.about
                    for one in await view.admin.handoffs.variables(view.who, self._project)
                },
                saved=self.show,
            )
            await form.open()

    async def _duplicate(self, name: str) -> None:
        with telling():
            new = await self._view.admin.handoffs.duplicate(self._view.who, self._project, name)
            ui.notify(f"{new} added", type="positive")
            await self.show()

    async def _set_default(self, name: str) -> None:
        with telling():
            await self._view.admin.handoffs.set_default(self._view.who, self._project, name)
            await self.show()

    def _delete(self, listed: ListedDestination) -> None:
        name, view = listed.destination.name, self._view

        async def remove() -> None:
            await view.admin.handoffs.remove(view.who, self._project, name)
            await self.show()

        if listed.source is DestinationSource.LAID_OVER:
            text, action = "The destination of the agent's folder holds again, as it is there.", "Go back"
        else:
            text, action = (
                "An agent that asks for it gets an error, and the caller the fall-back of the project.",
                "Delete",
            )
        self._dialogs.clear()
        with self._dialogs:
            confirm_by_name("handoff", name, text, remove, action=action).open()
