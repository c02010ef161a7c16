"""`tieline keys` and `tieline tokens`: API keys for HTTP clients, tokens for SIP trunks."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tieline.commands.context import (
    EXIT_USAGE,
    CommandFailed,
    ConfigOption,
    JsonOption,
    console,
    examples,
    open_store,
    print_json,
    print_rows,
    resource_admin,
    run,
)

keys = typer.Typer(name="keys", help="List, make and revoke API keys.", no_args_is_help=True)
tokens = typer.Typer(name="tokens", help="List, make and revoke SIP tokens.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Its name.")]


@keys.command("list")
def list_keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List API keys; a key itself is never shown again."""

    async def work() -> list[dict[str, Any]]:
        async with open_store(config) as opened:
            found = await opened.store.resources()
            slugs = {one.id: one.slug for one in found.projects}
            return [
                {
                    "name": key.name,
                    "account": key.account,
                    "project": slugs.get(key.project, key.project) if key.project is not None else "all",
                    "scopes": sorted(key.scopes),
                    "begins_with": key.prefix,
                    "expires_at": key.expires_at,
                    "expired": key.expires_at is not None and key.expires_at <= opened.now(),
                }
                for key in found.api_keys
            ]

    columns = ("name", "account", "project", "scopes", "begins_with", "expires_at", "expired")
    print_rows(run(work()), columns, as_json=as_json, empty="no API keys")


@keys.command("create", epilog=examples("tieline keys create flow --project desk --scope handoff:read"))
def create_key(
    name: NameArgument,
    scopes: Annotated[
        list[str], typer.Option("--scope", "-s", help="What it may do; repeat for more than one.")
    ],
    project: Annotated[str | None, typer.Option(help="The project it is confined to.")] = None,
    account: Annotated[str | None, typer.Option(help="Its account, when there are several.")] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="Let it expire after so many days.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and show it, this once."""
    from tieline.model.project import ApiKey, Scope, hash_secret
    from tieline.resources.secrets import PREFIXES, readable_prefix, write_secret

    wrong = [scope for scope in scopes if scope not in list(Scope)]
    if wrong:
        raise CommandFailed(f"unknown scope {wrong[0]}; known are {', '.join(Scope)}", EXIT_USAGE)
    secret = write_secret(PREFIXES["api_keys"], os.urandom(32))
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None

    def make(resources: Any) -> ApiKey:
        owner = find_account(resources, account)
        mine = find_project(resources, project) if project is not None else None
        if mine is not None and mine.account != owner.id:
            raise CommandFailed(f"the project {project} belongs to another account")
        return ApiKey(
            name=name,
            account=owner.id,
            project=mine.id if mine is not None else None,
            scopes=frozenset(Scope(scope) for scope in scopes),
            key_hash=hash_secret(secret),
            prefix=readable_prefix(secret),
            expires_at=expires_at,
        )

    run(_add(config, "api_keys", name, make))
    _show_secret("key", name, secret, as_json=as_json)


@keys.command("revoke")
def revoke_key(name: NameArgument, config: ConfigOption = None) -> None:
    """Remove an API key; a running server refuses it within a second or two."""
    run(_remove(config, "api_keys", name))


@tokens.command("list")
def list_tokens(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List SIP tokens; a token itself is never shown again."""

    async def work() -> list[dict[str, Any]]:
        async with open_store(config) as opened:
            found = await opened.store.resources()
            slugs = {one.id: one.slug for one in found.projects}
            return [
                {"name": one.name, "project": slugs.get(one.project, one.project), "begins_with": one.prefix}
                for one in found.sip_tokens
            ]

    print_rows(run(work()), ("name", "project", "begins_with"), as_json=as_json, empty="no SIP tokens")


@tokens.command("create")
def create_token(
    name: NameArgument,
    project: Annotated[str, typer.Option(help="The project that the token chooses.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a SIP token and show it, this once."""
    from tieline.model.project import SipToken, hash_secret
    from tieline.resources.secrets import PREFIXES, readable_prefix, write_secret

    secret = write_secret(PREFIXES["sip_tokens"], os.urandom(32))

    def make(resources: Any) -> SipToken:
        mine = find_project(resources, project)
        return SipToken(
            name=name, project=mine.id, token_hash=hash_secret(secret), prefix=readable_prefix(secret)
        )

    run(_add(config, "sip_tokens", name, make))
    _show_secret("token", name, secret, as_json=as_json)


@tokens.command("revoke")
def revoke_token(name: NameArgument, config: ConfigOption = None) -> None:
    """Remove a SIP token; a running server refuses it within a second or two."""
    run(_remove(config, "sip_tokens", name))


def find_account(resources: Any, name: str | None) -> Any:
    """The account with this id or slug, or the only one. Ends the command when there is none."""
    if name is None and len(resources.accounts) == 1:
        return resources.accounts[0]
    for account in resources.accounts:
        if name in {account.id, account.slug}:
            return account
    raise CommandFailed("name the account with --account" if name is None else f"there is no account {name}")


def find_project(resources: Any, name: str) -> Any:
    """The project with this id or slug. Ends the command when there is none."""
    for project in resources.projects:
        if name in {project.id, project.slug}:
            return project
    known = ", ".join(one.slug for one in resources.projects) or "none"
    raise CommandFailed(f"there is no project {name} (known: {known})")


async def _add(config: Any, kind: str, name: str, make: Any) -> None:
    import msgspec

    from tieline.admin.access import account_of
    from tieline.admin.trail import AuditTrail
    from tieline.model.audit import AuditChange
    from tieline.model.principal import COMMAND_LINE
    from tieline.resources.diff import compare
    from tieline.resources.reader import NAME

    if not NAME.fullmatch(name):
        raise CommandFailed(f"{name!r} is not a name: letters, digits, '.', '_', '-', at most 64", EXIT_USAGE)
    noted: list[AuditChange] = []

    def change(current: Any) -> Any:
        there = getattr(current, kind)
        if any(one.name == name for one in there):
            raise CommandFailed(f"{name} is there already; revoke it first")
        wanted = msgspec.structs.replace(current, **{kind: (*there, make(current))})
        noted[:] = [
            AuditChange(field=one.field, before=one.before, after=one.after)
            for made in compare(current, wanted)
            for one in made.fields
        ]
        return wanted

    async with open_store(config) as opened:
        resources = await opened.store.apply(change, opened.now())
        account = account_of(resources, next(one for one in getattr(resources, kind) if one.name == name))
        trail = AuditTrail(opened.store, opened.clock)
        await trail.note(COMMAND_LINE, "create", kind, name, noted, account=account)


async def _remove(config: Any, kind: str, name: str) -> None:
    from tieline.model.principal import COMMAND_LINE

    async with open_store(config) as opened:
        await resource_admin(opened).remove(COMMAND_LINE, kind, name)


def _show_secret(kind: str, name: str, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "secret": secret})
        return
    console(stderr=True).print(f"{kind} {name}, shown only now:", style="dim", markup=False)
    console().print(secret, markup=False)
