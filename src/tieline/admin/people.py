"""The people of an installation: inviting, changing, removing, and everybody's own password and sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, Forbidden, InvalidFields
from tieline.admin.passwords import Passwords, password_fault
from tieline.admin.person import Person, email_fault, name_fault, normal_email, person_of
from tieline.admin.sessions import Sessions
from tieline.admin.tokens import hash_token, new_token
from tieline.admin.trail import AuditTrail
from tieline.clock import Clock
from tieline.errors import NotFound
from tieline.model.audit import AuditChange
from tieline.model.principal import Principal, PrincipalKind
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.user import LinkPurpose, OneTimeLink, Right, Role, User, UserSession
from tieline.store.people import UserStore

INVITATION_LASTS = timedelta(days=7)
"""How long an invitation works."""

NEW_PASSWORD_LASTS = timedelta(days=1)
"""How long a link to a new password works."""

CHANGEABLE = ("name", "role", "personal_data", "account", "disabled")
"""What of a person can be changed by others. An address stays: it says who somebody is in the audit log."""


class PeopleStore(UserStore, Protocol):
    """People, and the accounts that they may be confined to."""

    async def resources(self) -> Resources:
        """All resources as last applied."""
        ...


class Invited(Record):
    """A one-time link that was made, to be handed on: `token` is shown this once."""

    person: Person
    purpose: LinkPurpose
    token: str
    expires_at: datetime


class OpenSession(Record):
    """Where somebody is signed in. `id` is the beginning of the token's hash; `current` the session that asks."""

    id: str
    current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    browser: str


