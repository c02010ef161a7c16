"""Configure > Handoff API: which state keys Get Handoff shows, tried on a real conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from nicegui import ui

from tieline.admin.exposure import ExposurePreview, RecentConversation
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffApi
from tieline.model.user import Right
from tieline.studio.frame import View, page
from tieline.studio.menu import Group
from tieline.studio.parts.cards import card, columns, stack
from tieline.studio.parts.code import code_block
from tieline.studio.parts.forms import Form
from tieline.studio.parts.projects import pick_project
from tieline.studio.parts.states import Tone, empty, tell
from tieline.studio.parts.times import viewers_zone

SETTLE_S = 0.3

USUAL, CHOSEN = "usual", "chosen"
KINDS = {USUAL: "The usual keys, where they have a value", CHOSEN: "These keys, always"}

STATUSES = {
    OutcomeStatus.UNKNOWN: "unknown",
    OutcomeStatus.IN_PROGRESS: "still up",
    OutcomeStatus.ENDED_WITHOUT_HANDOFF: "no handoff",
    OutcomeStatus.ENDED_WITH_HANDOFF: "handed off",
}


@page("/handoff-api", "Handoff API", icon="output", group=Group.CONFIGURE, order=20)
async def exposure(view: View, project: str = "") -> None:
    """What Get Handoff shows of a project's conversations."""
    view.heading.subtitle("What Get Handoff tells a contact centre about a conversation.")
    chosen = await pick_project(view, "/handoff-api", project)
    if chosen is not None:
        await ExposurePage(view, chosen).show()


