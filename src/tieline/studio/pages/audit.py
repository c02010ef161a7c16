"""Configure > Audit log: who changed what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from nicegui import ui

from tieline.admin.resources import NOUNS as RESOURCE_NOUNS
from tieline.model.audit import AuditChange, AuditEntry
from tieline.model.principal import PrincipalKind
from tieline.model.user import Right
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.parts.cards import card
from tieline.studio.parts.states import empty
from tieline.studio.parts.times import time

AT_ONCE = 50
"""Entries shown before one asks for more."""

KINDS = {
    "users": "People", "accounts": "Accounts", "projects": "Projects", "pools": "Pools", "trunks": "Trunks",
    "sip_tokens": "SIP tokens", "api_keys": "API keys", "webhooks": "Webhooks", "twilio": "Twilio",
    "calls": "Calls", "test_calls": "Test calls", "reservations": "Reservations", "sms": "Text messages",
    "opt_out": "Opt-outs",
}  # fmt: skip
"""What can be chosen to see the changes of."""

NOUNS = {
    **RESOURCE_NOUNS, "users": "person", "calls": "call", "test_calls": "test call to", "reservations": "reservation",
    "sms": "text message", "opt_out": "opt-out",
}  # fmt: skip
"""What one thing of a kind is called."""

WORDS = {
    "create": "created", "update": "changed", "remove": "removed", "delete": "removed", "invite": "invited",
    "add": "created", "change": "changed",
    "new_link": "made a one-time link for", "sign_in": "signed in", "sign_out": "signed out",
    "sign_out_elsewhere": "signed out everywhere else", "sign_in_failed": "failed to sign in",
    "change_password": "changed the password of", "password_failed": "gave a wrong password for",
    "use_link_first_owner": "became the first owner", "use_link_invitation": "accepted the invitation",
    "use_link_new_password": "set a new password by a link", "export": "exported",
    "send": "sent", "retry": "sent once more", "test": "sent a test to", "redeliver": "sent once more to",
    "place": "placed", "hang_up": "hung up", "reserve": "tried out", "release": "released",
    "active": "put numbers to use in", "draining": "drained numbers of", "disabled": "disabled numbers of",
}  # fmt: skip
"""Actions as past facts."""

OWN = frozenset(
    {
        "sign_in",
        "sign_out",
        "sign_out_elsewhere",
        "sign_in_failed",
        "use_link_first_owner",
        "use_link_invitation",
    }
)
"""Actions whose object is the actor."""


@page("/audit", "Audit log", icon="history", group=Group.CONFIGURE, order=40, right=Right.USERS)
async def audit(view: View, actor: str = "", kind: str = "", name: str = "") -> None:
    """The log, newest first, with what each change made of what."""
    days = view.services.settings.store.keep_audit_days
    kept = f"; kept for {days:g} days" if days else ""
    view.heading.subtitle(f"Every change and every sign-in, newest first{kept}.")
    entries = await view.admin.audit.entries(
        view.who, actor=actor or None, kind=kind or None, name=name or None, limit=AT_ONCE
    )
    people = await view.admin.people.people(view.who)
    _filters([one.email for one in people], actor, kind, name)
    with card(flush=True):
        if not entries:
            found = "Nothing matches" if actor or kind or name else "Nothing happened yet"
            empty("history", found, "Changes and sign-ins appear here as they happen.")
        box = ui.element("ol").classes("tl-audit").props('aria-label="Entries"')
    _add(box, entries)
    last = entries[-1].id if len(entries) == AT_ONCE else 0

    async def more() -> None:
        nonlocal last
        with telling():
            found = await view.admin.audit.entries(
                view.who,
                actor=actor or None,
                kind=kind or None,
                name=name or None,
                before_id=last,
                limit=AT_ONCE,
            )
            _add(box, found)
            last = found[-1].id if found else 0
            button.visible = len(found) == AT_ONCE

    button = ui.button("Show earlier entries", on_click=more).props("outline")
    button.visible = bool(last)


def _filters(addresses: list[str], actor: str, kind: str, name: str) -> None:
    def look() -> None:
        asked = {"actor": who.value, "kind": what.value, "name": named.value}
        query = urlencode({key: value.strip() for key, value in asked.items() if value and value.strip()})
        ui.navigate.to(f"/audit?{query}" if query else "/audit")

    with card(), ui.element("div").classes("tl-row"):
        who = ui.input("Who", value=actor, autocomplete=[*addresses, "command line"])
        what = ui.select({"": "Everything", **KINDS}, label="What", value=kind if kind in KINDS else "")
        named = ui.input("Name", value=name)
        for field in (who, what, named):
            field.props("outlined dense").style("min-width: 200px; flex: 1")
        for field in (who, named):
            field.on("keydown.enter", look)
        ui.button("Filter", on_click=look).props("unelevated")
        if actor or kind or name:
            ui.button("Clear", on_click=lambda: ui.navigate.to("/audit")).props("flat")


def _add(box: ui.element, entries: Sequence[AuditEntry]) -> None:
    with box:
        for entry in entries:
            with ui.element("li").classes("tl-audit-entry"):
                _entry(entry)


def _entry(entry: AuditEntry) -> None:
    with ui.element("div").classes("tl-row").style("gap: 4px 8px; align-items: baseline"):
        ui.label(entry.actor).style("font-weight: 600")
        ui.label(WORDS.get(entry.action, entry.action.replace("_", " ")))
        if entry.action not in OWN:
            ui.label(NOUNS.get(entry.kind, entry.kind.replace("_", " "))).classes("tl-muted")
            ui.label(entry.name).classes("tl-mono")
        ui.space()
        if entry.address:
            ui.label(entry.address).classes("tl-muted tl-mono tl-small")
        elif entry.actor_kind is not PrincipalKind.COMMAND:
            ui.label(entry.actor_kind.value.replace("_", " ")).classes("tl-muted tl-small")
        time(entry.at).classes("tl-muted tl-small")
    if entry.changes:
        with ui.element("dl").classes("tl-values tl-small").style("margin-top: 6px"):
            for change in entry.changes:
                _change(change)


def _change(change: AuditChange) -> None:
    with ui.element("dt"):
        ui.label(change.field).classes("tl-mono")
    with ui.element("dd"), ui.element("div").classes("tl-row").style("gap: 4px 8px"):
        if change.before is not None:
            ui.label(change.before).style("color: var(--tl-bad); text-decoration: line-through")
        if change.before is not None and change.after is not None:
            ui.icon("arrow_forward").props('aria-label="became"').classes("tl-muted")
        if change.after is not None:
            ui.label(change.after).style("color: var(--tl-good)")
