"""Signing in: by e-mail address and password, or by a one-time link that sets the password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec

from tieline.admin.attempts import AttemptRules, Attempts
from tieline.admin.errors import FieldFault, InvalidFields, SignInRefused, TooManyAttempts
from tieline.admin.passwords import Passwords, password_fault
from tieline.admin.person import email_fault, name_fault, normal_email, place_of
from tieline.admin.sessions import Sessions
from tieline.admin.tokens import hash_token, new_token
from tieline.admin.trail import AuditTrail
from tieline.clock import Clock
from tieline.errors import NotFound
from tieline.model.principal import Principal, PrincipalKind, of_user
from tieline.model.record import Record
from tieline.model.user import LinkPurpose, OneTimeLink, Role, User
from tieline.store.people import UserStore

FIRST_OWNER_LASTS = timedelta(days=1)
"""How long the link to make the first owner works."""

BY_ADDRESS = AttemptRules(free=10)
"""Attempts from one address (of IPv6: one /64)."""

BY_PERSON = AttemptRules(free=5, longest_wait_s=60.0)
"""Attempts on one person. The wait stays short: a stranger must not be able to keep somebody out."""

DEAD_LINK = "this link has been used, has expired, or was replaced by a newer one; ask for a new one"


class OpenLink(Record):
    """A one-time link that works, as the page behind it shows it; without a person for the first owner."""

    purpose: LinkPurpose
    email: str | None
    name: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever is not signed in yet: where they come from, and what their browser calls itself."""

    address: str
    browser: str = ""


class SignIn:
    """Makes sessions. Every way in is noted in the audit log, and so is every failure."""

    def __init__(
        self, store: UserStore, clock: Clock, trail: AuditTrail, sessions: Sessions, passwords: Passwords
    ) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail
        self._sessions = sessions
        self._passwords = passwords
        self._by_address = Attempts(BY_ADDRESS)
        self._by_person = Attempts(BY_PERSON)

    async def sign_in(self, email: str, password: str, visitor: Visitor) -> str:
        """The token of a new session. Raises `SignInRefused`, `TooManyAttempts` or `Unavailable`.

        Whether there is such a person shows neither in the answer nor in the work that it takes.
        """
        email = normal_email(email)
        self._count(email, visitor)
        user = await self._store.user_by_email(email)
        usable = user is not None and not user.disabled
        fits = await self._passwords.verify(
            user.password_hash if user is not None and usable else None, password
        )
        if user is None or not fits:
            await self._note_failure(email, user, visitor)
            raise SignInRefused("the e-mail address and the password do not go together")
        self._by_address.forgive(place_of(visitor.address))
        self._by_person.forget(email)
        return await self._begin(msgspec.structs.replace(user, signed_in_at=self._clock.utc()), visitor)

    async def sign_out(self, token_hash: str) -> None:
        """End a session, and with it what is open in that browser."""
        who = self._sessions.who(token_hash)
        await self._sessions.end(token_hash)
        await self._trail.note(who, "sign_out", "users", who.name)

    async def first_owner_token(self) -> str | None:
        """The token of a new link that makes the first owner; None when there is somebody already."""
        if await self._store.users():
            return None
        now, token = self._clock.utc(), new_token()
        await self._store.add_link(
            OneTimeLink(
                token_hash=hash_token(token),
                purpose=LinkPurpose.FIRST_OWNER,
                user_id=None,
                created_at=now,
                expires_at=now + FIRST_OWNER_LASTS,
            )
        )
        return token

    async def open_link(self, token: str) -> OpenLink:
        """What a one-time link is for. Raises `NotFound` when it does not work any more."""
        link, user = await self._link(token)
        return OpenLink(
            purpose=link.purpose,
            email=user.email if user is not None else None,
            name=user.name if user is not None else None,
            expires_at=link.expires_at,
        )

    async def use_link(
        self, token: str, password: str, visitor: Visitor, *, email: str = "", name: str = ""
    ) -> str:
        """Set the password, use the link up, and sign in; returns the token of the session.

        The first owner names themselves. Raises `NotFound` when the link does not work (any more), and
        `InvalidFields`. Whoever was signed in as that person is not any more.
        """
        link, user = await self._link(token)
        if user is None:
            email, name = normal_email(email), name.strip()
            faults = [("email", email_fault(email)), ("name", name_fault(name))]
        else:
            email, name, faults = user.email, user.name, []
        faults.append(("password", password_fault(password, email, name)))
        found = tuple(FieldFault(field, fault) for field, fault in faults if fault is not None)
        if found:
            raise InvalidFields(found)
        password_hash, now = await self._passwords.hash(password), self._clock.utc()
        if user is None:
            user = User(
                id=uuid4().hex, email=email, name=name, role=Role.OWNER, personal_data=True,
                password_hash=password_hash, created_at=now, signed_in_at=now,
            )  # fmt: skip
        else:
            user = await self._store.user(user.id) or user
            user = msgspec.structs.replace(user, password_hash=password_hash, signed_in_at=now)
        if user.disabled or not await self._store.use_link(hash_token(token), user, now):
            raise NotFound(DEAD_LINK)
        self._by_person.forget(email)
        await self._sessions.end_all(user.id)
        who = of_user(user, visitor.address)
        await self._trail.note(who, f"use_link_{link.purpose.value}", "users", email, account=user.account)
        return await self._begin(user, visitor, save=False)

    # -- inside -----------------------------------------------------------------------------------------------

    def _count(self, email: str, visitor: Visitor) -> None:
        """Count an attempt. Raises `TooManyAttempts` when it is not to be heard yet."""
        now, place = self._clock.monotonic(), place_of(visitor.address)
        wait = self._by_address.begin(place, now)
        if wait == 0.0:
            wait = self._by_person.begin(email, now)
            if wait > 0:
                self._by_address.forgive(place)
        if wait > 0:
            raise TooManyAttempts("sign-in failed too often; wait a little and try again", retry_after_s=wait)

    async def _begin(self, user: User, visitor: Visitor, *, save: bool = True) -> str:
        if save:
            await self._store.save_user(user)
        self._sessions.changed(user)
        token = await self._sessions.begin(user, visitor.address, visitor.browser[:200])
        await self._trail.note(
            of_user(user, visitor.address), "sign_in", "users", user.email, account=user.account
        )
        return token

    async def _note_failure(self, email: str, user: User | None, visitor: Visitor) -> None:
        # What is no address may be a password that was typed into the wrong field.
        named = email if user is not None or email_fault(email) is None else "unknown"
        nobody = Principal(
            kind=PrincipalKind.USER, id="", name=named, rights=frozenset(), address=visitor.address
        )
        account = user.account if user is not None else None
        await self._trail.note(nobody, "sign_in_failed", "users", named, account=account)

    async def _link(self, token: str) -> tuple[OneTimeLink, User | None]:
        link = await self._store.link(hash_token(token), self._clock.utc())
        if link is None:
            raise NotFound(DEAD_LINK)
        if link.user_id is None:
            return link, None
        user = await self._store.user(link.user_id)
        if user is None or user.disabled:
            raise NotFound(DEAD_LINK)
        return link, user
