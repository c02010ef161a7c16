"""The form that makes or changes a trunk. It starts from what is at the other end: a ready profile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from tieline.admin.errors import InvalidFields
from tieline.admin.profile_facts import ProfileFacts
from tieline.studio.frame import View, telling
from tieline.studio.pages.handoffs.words import show_remarks
from tieline.studio.pages.trunks.fields import Entry, add_entry, add_groups, read_fields
from tieline.studio.parts.cards import values
from tieline.studio.parts.dialogs import Dialog
from tieline.studio.parts.forms import pair

ALL = ""
"""Stands for every account."""


async def edit_trunk(view: View, name: str | None, saved: Callable[[str], Awaitable[object]]) -> None:
    """Open the form: for a new trunk, or with what one has. `saved` is told the trunk's name."""
    with telling():
        there: dict[str, Any] = {}
        secrets: frozenset[str] = frozenset()
        if name is not None:
            there, secrets = await view.admin.trunks.fields(view.who, name)
        resources = await view.admin.resources.resources(view.who)
        accounts = {one.slug: one.name or one.slug for one in resources.accounts}

        async def save() -> None:
            fields = read_fields(dialog.form, there, secrets)
            given = name or str(fields.pop("name", "") or "")
            try:
                if name is None:
                    await view.admin.trunks.create(view.who, {**fields, "name": given})
                else:
                    await view.admin.trunks.change(view.who, name, fields)
            except InvalidFields as error:
                for fault in error.faults:
                    if (group := groups.get(fault.field.partition("[")[0])) is not None:
                        group.open()
                raise
            await saved(given)

        title, action = ("Add trunk", "Add") if name is None else (f"Edit {name}", "Save")
        dialog = Dialog(title, action, save, width=760)
        with dialog:
            _profile_choice(view, dialog, there, name)
            _main_fields(view, dialog, there, accounts, name)
            groups = add_groups(dialog.form, there, secrets)
        dialog.open()


def _main_fields(
    view: View, dialog: Dialog, there: dict[str, Any], accounts: dict[str, str], name: str | None
) -> None:
    form = dialog.form
    with pair():
        field = form.text(
            "name", "Name", value=name or "", hint="Letters, digits, '.', '_' and '-'", mono=True
        )
        if name is not None:
            field.disable()
        if view.who.account is None and len(accounts) > 1:
            form.choice(
                "account", "Account", {ALL: "all accounts", **accounts}, value=there.get("account", ALL)
            )
    form.lines(
        "networks", "Addresses that its calls come from", value=there.get("networks", ()),
        hint="One a line, like 192.0.2.10 or 192.0.2.0/24",
    )  # fmt: skip
    with pair():
        add_entry(form, Entry("max_calls", "Most calls at one time", "number"), there)
        add_entry(form, Entry("max_cps", "Most new calls a second", "number"), there)


def _profile_choice(view: View, dialog: Dialog, there: dict[str, Any], name: str | None) -> None:
    profiles = {one.name: one for one in view.admin.trunks.profiles()}
    chosen = there.get("profile", "generic")
    field = dialog.form.choice(
        "profile",
        "What is at the other end",
        {one.name: one.title for one in profiles.values()},
        value=chosen,
    )
    box = ui.element("div").classes("tl-stack tl-rows").props("aria-live=polite")

    async def show() -> None:
        box.clear()
        with box:
            show_profile(profiles[field.value])
        if name is not None:
            with telling():
                changes = read_fields(dialog.form, there, frozenset())
                remarks = await view.admin.trunks.remarks(view.who, name, {"profile": changes.get("profile")})
                with box:
                    show_remarks([one for one in remarks if one.level.value != "info"])

    field.on_value_change(show)
    with box:
        show_profile(profiles.get(chosen, profiles["generic"]))


def show_profile(facts: ProfileFacts, *, opened: bool = False) -> None:
    """What one should know of a profile: what it is, what it forbids, its dialect and its notes."""
    ui.label(facts.about).classes("tl-muted")
    if facts.forbids:
        with ui.element("ul").classes("tl-forbids"):
            for one in facts.forbids:
                with ui.element("li"):
                    ui.label(f"{one[:1].upper()}{one[1:]}")
    with ui.expansion("Its dialect and notes", value=opened).props("dense").classes("w-full tl-findings"):
        values(facts.dialect)
        with ui.element("ul").classes("tl-notes"):
            for note in facts.notes:
                with ui.element("li"):
                    ui.label(note.replace("`", ""))
