"""Configure > API keys: the keys of clients, and the tokens by which trunks choose a project."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from nicegui import ui

from tieline.admin.credentials import SCOPES, Credential, ListedKey, ListedToken
from tieline.errors import InvalidInput
from tieline.model.project import Scope
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.studio.frame import View, page, telling
from tieline.studio.menu import Group
from tieline.studio.parts.cards import head
from tieline.studio.parts.code import code_block, secret_once
from tieline.studio.parts.dialogs import Dialog, confirm_by_name
from tieline.studio.parts.forms import pair
from tieline.studio.parts.tables import Column, DataTable, table
from tieline.studio.parts.times import end_of_day, viewers_zone

REVOKE = (("revoke", "delete_outline", "Revoke"),)
ALL = ""
"""Stands for all projects of an account."""

KEY_COLUMNS = (
    Column("name", "Name"),
    Column("prefix", "Key", "mono"),
    Column("scopes", "Scopes", "chips", sortable=False),
    Column("project", "Project"),
    Column("expires", "Expires", "time", blank="never"),
    Column("used", "Last used", "ago", blank="never"),
)
TOKEN_COLUMNS = (
    Column("name", "Name"),
    Column("prefix", "Token", "mono"),
    Column("project", "Chooses project"),
    Column("used", "Last used", "ago", blank="never"),
)


@page("/keys", "API keys", icon="vpn_key", group=Group.CONFIGURE, order=10)
async def keys(view: View) -> None:
    """The keys and tokens there are."""
    view.heading.subtitle(
        "What clients and trunks prove themselves with. Each is shown once; its hash is stored."
    )
    await CredentialTables(view).show()


class CredentialTables:
    """Both tables, and the dialogs that make and revoke."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._may = view.may(Right.SECRETS)
        acts = (Column("acts", "", "actions", actions=REVOKE),) if self._may else ()
        with ui.element("section").classes("tl-card tl-card-flush"):
            with head("API keys"):
                if self._may:
                    ui.button("Create API key", icon="add", on_click=self._create_key).props("unelevated")
            self._keys = table(
                (*KEY_COLUMNS, *acts), [], icon="vpn_key", nothing="No API key yet",
                text="Clients need one to reserve numbers and to ask for handoffs.", label="API keys",
                sort_by="name", on_act=self._act_on_key,
            )  # fmt: skip
        with ui.element("section").classes("tl-card tl-card-flush"):
            with head("SIP tokens"):
                if self._may:
                    ui.button("Create SIP token", icon="add", on_click=self._create_token).props("outline")
            self._tokens: DataTable = table(
                (*TOKEN_COLUMNS, *acts), [], icon="token", nothing="No SIP token yet",
                text="A trunk that serves several projects sends one in a header to say which is meant.",
                label="SIP tokens", sort_by="name", on_act=self._act_on_token,
            )  # fmt: skip
        self._dialogs = ui.element("div")
        self._zone = viewers_zone()

    async def show(self) -> None:
        """Fill the tables as things are now."""
        admin, who = self._view.admin.credentials, self._view.who
        self._keys.rows = [_key_row(one) for one in await admin.keys(who)]
        self._tokens.rows = [_token_row(one) for one in await admin.tokens(who)]

    # -- making -----------------------------------------------------------------------------------------------

    async def _create_key(self) -> None:
        view = self._view
        self._dialogs.clear()
        with telling(), self._dialogs:
            resources = await view.admin.resources.resources(view.who)

            async def create() -> None:
                given = form.values()
                made = await view.admin.credentials.create_key(
                    view.who,
                    given["name"] or "",
                    [scope.value for scope, box in boxes.items() if box.value],
                    project=given["project"] or None,
                    account=given.get("account"),
                    expires_at=_last_day(given["expires_at"], self._zone),
                )
                await self.show()
                request = await view.admin.credentials.request(view.who, made.name, made.secret)
                self._show_secret("API key", made, "A request with it", request)

            dialog = Dialog("Create API key", "Create", create)
            form = dialog.form
            with dialog:
                form.text("name", "Name", hint="Letters, digits, '.', '_' and '-'")
                ui.label("What it may do").classes("tl-muted tl-small")
                boxes = {}
                with ui.element("div").classes("tl-checks"):
                    for scope, text in SCOPES.items():
                        boxes[scope] = _scope_box(scope, text)
                form.add("scopes", _Scopes())
                _owner_fields(form, resources)
                place = "UTC" if self._zone is UTC else "your zone"
                hint = f"The last day that it works, in {place}; empty: for ever"
                form.text("expires_at", "Works until", hint=hint).props("type=date stack-label")
            dialog.open()

    async def _create_token(self) -> None:
        view = self._view
        self._dialogs.clear()
        with telling(), self._dialogs:
            resources = await view.admin.resources.resources(view.who)
            slugs = {one.slug: one.name or one.slug for one in resources.projects}

            async def create() -> None:
                given = form.values()
                made = await view.admin.credentials.create_token(
                    view.who, given["name"] or "", given["project"] or ""
                )
                await self.show()
                self._show_secret(
                    "SIP token", made, "The trunk sends this header", f"X-PolyAi-Auth-Token: {made.secret}"
                )

            dialog = Dialog("Create SIP token", "Create", create)
            form = dialog.form
            with dialog:
                form.text("name", "Name", hint="Letters, digits, '.', '_' and '-'")
                form.choice("project", "Project that it chooses", slugs, value=next(iter(slugs), None))
            dialog.open()

    def _show_secret(self, noun: str, made: Credential, title: str, use: str) -> None:
        """The dialog that shows a secret for the first and last time."""
        with self._dialogs:
            shown = ui.dialog().props(f'persistent aria-label="New {noun}"')
        with shown, ui.card().classes("tl-dialog").style("--tl-dialog-width: 640px"):
            with ui.element("h2").classes("tl-dialog-head"):
                ui.label(made.name)
            with ui.element("div").classes("tl-dialog-body"):
                secret_once(noun, made.secret)
                ui.label(title).classes("tl-muted tl-small")
                code_block(use, wrap=True, label=title)
            with ui.element("div").classes("tl-dialog-foot"):
                ui.button("I have copied it", on_click=shown.close).props("unelevated")
        shown.open()

    # -- revoking ---------------------------------------------------------------------------------------------

    def _act_on_key(self, _act: str, name: str) -> None:
        async def revoke() -> None:
            await self._view.admin.credentials.revoke_key(self._view.who, name)
            await self.show()

        self._confirm("API key", name, "Whoever uses it gets 401 from then on.", revoke)

    def _act_on_token(self, _act: str, name: str) -> None:
        async def revoke() -> None:
            await self._view.admin.credentials.revoke_token(self._view.who, name)
            await self.show()

        self._confirm("SIP token", name, "Calls that bring it are refused from then on.", revoke)

    def _confirm(self, noun: str, name: str, text: str, revoke: Any) -> None:
        self._dialogs.clear()
        with self._dialogs:
            confirm_by_name(noun, name, text, revoke, action="Revoke").open()


