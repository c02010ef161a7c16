"""Configure > Users: who may sign in, and what they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from tieline.admin.people import Invited
from tieline.admin.person import Person
from tieline.model.user import ROLE_TEXTS, LinkPurpose, Right, Role
from tieline.studio.frame import Group, View, page, telling
from tieline.studio.parts.cards import card
from tieline.studio.parts.code import secret_once
from tieline.studio.parts.dialogs import Dialog, ask, confirm_by_name
from tieline.studio.parts.states import Tone, tell
from tieline.studio.parts.tables import Column, DataTable, table

COLUMNS = (
    Column("name", "Name"),
    Column("state", "State", "badge"),
    Column("role", "Role", nowrap=True),
    Column("personal_data", "Personal data", nowrap=True),
    Column("account", "Account"),
    Column("signed_in_at", "Last signed in", "ago", blank="never"),
    Column(
        "acts", "", "actions",
        actions=(
            ("edit", "edit", "Edit"),
            ("link", "link", "Link to a new password"),
            ("able", "block", "Disable, or enable again"),
            ("remove", "delete", "Remove"),
        ),
    ),
)  # fmt: skip

ALL_ACCOUNTS = ""
"""The choice that stands for no account in particular."""


@page("/users", "Users", icon="group", group=Group.CONFIGURE, order=30, right=Right.USERS)
async def users(view: View) -> None:
    """Everybody, with what can be done about them."""
    resources = await view.admin.resources.resources(view.who)
    accounts = {one.id: one.name or one.slug for one in resources.accounts}
    people = await view.admin.people.people(view.who)
    view.heading.subtitle("Who may sign in to this studio, and what they may do there.")
    board = _Board(view, accounts, people)
    with view.heading.actions:
        ui.button("Invite", icon="person_add", on_click=board.invite).props("unelevated")


class _Board:
    """The table of people and its dialogs."""

    def __init__(self, view: View, accounts: dict[str, str], people: Sequence[Person]) -> None:
        self._view = view
        self._accounts = accounts
        self._people: dict[str, Person] = {}
        self._dialogs = ui.element("div")
        with card(flush=True):
            self._table: DataTable = table(
                COLUMNS, [], icon="group", nothing="Nobody here", text="Invite somebody to begin.", label="People",
                sort_by="name", on_act=self._act,
            )  # fmt: skip
        self._show(people)

    def _show(self, people: Sequence[Person]) -> None:
        self._people = {one.id: one for one in people}
        self._table.rows = [self._row(one) for one in people]

    def _row(self, person: Person) -> dict[str, Any]:
        state, tone = "active", "good"
        if person.disabled:
            state, tone = "disabled", "bad"
        elif person.invited:
            state, tone = "invited", "warn"
        account = "all" if person.account is None else self._accounts.get(person.account, person.account)
        return {
            "id": person.id,
            "name": person.name,
            "name_sub": person.email,
            "state": state,
            "state_tone": tone,
            "role": person.role.value,
            "personal_data": "yes" if person.personal_data else "no",
            "account": account,
            "signed_in_at": person.signed_in_at,
        }

    async def _refresh(self) -> None:
        self._show(await self._view.admin.people.people(self._view.who))

    async def _act(self, name: str, user_id: str) -> None:
        person = self._people.get(user_id)
        if person is None:
            return
        acts: dict[str, Callable[[Person], Awaitable[None]]] = {
            "edit": self._edit, "link": self._link, "able": self._able, "remove": self._remove,
        }  # fmt: skip
        with telling(), self._dialogs:
            await acts[name](person)

    async def invite(self) -> None:
        """Ask who, make them, and show their link."""

        async def act() -> None:
            given = dialog.form.values()
            invited = await self._view.admin.people.invite(
                self._view.who, given["email"] or "", given["name"] or "", given["role"],
                personal_data=given["personal_data"], account=given["account"] or None,
            )  # fmt: skip
            await self._refresh()
            self._show_link(invited)

        with telling(), self._dialogs:
            dialog = Dialog("Invite somebody", "Invite", act)
            with dialog:
                dialog.form.text("email", "E-mail", hint="They sign in with it; it cannot be changed")
                self._fields(dialog, "", Role.OPERATOR, personal_data=False, account=self._view.who.account)
            dialog.open()

    async def _edit(self, person: Person) -> None:
        async def act() -> None:
            given = dialog.form.values()
            changes = {**given, "name": given["name"] or "", "account": given["account"] or None}
            await self._view.admin.people.change(self._view.who, person.id, changes)
            await self._refresh()

        dialog = Dialog(f"Edit {person.email}", "Save", act)
        with dialog:
            self._fields(
                dialog, person.name, person.role, personal_data=person.personal_data, account=person.account
            )
        dialog.open()

    def _fields(
        self, dialog: Dialog, name: str, role: Role, *, personal_data: bool, account: str | None
    ) -> None:
        roles = {one.value: f"{one.value}: {ROLE_TEXTS[one]}" for one in Role}
        accounts = dict(self._accounts)
        if self._view.who.account is None:
            accounts = {ALL_ACCOUNTS: "All accounts", **accounts}
        dialog.form.text("name", "Name", value=name)
        dialog.form.choice("role", "Role", roles, value=role.value)
        dialog.form.choice("account", "Account", accounts, value=account or ALL_ACCOUNTS)
        dialog.form.switch(
            "personal_data", "May see personal data", value=personal_data,
            hint="Transcripts, attributes, headers, callers' numbers in full, recordings",
        )  # fmt: skip

    async def _link(self, person: Person) -> None:
        text = (
            "A link is made with which they choose a new password. Links made before stop working; the password "
            "that they have works until then."
        )
        if await ask(f"New link for {person.email}?", text, "Make a link"):
            self._show_link(await self._view.admin.people.new_link(self._view.who, person.id))

    async def _able(self, person: Person) -> None:
        text = "They are signed out at once and cannot sign in until somebody enables them again."
        if not person.disabled and not await ask(f"Disable {person.email}?", text, "Disable", danger=True):
            return
        await self._view.admin.people.change(self._view.who, person.id, {"disabled": not person.disabled})
        await self._refresh()

    async def _remove(self, person: Person) -> None:
        async def act() -> None:
            await self._view.admin.people.remove(self._view.who, person.id)
            await self._refresh()

        text = "They are signed out at once. What they did stays in the audit log under their address."
        confirm_by_name("user", person.name, text, act, action="Remove").open()

    def _show_link(self, invited: Invited) -> None:
        host = ui.context.client.request.headers.get("host", "")
        link = self._view.services.site.url(f"/join?token={invited.token}", host)
        first = invited.purpose is LinkPurpose.INVITATION
        with (
            ui.dialog().props("persistent aria-label='One-time link'") as dialog,
            ui.card().classes("tl-dialog"),
        ):
            with ui.element("h2").classes("tl-dialog-head"):
                ui.label(f"Link for {invited.person.email}")
            with ui.element("div").classes("tl-dialog-body"):
                secret_once("link", link)
                what = "joins" if first else "sets a new password"
                days = "a week" if first else "a day"
                tell(
                    text=f"Send it to them yourself: whoever opens it {what}. It works once, for {days}.",
                    tone=Tone.WARN,
                )
            with ui.element("div").classes("tl-dialog-foot"):
                ui.button("Done", on_click=dialog.close).props("unelevated")
        dialog.open()
