"""`tieline user`: the people who sign in to the studio, for when nobody can get in there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieline.commands.context import (
    ConfigOption,
    JsonOption,
    console,
    examples,
    open_store,
    print_json,
    print_rows,
    run,
)

if TYPE_CHECKING:
    from tieline.admin.people import Invited, PeopleAdmin
    from tieline.admin.sign_in import SignIn
    from tieline.config import Settings

user = typer.Typer(
    name="user", help="List, invite and disable the people of the studio.", no_args_is_help=True
)

EmailArgument = Annotated[str, typer.Argument(help="Their e-mail address.")]

COLUMNS = ("email", "name", "role", "personal_data", "account", "state", "signed_in_at")


@user.command("list")
def list_users(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List everybody who may sign in to the studio."""

    async def work() -> list[dict[str, Any]]:
        async with _people(config) as opened:
            people = await opened.people.people(COMMAND_LINE)
            accounts = {one.id: one.slug for one in (await opened.store_resources()).accounts}
            return [
                {
                    "email": one.email,
                    "name": one.name,
                    "role": one.role.value,
                    "personal_data": one.personal_data,
                    "account": "all" if one.account is None else accounts.get(one.account, one.account),
                    "state": "disabled" if one.disabled else "invited" if one.invited else "active",
                    "signed_in_at": one.signed_in_at,
                }
                for one in people
            ]

    from tieline.model.principal import COMMAND_LINE

    print_rows(
        run(work()), COLUMNS, as_json=as_json, empty="nobody; `tieline user link` makes the first owner"
    )


@user.command(
    "invite",
    epilog=examples(
        "tieline user invite ada@example.com --name 'Ada Lovelace' --role builder --personal-data"
    ),
)
def invite(
    email: EmailArgument,
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    role: Annotated[
        str, typer.Option(help="What they are here for: owner, builder, operator or read-only.")
    ] = "operator",
    personal_data: Annotated[
        bool,
        typer.Option("--personal-data", help="They may see transcripts, attributes and callers' numbers."),
    ] = False,
    account: Annotated[
        str | None, typer.Option(help="Confine them to this account (slug or id); without it: all accounts.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a person, and show the one-time link with which they choose their password."""

    async def work() -> Invited:
        async with _people(config) as opened:
            return await opened.people.invite(
                COMMAND_LINE, email, name or email.partition("@")[0], role, personal_data=personal_data,
                account=account,
            )  # fmt: skip

    from tieline.model.principal import COMMAND_LINE

    _show(config, run(work()), as_json=as_json)


@user.command("link")
def link(
    email: Annotated[
        str | None, typer.Argument(help="Their e-mail address; without it, a link for the first owner.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a one-time link to a new password, or, when there is nobody yet, one that makes the first owner."""
    from tieline.commands.context import CommandFailed
    from tieline.model.principal import COMMAND_LINE

    async def work() -> Invited | str | None:
        async with _people(config) as opened:
            if email is None:
                return await opened.sign_in.first_owner_token()
            person = await opened.people.by_email(COMMAND_LINE, email)
            return await opened.people.new_link(COMMAND_LINE, person.id)

    found = run(work())
    if found is None:
        raise CommandFailed("there is somebody already: name whom the link is for (`tieline user list`)")
    if isinstance(found, str):
        _show_link(_url(config, "welcome", found), "makes the first owner, within a day", as_json=as_json)
    else:
        _show(config, found, as_json=as_json)


@user.command("disable")
def disable(email: EmailArgument, config: ConfigOption = None) -> None:
    """Keep somebody out: they are signed out within seconds, and cannot sign in."""
    _set_disabled(config, email, disabled=True)


@user.command("enable")
def enable(email: EmailArgument, config: ConfigOption = None) -> None:
    """Let somebody in again."""
    _set_disabled(config, email, disabled=False)


def _set_disabled(config: Path | None, email: str, *, disabled: bool) -> None:
    from tieline.model.principal import COMMAND_LINE

    async def work() -> str:
        async with _people(config) as opened:
            person = await opened.people.by_email(COMMAND_LINE, email)
            changed = await opened.people.change(COMMAND_LINE, person.id, {"disabled": disabled})
            return changed.email

    console().print(f"{run(work())} is {'disabled' if disabled else 'enabled'}", markup=False)


@dataclass(frozen=True, slots=True)
class _People:
    """The admin functions for people, over a store that was opened."""

    people: PeopleAdmin
    sign_in: SignIn
    store: Any

    async def store_resources(self) -> Any:
        """All resources."""
        return await self.store.resources()


@asynccontextmanager
async def _people(config: Path | None) -> AsyncIterator[_People]:
    from datetime import timedelta

    from tieline.admin.passwords import Passwords
    from tieline.admin.people import PeopleAdmin
    from tieline.admin.sessions import Sessions
    from tieline.admin.sign_in import SignIn
    from tieline.admin.trail import AuditTrail

    async with open_store(config) as opened:
        trail, passwords = AuditTrail(opened.store, opened.clock), Passwords()
        sessions = Sessions(
            opened.store, opened.clock, idle=timedelta(hours=1), longest=timedelta(hours=1)
        )  # none is begun here
        yield _People(
            PeopleAdmin(opened.store, opened.clock, trail, sessions, passwords),
            SignIn(opened.store, opened.clock, trail, sessions, passwords),
            opened.store,
        )


def _show(config: Path | None, invited: Invited, *, as_json: bool) -> None:
    what = "joins with it" if invited.person.invited else "chooses a new password with it"
    until = invited.expires_at.strftime("%Y-%m-%d %H:%M UTC")
    text = f"{invited.person.email} {what}, until {until}"
    _show_link(_url(config, "join", invited.token), text, as_json=as_json)


def _show_link(url: str, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"link": url})
    else:
        out = console()
        out.print(f"one-time link, shown only now ({text}):", markup=False)
        out.print(f"  {url}", markup=False, soft_wrap=True)


def _url(config: Path | None, page: str, token: str) -> str:
    from tieline.commands.context import read_settings

    settings: Settings = read_settings(config)
    host = "127.0.0.1" if settings.http.host in {"0.0.0.0", "::"} else settings.http.host
    base = settings.server.public_url or f"http://{host}:{settings.http.port}"
    return f"{base.rstrip('/')}/studio/{page}?token={token}"