class _Scopes(ui.label):
    """Where faults of the scopes are shown: a line below the boxes."""

    value = None

    def __init__(self) -> None:
        super().__init__()
        self.classes("tl-small tl-danger")

    @property
    def error(self) -> str | None:
        """What is wrong."""
        return self.text or None

    @error.setter
    def error(self, text: str | None) -> None:
        self.text = text or ""


def _last_day(text: str | None, zone: tzinfo) -> str | None:
    """When that day is over; what is no day is left for the resource to refuse."""
    try:
        return end_of_day(text, zone).isoformat() if text else None
    except InvalidInput:
        return text


def _scope_box(scope: Scope, text: str) -> ui.checkbox:
    with ui.element("div"):
        box = ui.checkbox(scope.value).props("dense")
        ui.label(text).classes("tl-check-hint tl-check-under")
    return box


def _owner_fields(form: Any, resources: Resources) -> None:
    """The project that a key is for, and the account where there are several."""
    slugs = {one.slug: one.name or one.slug for one in resources.projects}
    with pair():
        form.choice("project", "Project", {ALL: "All of the account", **slugs}, value=ALL)
        if len(resources.accounts) > 1:
            accounts = {one.slug: one.name or one.slug for one in resources.accounts}
            form.choice("account", "Account", accounts, clearable=True, hint="Empty: the project's")


def _key_row(one: ListedKey) -> dict[str, Any]:
    return {
        "id": one.name,
        "name": one.name,
        "name_sub": "expired" if one.expired else "",
        "prefix": f"{one.prefix}…",
        "scopes": [scope.value for scope in one.scopes],
        "project": one.project or "all",
        "expires": one.expires_at,
        "used": one.last_used_at,
    }


def _token_row(one: ListedToken) -> dict[str, Any]:
    return {
        "id": one.name,
        "name": one.name,
        "prefix": f"{one.prefix}…",
        "project": one.project,
        "used": one.last_used_at,
    }
