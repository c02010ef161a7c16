"""The store's protocol for people: who may sign in, where they are signed in, and what everybody changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tieline.model.audit import AuditEntry
from tieline.model.record import Record
from tieline.model.user import OneTimeLink, User, UserSession


class AuditFilter(Record):
    """What to list, newest first. None means any. `account` shows that account's entries alone."""

    account: str | None = None
    actor: str | None = None
    kind: str | None = None
    name: str | None = None
    before_id: int | None = None
    limit: int = 100


class UserStore(Protocol):
    """People, their sessions and one-time links. Tokens are stored as SHA-256 only."""

    async def users(self) -> Sequence[User]:
        """Everybody, by e-mail address."""
        ...

    async def user(self, user_id: str) -> User | None:
        """One person."""
        ...

    async def user_by_email(self, email: str) -> User | None:
        """The person with that sign-in name (lower case)."""
        ...

    async def add_user(self, user: User) -> None:
        """A new person. Raises `Conflict` when the e-mail address is taken."""
        ...

    async def save_user(self, user: User) -> None:
        """Replace a person's record. Raises `NotFound`, or `Conflict` when the last owner of all would go."""
        ...

    async def remove_user(self, user_id: str) -> None:
        """Remove a person, with sessions and links. Raises as `save_user` does."""
        ...

    async def add_user_session(self, session: UserSession) -> None:
        """A browser has signed in."""
        ...

    async def user_session(self, token_hash: str, now: datetime) -> tuple[UserSession, User] | None:
        """The session and its person, unless it has expired or the person is disabled."""
        ...

    async def touch_user_session(self, token_hash: str, now: datetime, expires_at: datetime) -> None:
        """It was used just now."""
        ...

    async def user_sessions(self, user_id: str, now: datetime) -> Sequence[UserSession]:
        """Where a person is signed in, the last seen first."""
        ...

    async def end_user_sessions(self, user_id: str, *, keep: str | None = None) -> int:
        """Sign a person out everywhere, but for the session whose token hash is `keep`; returns how many ended."""
        ...

    async def end_user_session(self, token_hash: str) -> None:
        """Sign one browser out."""
        ...

    async def add_link(self, link: OneTimeLink) -> None:
        """A new one-time link; those before it for the same person and purpose stop working."""
        ...

    async def link(self, token_hash: str, now: datetime) -> OneTimeLink | None:
        """The link, while it works."""
        ...

    async def use_link(self, token_hash: str, user: User, now: datetime) -> bool:
        """Use the link up and save (or make) the person, in one transaction; False when it does not work any more.

        A link for the first owner works only while there is no person at all.
        """
        ...


class AuditStore(Protocol):
    """The audit log."""

    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries; their ids are given here."""
        ...

    async def audit(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        """Matching entries, newest first."""
        ...