class PeopleAdmin:
    """What owners do to people, and people to themselves. Whoever is confined to an account knows its people only."""

    def __init__(
        self, store: PeopleStore, clock: Clock, trail: AuditTrail, sessions: Sessions, passwords: Passwords
    ) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail
        self._sessions = sessions
        self._passwords = passwords

    async def people(self, who: Principal) -> Sequence[Person]:
        """Everybody whom they may see, by e-mail address. Raises `Forbidden`."""
        require(who, Right.USERS)
        return [person_of(one) for one in await self._store.users() if who.may_change(one.account)]

    async def person(self, who: Principal, user_id: str) -> Person:
        """One person. Raises `Forbidden` and `NotFound`."""
        return person_of(await self._theirs(who, user_id))

    async def by_email(self, who: Principal, email: str) -> Person:
        """The person with that sign-in name. Raises `Forbidden` and `NotFound`."""
        require(who, Right.USERS)
        user = await self._store.user_by_email(normal_email(email))
        if user is None or not who.may_change(user.account):
            raise NotFound(f"there is nobody with the address {normal_email(email)}")
        return person_of(user)

    async def invite(
        self, who: Principal, email: str, name: str, role: Role | str, *, personal_data: bool = False,
        account: str | None = None,
    ) -> Invited:  # fmt: skip
        """Make a person, and a link with which they set their password. `account` is an id or slug.

        Raises `Forbidden`, `InvalidFields`, and `Conflict` when there is somebody with that address.
        """
        require(who, Right.USERS)
        fields = await self._checked(
            who,
            {"name": name, "role": role, "personal_data": personal_data, "account": account},
            normal_email(email),
        )
        user = User(id=uuid4().hex, email=normal_email(email), created_at=self._clock.utc(), **fields)
        self._require_grant(who, None, user)
        await self._store.add_user(user)
        changes = _changes(None, user)
        await self._trail.note(who, "invite", "users", user.email, changes, account=user.account)
        return await self._new_link(user, LinkPurpose.INVITATION, INVITATION_LASTS)

    async def change(self, who: Principal, user_id: str, changes: Mapping[str, Any]) -> Person:
        """Change some of `CHANGEABLE`.

        Raises `Forbidden`, `NotFound`, `InvalidFields`, and `Conflict` when nobody would be left who can do everything.
        """
        before = await self._theirs(who, user_id)
        unknown = sorted(set(changes) - set(CHANGEABLE))
        if unknown:
            raise InvalidFields(tuple(FieldFault(one, "cannot be changed") for one in unknown))
        there = {name: getattr(before, name) for name in CHANGEABLE}
        after = msgspec.structs.replace(
            before, **await self._checked(who, {**there, **changes}, before.email)
        )
        if after == before:
            return person_of(after)
        self._require_grant(who, before, after)
        await self._store.save_user(after)
        self._sessions.changed(after)
        if after.disabled:
            await self._sessions.end_all(user_id)
        await self._trail.note(
            who, "update", "users", after.email, _changes(before, after), account=after.account
        )
        return person_of(after)

    async def new_link(self, who: Principal, user_id: str) -> Invited:
        """A new invitation, or a link to a new password for somebody who has one; those before it stop working.

        Whoever holds it can become that person, so it takes all of that person's rights. Raises as `change` does.
        """
        user = await self._theirs(who, user_id)
        if user.disabled:
            raise Forbidden(f"{user.email} is disabled; enable them first")
        self._require_grant(who, None, user)
        await self._trail.note(who, "new_link", "users", user.email, account=user.account)
        if user.password_hash is None:
            return await self._new_link(user, LinkPurpose.INVITATION, INVITATION_LASTS)
        return await self._new_link(user, LinkPurpose.NEW_PASSWORD, NEW_PASSWORD_LASTS)

    async def remove(self, who: Principal, user_id: str) -> None:
        """Remove a person and end their sessions. Raises as `change` does."""
        user = await self._theirs(who, user_id)
        await self._store.remove_user(user_id)
        await self._sessions.end_all(user_id)
        await self._trail.note(who, "remove", "users", user.email, _changes(user, None), account=user.account)

    # -- one's own ----------------------------------------------------------------------------------------------

    async def own(self, who: Principal) -> Person:
        """Whoever asks. Raises `Forbidden` when that is no person."""
        return person_of(await self._self(who))

    async def rename_own(self, who: Principal, name: str) -> Person:
        """Change one's own name. Raises `Forbidden` and `InvalidFields`."""
        before = await self._self(who)
        fault = name_fault(name.strip())
        if fault is not None:
            raise InvalidFields((FieldFault("name", fault),))
        after = msgspec.structs.replace(before, name=name.strip())
        await self._store.save_user(after)
        self._sessions.changed(after)
        await self._trail.note(
            who, "update", "users", after.email, _changes(before, after), account=after.account
        )
        return person_of(after)

    async def change_own_password(
        self, who: Principal, old: str, new: str, *, keep: str | None = None
    ) -> None:
        """Change one's own password, and sign out everywhere but at the session `keep`. Raises `InvalidFields`."""
        user = await self._self(who)
        if not await self._passwords.verify(user.password_hash, old):
            await self._trail.note(who, "password_failed", "users", user.email, account=user.account)
            raise InvalidFields((FieldFault("old", "is not your password"),))
        fault = password_fault(new, user.email, user.name)
        if fault is None and await self._passwords.verify(user.password_hash, new):
            fault = "is the one that you have"
        if fault is not None:
            raise InvalidFields((FieldFault("new", fault),))
        password_hash = await self._passwords.hash(new)
        user = msgspec.structs.replace(await self._self(who), password_hash=password_hash)
        await self._store.save_user(user)
        self._sessions.changed(user)
        await self._sessions.end_all(user.id, keep=keep)
        await self._trail.note(who, "change_password", "users", user.email, account=user.account)

    async def own_sessions(self, who: Principal, current: str | None = None) -> Sequence[OpenSession]:
        """Where one is signed in, the last seen first. `current` is the hash of the session that asks."""
        user = await self._self(who)
        return [_shown(one, current) for one in await self._store.user_sessions(user.id, self._clock.utc())]

    async def end_own_session(self, who: Principal, session_id: str) -> None:
        """Sign one of one's own browsers out. Raises `NotFound`."""
        user = await self._self(who)
        for one in await self._store.user_sessions(user.id, self._clock.utc()):
            if session_id and one.token_hash.startswith(session_id):
                await self._sessions.end(one.token_hash)
                await self._trail.note(who, "sign_out", "users", user.email, account=user.account)
                return
        raise NotFound("that session has ended already")

    async def end_other_sessions(self, who: Principal, current: str | None) -> int:
        """Sign out everywhere but here; returns how many sessions ended."""
        user = await self._self(who)
        count = await self._sessions.end_all(user.id, keep=current)
        await self._trail.note(who, "sign_out_elsewhere", "users", user.email, account=user.account)
        return count

    # -- inside -----------------------------------------------------------------------------------------------

    async def _theirs(self, who: Principal, user_id: str) -> User:
        """A person whom they may change."""
        require(who, Right.USERS)
        user = await self._store.user(user_id)
        if user is None or not who.may_change(user.account):
            raise NotFound("there is no such person")
        return user

    async def _self(self, who: Principal) -> User:
        user = await self._store.user(who.id) if who.kind is PrincipalKind.USER else None
        if user is None or user.disabled:
            raise Forbidden("this is for people who are signed in")
        return user

    async def _checked(self, who: Principal, given: Mapping[str, Any], email: str) -> dict[str, Any]:
        """The fields of a person as they are kept. Raises `InvalidFields` with every fault, or `Forbidden`."""
        fields, faults = dict(given), []
        for name, fault in (("email", email_fault(email)), ("name", name_fault(str(fields["name"])))):
            if fault is not None:
                faults.append(FieldFault(name, fault))
        fields["name"] = str(fields["name"]).strip()
        if fields["role"] not in list(Role):
            faults.append(FieldFault("role", f"must be one of {', '.join(Role)}"))
        else:
            fields["role"] = Role(fields["role"])
        faults.extend(
            FieldFault(name, "must be true or false")
            for name in ("personal_data", "disabled")
            if not isinstance(fields.get(name, False), bool)
        )
        if fields["account"] is not None:
            accounts = (await self._store.resources()).accounts
            found = next((one.id for one in accounts if fields["account"] in {one.id, one.slug}), None)
            if found is None:
                faults.append(FieldFault("account", "there is no such account"))
            fields["account"] = found
        if faults:
            raise InvalidFields(tuple(faults))
        if not who.may_change(fields["account"]):
            raise Forbidden("the person would belong to another account, or to all of them")
        return fields

    def _require_grant(self, who: Principal, before: User | None, after: User) -> None:
        """Nobody gives away what they have not got."""
        new = after.rights() - (before.rights() if before is not None else frozenset())
        missing = sorted(new - who.rights)
        if missing:
            raise Forbidden(
                f"you lack the right {missing[0].value!r}, so you cannot give it", right=missing[0]
            )

    async def _new_link(self, user: User, purpose: LinkPurpose, lasts: timedelta) -> Invited:
        now, token = self._clock.utc(), new_token()
        await self._store.add_link(
            OneTimeLink(
                token_hash=hash_token(token), purpose=purpose, user_id=user.id, created_at=now,
                expires_at=now + lasts,
            )
        )  # fmt: skip
        return Invited(person=person_of(user), purpose=purpose, token=token, expires_at=now + lasts)


def _changes(before: User | None, after: User | None) -> list[AuditChange]:
    """What changed of a person, in words."""
    found = []
    for name in CHANGEABLE:
        old, new = (None if one is None else _words(getattr(one, name)) for one in (before, after))
        if old != new:
            found.append(AuditChange(field=name, before=old, after=new))
    return found


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "all" if value is None else str(value)


def _shown(session: UserSession, current: str | None) -> OpenSession:
    return OpenSession(
        id=session.token_hash[:16],
        current=session.token_hash == current,
        created_at=session.created_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        address=session.address,
        browser=session.browser,
    )
