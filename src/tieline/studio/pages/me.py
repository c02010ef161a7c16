"""One's own account: name, password, and where one is signed in."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from tieline.admin.passwords import SHORTEST
from tieline.admin.people import OpenSession
from tieline.model.user import ROLE_TEXTS
from tieline.studio.frame import View, page, telling
from tieline.studio.parts.cards import card, columns, stack, titled_card, values
from tieline.studio.parts.forms import Form
from tieline.studio.parts.tables import Column, DataTable

COLUMNS = (
    Column("browser", "Browser"),
    Column("address", "Address", "mono"),
    Column("created_at", "Signed in", "time"),
    Column("seen_at", "Last seen", "ago"),
    Column("acts", "", "actions", actions=(("end", "logout", "Sign out there"),)),
)

BROWSERS = ("Firefox", "Edg", "OPR", "Chrome", "Safari")
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
NAMES = {"Edg": "Edge", "OPR": "Opera", "Macintosh": "macOS", "CrOS": "ChromeOS"}


@page("/me", "Your account", icon="account_circle")
async def me(view: View) -> None:
    """What one may change about oneself."""
    own = await view.admin.people.own(view.who)
    sessions = await view.admin.people.own_sessions(view.who, view.session)
    account = own.account
    if account is not None:
        found = (await view.admin.resources.resources(view.who)).accounts
        account = next((one.name or one.slug for one in found if one.id == account), account)
    with columns():
        with stack(), card("You"):
            values(
                {
                    "E-mail": own.email,
                    "Role": f"{own.role.value}: {ROLE_TEXTS[own.role]}",
                    "Personal data": "you may see it" if own.personal_data else "hidden from you",
                    "Account": account or "all",
                }
            )
            _name(view, own.name)
        with card("Password"):
            _password(view)
    _sessions(view, sessions)


def _name(view: View, name: str) -> None:
    form = Form()
    with form:
        form.text("name", "Name", value=name)

    async def save() -> None:
        with form.telling():
            await view.admin.people.rename_own(view.who, form.values()["name"] or "")
            ui.notify("Your name is saved.", type="positive")

    ui.button("Save", on_click=save).props("unelevated").classes("self-end")


def _password(view: View) -> None:
    form = Form()
    with form:
        form.secret("old", "The password that you have").props("autocomplete=current-password")
        form.secret("new", "New password", hint=f"At least {SHORTEST} characters; a few words do well")

    async def save() -> None:
        given = form.values()
        with form.telling():
            await view.admin.people.change_own_password(
                view.who, given["old"] or "", given["new"] or "", keep=view.session
            )
            for field in form.fields.values():
                field.element.value = ""
            ui.notify("Your password is changed. You are signed out everywhere else.", type="positive")

    ui.button("Change password", on_click=save).props("unelevated").classes("self-end")


def _sessions(view: View, sessions: Sequence[OpenSession]) -> None:
    async def refresh() -> None:
        shown.rows = [_row(one) for one in await view.admin.people.own_sessions(view.who, view.session)]

    async def end(_: str, session_id: str) -> None:
        with telling():
            await view.admin.people.end_own_session(view.who, session_id)
            await refresh()

    async def end_others() -> None:
        with telling():
            count = await view.admin.people.end_other_sessions(view.who, view.session)
            ui.notify(f"Signed out in {count} other browser{'' if count == 1 else 's'}.", type="positive")
            await refresh()

    with titled_card("Where you are signed in", flush=True) as beside:
        with beside:
            ui.button("Sign out everywhere else", on_click=end_others).props("flat dense")
        shown = DataTable(COLUMNS, [_row(one) for one in sessions], label="Sessions", on_act=end)


def _row(session: OpenSession) -> dict[str, object]:
    return {
        "id": session.id,
        "browser": browser_name(session.browser),
        "browser_sub": "this one" if session.current else "",
        "address": session.address,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
    }


def browser_name(agent: str) -> str:
    """What a browser calls itself, in two words: `Firefox on Linux`. Only to tell one's own apart."""
    browser = next((one for one in BROWSERS if f"{one}/" in agent), None)
    system = next((one for one in SYSTEMS if one in agent), None)
    words = [NAMES.get(one, one) for one in (browser, system) if one is not None]
    return " on ".join(words) or agent[:60] or "unknown"
