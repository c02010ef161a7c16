"""Telephony > Trunks: all of them, and one in full."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nicegui import ui

from tieline.admin.trunks import ListedTrunk
from tieline.calls.trunk_watch import TrunkState
from tieline.errors import TielineError
from tieline.model.user import Right
from tieline.studio.frame import View, page
from tieline.studio.menu import Group
from tieline.studio.pages.trunks.form import edit_trunk, show_profile
from tieline.studio.parts.cards import card, columns, stack, values
from tieline.studio.parts.code import code_block
from tieline.studio.parts.dialogs import confirm_by_name
from tieline.studio.parts.index_page import Index, Nothing
from tieline.studio.parts.refresh import refresh_every
from tieline.studio.parts.states import Tone, badge, chip, set_badge
from tieline.studio.parts.tables import Column

REFRESH_S = 2.0

COLUMNS = (
    Column("name", "Name"),
    Column("state", "State", "badge"),
    Column("profile", "Profile"),
    Column("networks", "Calls come from", "chips", sortable=False),
    Column("calls", "Calls up", "number"),
    Column("limit", "Call limit", "number", blank="none"),
    Column("pools", "Trusted by pools", blank="none"),
)

NOTHING = Nothing(
    "lan",
    "No trunk yet",
    "A trunk is a phone system or carrier that sends us calls. One is taken only from an address that a trunk names.",
)

STATES = {
    None: ("not watched", Tone.QUIET),
    TrunkState.UNKNOWN: ("not known yet", Tone.QUIET),
    TrunkState.UP: ("up", Tone.GOOD),
    TrunkState.DOWN: ("down", Tone.BAD),
}


@page("/trunks", "Trunks", icon="lan", group=Group.TELEPHONY, order=20)
async def trunks(view: View) -> None:
    """Every trunk with its state."""
    view.heading.subtitle("The phone systems and carriers that send us calls, and that we call.")

    async def saved(name: str) -> None:
        ui.navigate.to(_path(name))

    async def add() -> None:
        with dialogs:
            await edit_trunk(view, None, saved)

    index = Index(view, Right.TELEPHONY, "Add trunk", add, NOTHING)
    dialogs = ui.element("div")
    found = await view.admin.trunks.trunks(view.who)
    shown = index.table(COLUMNS, [_row(one) for one in found], path="/trunks", label="Trunks", sort_by="name")
    if shown is None:
        return

    async def refresh() -> None:
        try:
            shown.rows = [_row(one) for one in await view.admin.trunks.trunks(view.who)]
        except TielineError:
            return

    refresh_every(REFRESH_S, refresh)


@page("/trunks/{name}", "Trunk", icon="lan")
async def trunk(view: View, name: str) -> None:
    """One trunk: how it is, what to enter at the other side, and what its profile means."""
    found = await view.admin.trunks.trunk(view.who, name)
    view.heading.title(name)
    view.heading.crumbs(("Trunks", "/trunks"))
    view.heading.subtitle(found.title)
    dialogs = ui.element("div")
    if view.may(Right.TELEPHONY) and found.changeable:
        with view.heading.actions:
            _actions(view, name, dialogs)
    with columns():
        with stack():
            await _live_card(view, found)
            with card("What to enter at the other side"):
                for entry in await view.admin.trunks.entries(view.who, name):
                    with ui.element("div"):
                        ui.label(entry.label).classes("tl-small tl-muted")
                        code_block(entry.value, wrap=True, label=entry.label)
                        if entry.about:
                            ui.label(entry.about).classes("tl-small tl-muted")
        with card(found.title):
            show_profile(view.admin.trunks.profile(found.profile), opened=True)


def _actions(view: View, name: str, dialogs: ui.element) -> None:
    async def saved(_name: str) -> None:
        view.redraw()

    async def edit() -> None:
        dialogs.clear()
        with dialogs:
            await edit_trunk(view, name, saved)

    async def remove() -> None:
        await view.admin.trunks.remove(view.who, name)
        ui.navigate.to("/trunks")

    def ask() -> None:
        dialogs.clear()
        with dialogs:
            confirm_by_name(
                "trunk", name, "Its calls are refused from then on; those that are up go on.", remove
            ).open()

    ui.button("Delete", icon="delete_outline", on_click=ask).props("outline color=negative")
    ui.button("Edit", icon="edit", on_click=edit).props("unelevated")


async def _live_card(view: View, found: ListedTrunk) -> None:
    with card("How it is"):
        with ui.element("div").classes("tl-row"):
            state = badge(*STATES[found.state])
            registered = badge("")
        detail = ui.label().classes("tl-muted tl-small tl-wrap")
        calls = ui.label()
        facts: dict[str, Any] = {
            "Calls come from": lambda: _chips(found.networks),
            "Called at": found.target or "it is not called",
            "Transport": found.transport.upper(),
            "New calls a second": "no limit" if found.max_cps is None else f"at most {found.max_cps:g}",
            "Account": found.account or "all",
            "Trusted by pools": ", ".join(found.pools) or "none",
            "Carries calls to": ", ".join(found.uses) or "no handoff destination",
        }
        values(facts)

    def show(one: ListedTrunk) -> None:
        set_badge(state, *STATES[one.state])
        if one.registered is not None:
            words, tone = ("registered", Tone.GOOD) if one.registered else ("not registered", Tone.BAD)
            set_badge(registered, words, tone)
        registered.visible = one.registered is not None
        detail.text = one.detail
        limit = f" of at most {one.max_calls}" if one.max_calls is not None else ""
        calls.text = "" if one.calls is None else f"{one.calls}{limit} calls up"

    async def refresh() -> None:
        try:
            show(await view.admin.trunks.trunk(view.who, found.name))
        except TielineError:
            return

    show(found)
    refresh_every(REFRESH_S, refresh)


def _chips(texts: tuple[str, ...]) -> None:
    with ui.element("div").classes("tl-row"):
        for text in texts:
            chip(text)


def _path(name: str) -> str:
    return f"/trunks/{quote(name)}"


def _row(one: ListedTrunk) -> dict[str, Any]:
    text, tone = STATES[one.state]
    return {
        "id": one.name,
        "name": one.name,
        "name_path": _path(one.name),
        "name_sub": "" if one.account is not None else "all accounts",
        "state": text,
        "state_tone": tone.value,
        "state_sub": "" if one.registered is None else "registered" if one.registered else "not registered",
        "profile": one.title,
        "networks": one.networks,
        "calls": one.calls,
        "limit": one.max_calls,
        "pools": ", ".join(one.pools),
    }
