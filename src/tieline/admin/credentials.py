"""API keys and SIP tokens: made, shown once, watched in their use, revoked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.reach import Reach
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.calls.credential_use import CredentialUse
from tieline.clock import Clock
from tieline.errors import NotFound
from tieline.model.principal import Principal
from tieline.model.project import Scope
from tieline.model.record import ConfidentialRecord, Record
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.resources.plan import Plan
from tieline.store.base import CredentialStore

SCOPES: dict[Scope, str] = {
    Scope.DNI_RESERVE: "Reserve numbers, and look after reservations",
    Scope.HANDOFF_READ: "Get Handoff",
    Scope.CONVERSATIONS_READ: "Read conversations, transcripts and attributes included",
    Scope.CHAT: "Talk to the agent by text",
    Scope.EXTERNAL_EVENTS: "Send events into running conversations",
    Scope.ADMIN: "Everything, the admin API included",
}
"""What each scope lets a key do, in words."""


class ListedKey(Record):
    """An API key, without what opens doors. `account` and `project` are slugs; times are aware UTC.

    `last_used_at` is right to a minute.
    """

    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    account: str
    project: str | None
    expires_at: datetime | None
    expired: bool
    last_used_at: datetime | None


class ListedToken(Record):
    """A SIP token, without what opens doors."""

    name: str
    prefix: str
    account: str
    project: str
    last_used_at: datetime | None


class Credential(ConfidentialRecord):
    """A key or token just made: `secret` can be had here and never again."""

    hidden: ClassVar[tuple[str, ...]] = ("secret",)

    name: str
    secret: str


class CredentialAdmin:
    """Looking needs `Right.LOOK`, making and revoking `Right.SECRETS`."""

    def __init__(
        self,
        resources: ResourceAdmin,
        store: CredentialStore,
        uses: CredentialUse,
        clock: Clock,
        reach: Reach,
    ) -> None:
        self._resources = resources
        self._store = store
        self._uses = uses
        self._clock = clock
        self._reach = reach

    async def keys(self, who: Principal) -> Sequence[ListedKey]:
        """The API keys that they may see."""
        resources = await self._resources.resources(who)
        used, slugs, now = await self._last_uses(), _slugs(resources), self._clock.utc()
        return [
            ListedKey(
                name=one.name,
                prefix=one.prefix,
                scopes=tuple(scope for scope in Scope if scope in one.scopes),
                account=slugs.get(one.account, one.account),
                project=None if one.project is None else slugs.get(one.project, one.project),
                expires_at=one.expires_at,
                expired=one.expires_at is not None and one.expires_at <= now,
                last_used_at=used.get(one.key_hash),
            )
            for one in resources.api_keys
        ]

    async def tokens(self, who: Principal) -> Sequence[ListedToken]:
        """The SIP tokens that they may see."""
        resources = await self._resources.resources(who)
        used, projects = await self._last_uses(), {one.id: one for one in resources.projects}
        slugs = _slugs(resources)
        return [
            ListedToken(
                name=one.name,
                prefix=one.prefix,
                account=slugs.get(projects[one.project].account, projects[one.project].account),
                project=projects[one.project].slug,
                last_used_at=used.get(one.token_hash),
            )
            for one in resources.sip_tokens
            if one.project in projects
        ]

    async def create_key(
        self,
        who: Principal,
        name: str,
        scopes: Collection[str],
        *,
        project: str | None = None,
        account: str | None = None,
        expires_at: str | None = None,
    ) -> Credential:
        """A new key; `project` and `account` are slugs, `expires_at` is a date or a time with its zone.

        Without an account it is the project's, else theirs, else the only one. Raises as `ResourceAdmin.create` does.
        """
        _require(who, name=name, scopes=scopes)
        resources = await self._resources.resources(who)
        fields: Fields = {"name": name, "scopes": sorted(scopes)}
        owner = account or _account_of(resources, project) or _slugs(resources).get(who.account or "")
        given = {"account": owner, "project": project, "expires_at": expires_at}
        fields |= {field: value for field, value in given.items() if value}
        plan = await self._resources.create(who, "api_keys", fields)
        return _issued(plan, "api_keys", name)

    async def create_token(self, who: Principal, name: str, project: str) -> Credential:
        """A new token, which chooses the project (a slug). Raises as `ResourceAdmin.create` does."""
        _require(who, name=name, project=project)
        plan = await self._resources.create(who, "sip_tokens", {"name": name, "project": project})
        return _issued(plan, "sip_tokens", name)

    async def request(self, who: Principal, name: str, secret: str = "YOUR_KEY") -> str:
        """A `curl` that uses the key called `name` for what its scopes let it do."""
        key = next((one for one in await self.keys(who) if one.name == name), None)
        if key is None:
            raise NotFound(f"there is no API key {name}")
        begin = f"  -H 'x-api-key: {secret}'"
        base = f"{self._reach.http}/v1"
        project = f"{base}/{key.account}/{key.project or 'YOUR_PROJECT'}"
        if {Scope.DNI_RESERVE, Scope.ADMIN} & set(key.scopes):
            body = '{"attributes": {"shared_id": "test-1"}}'
            json_type = "-H 'content-type: application/json'"
            return (
                f"curl -X POST {base}/conversations/dni-reservation \\\n{begin} {json_type} \\\n  -d '{body}'"
            )
        if Scope.HANDOFF_READ in key.scopes:
            return f"curl '{project}/handoff_state?shared_id=YOUR_SHARED_ID' \\\n{begin}"
        if Scope.CONVERSATIONS_READ in key.scopes:
            return f"curl '{project}/conversations' \\\n{begin}"
        return f"curl '{self._reach.http}/openapi.json' \\\n{begin}"

    async def revoke_key(self, who: Principal, name: str) -> None:
        """Whoever uses the key gets 401 from now on."""
        await self._resources.remove(who, "api_keys", name)

    async def revoke_token(self, who: Principal, name: str) -> None:
        """Calls with the token are refused from now on."""
        await self._resources.remove(who, "sip_tokens", name)

    async def _last_uses(self) -> dict[str, datetime]:
        return {**await self._store.credential_uses(), **self._uses.fresh()}


def _require(who: Principal, **given: object) -> None:
    """Raises `Forbidden`, and `InvalidFields` for what is empty."""
    require(who, Right.SECRETS)
    faults = tuple(FieldFault(field, "is needed") for field, value in given.items() if not value)
    if faults:
        raise InvalidFields(faults)


def _slugs(resources: Resources) -> dict[str, str]:
    accounts = {one.id: one.slug for one in resources.accounts}
    return accounts | {one.id: one.slug for one in resources.projects}


def _account_of(resources: Resources, project: str | None) -> str | None:
    """The account of a project, by slugs."""
    found = next((one.account for one in resources.projects if one.slug == project), None)
    return _slugs(resources).get(found or "")


def _issued(plan: Plan, kind: str, name: str) -> Credential:
    return next(
        Credential(name=name, secret=one.secret)
        for one in plan.issued
        if (one.kind, one.name) == (kind, name)
    )