class ExposurePage:
    """The draft on the left, what it would answer on the right."""

    def __init__(self, view: View, project: str) -> None:
        self._view, self._project = view, project
        self._builds = view.may(Right.BUILD)
        self._rows: list[tuple[ui.element, ui.input, ui.input]] = []
        self._keys: Mapping[str, str] = {}
        self._pick: ui.select | None = None
        self._round = 0

    async def show(self) -> None:
        """Draw the page."""
        admin, who = self._view.admin.exposure, self._view.who
        api = await admin.get(who, self._project)
        self._keys = await admin.keys(who, self._project)
        recent = await admin.recent(who, self._project)
        address = await admin.address(who, self._project)
        if self._builds:
            with self._view.heading.actions:
                ui.button("Save", icon="check", on_click=self._save).props("unelevated")
        with columns():
            with stack():
                self._draft_card(api)
                with card("The request"):
                    reach = self._view.admin.reach.http
                    curl = f"curl '{reach}{address}?shared_id=YOUR_SHARED_ID' \\\n  -H 'x-api-key: YOUR_KEY'"
                    code_block(curl, wrap=True, label="Request")
                    ui.link("Make a key with the scope handoff:read", "/keys")
            with stack():
                self._preview_card(recent)
        await self._preview()

    # -- the draft --------------------------------------------------------------------------------------------

    def _draft_card(self, api: HandoffApi) -> None:
        with card("What is shown"), Form() as self._form:
            kind = USUAL if api.state_keys is None else CHOSEN
            self._kind = ui.select(KINDS, label="State keys", value=kind, on_change=self._changed)
            self._kind.props("outlined dense options-dense")
            with ui.element("div").classes("tl-stack tl-rows") as self._list:
                self._box = ui.element("div").classes("tl-stack tl-rows")
                for key in api.state_keys or ():
                    self._add(key, api.aliases.get(key, ""))
                with ui.element("div").classes("tl-row"):
                    ui.button("Add a key", icon="add", on_click=lambda: self._append("")).props(
                        "outline dense"
                    )
                self._offers = ui.element("div").classes("tl-row")
            self._shared = self._form.text(
                "shared_id_state_key",
                "State key that holds the shared id",
                value=api.shared_id_state_key,
                mono=True,
            )
            self._shared.on_value_change(self._changed)
            # Aliases of keys that are not listed: kept as they are, for the usual keys have them, too.
            self._aliases = dict(api.aliases)
        if not self._builds:
            for field in (self._kind, self._shared):
                field.disable()
        self._offer()

    async def _append(self, key: str) -> None:
        self._add(key, "")
        await self._changed()

    def _add(self, key: str, alias: str) -> None:
        with (
            self._box,
            ui.element("div").classes("tl-header-row").props('role=group aria-label="State key"') as row,
        ):
            name = ui.input("State key", value=key).props("outlined dense autocomplete=off")
            public = ui.input("Shown as", value=alias).props("outlined dense autocomplete=off")
            for field in (name, public):
                field.props.update({"input-class": "tl-mono"})
                field.on_value_change(self._changed)
            public.props.update({"placeholder": "its own name", "stack-label": True})
            remove = ui.button(icon="delete_outline", on_click=lambda: self._remove(row))
            remove.props('flat round dense aria-label="Remove this key"')
        self._rows.append((row, name, public))

    async def _remove(self, row: ui.element) -> None:
        self._rows = [one for one in self._rows if one[0] is not row]
        with self._list:  # the button that was clicked goes with its row
            row.delete()
            await self._changed()

    def _offer(self) -> None:
        """Keys that recent calls had and that are not in the list yet."""
        there = {name.value for _, name, _ in self._rows}
        self._list.visible = self._kind.value == CHOSEN
        self._offers.clear()
        with self._offers:
            for key, kind in self._keys.items():
                if key not in there:
                    button = ui.button(key, icon="add", on_click=lambda key=key: self._append(key))
                    button.props("flat dense size=sm no-caps").classes("tl-mono")
                    if kind:
                        button.tooltip(f"{kind} in recent calls")

    def draft(self) -> HandoffApi:
        """What was filled in."""
        shared = (self._shared.value or "").strip()
        if self._kind.value == USUAL:
            return HandoffApi(aliases=self._aliases, shared_id_state_key=shared)
        filled = [
            ((name.value or "").strip(), (public.value or "").strip()) for _, name, public in self._rows
        ]
        return HandoffApi(
            state_keys=tuple(key for key, _ in filled),
            aliases={key: public for key, public in filled if public and public != key},
            shared_id_state_key=shared,
        )

    async def _save(self) -> None:
        with self._form.telling():
            await self._view.admin.exposure.save(self._view.who, self._project, self.draft())
            ui.notify("Saved; it holds for calls that end from now on", type="positive")

    # -- the preview ------------------------------------------------------------------------------------------

    def _preview_card(self, recent: Sequence[RecentConversation]) -> None:
        with card("On a real conversation"):
            if not recent:
                empty("forum", "No conversation yet", "Call the project, and see here what it would answer.")
                return
            zone = viewers_zone()
            options = {one.id: _described(one, zone) for one in recent}
            self._pick = ui.select(options, label="Conversation", value=recent[0].id, on_change=self._preview)
            self._pick.props("outlined dense options-dense").classes("w-full")
            self._shown = ui.element("div").classes("tl-stack").props("aria-live=polite")

    async def _changed(self) -> None:
        """Something was typed or chosen: show what it makes of the answer once it has settled."""
        self._round += 1
        mine = self._round
        await asyncio.sleep(SETTLE_S)
        if mine == self._round:
            self._offer()
            await self._preview()

    async def _preview(self) -> None:
        pick = self._pick
        if pick is None:
            return
        self._round += 1
        mine = self._round
        with self._form.telling():
            found = await self._view.admin.exposure.preview(
                self._view.who, self._project, str(pick.value), self.draft()
            )
            if mine != self._round:
                return  # a newer one is on its way
            self._shown.clear()
            with self._shown:
                _show(found)


def _described(one: RecentConversation, zone: tzinfo) -> str:
    at = one.started_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if zone is UTC:
        at += " UTC"
    return " · ".join([at, *([one.caller] if one.caller else []), STATUSES[one.status], one.id[:8]])


def _show(found: ExposurePreview) -> None:
    if not found.with_values:
        tell(text="You may not see personal data: kinds of values stand in for the values.", tone=Tone.QUIET)
    ui.label("With these settings").classes("tl-section-title")
    code_block(_json(found.drafted), wrap=True, label="With these settings")
    ui.label("Now").classes("tl-section-title")
    if found.now is None:
        tell(text="404: the call is still up.", tone=Tone.QUIET)
    else:
        code_block(_json(found.now), wrap=True, label="Now")
    with ui.expansion(f"The whole state ({len(found.state)})").props("dense").classes("w-full tl-findings"):
        code_block(_json(found.state), wrap=True, label="The whole state")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
