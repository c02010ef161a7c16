"""People, their sessions and one-time links in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tieline.errors import Conflict, NotFound
from tieline.model.user import LinkPurpose, OneTimeLink, User, UserSession, is_owner_of_all
from tieline.store.records import LAST_OWNER


class MemoryPeople:
    """The `UserStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._users: dict[str, User] = {}
        self._user_sessions: dict[str, UserSession] = {}
        self._links: dict[str, OneTimeLink] = {}

    async def users(self) -> Sequence[User]:
        """Everybody, by e-mail address."""
        return sorted(self._users.values(), key=lambda one: one.email)

    async def user(self, user_id: str) -> User | None:
        """One person."""
        return self._users.get(user_id)

    async def user_by_email(self, email: str) -> User | None:
        """The person with that sign-in name."""
        return next((one for one in self._users.values() if one.email == email), None)

    async def add_user(self, user: User) -> None:
        """A new person."""
        self._put_user(user)

    async def save_user(self, user: User) -> None:
        """Replace a person's record."""
        before = self._there(user.id)
        self._require_owner(before, {**self._users, user.id: user})
        self._put_user(user)

    async def remove_user(self, user_id: str) -> None:
        """Remove a person, with sessions and links."""
        before = self._there(user_id)
        left = {key: one for key, one in self._users.items() if key != user_id}
        self._require_owner(before, left)
        self._users = left
        await self.end_user_sessions(user_id)
        self._links = {key: one for key, one in self._links.items() if one.user_id != user_id}

    async def add_user_session(self, session: UserSession) -> None:
        """A browser has signed in."""
        self._there(session.user_id)
        held = self._user_sessions.items()
        self._user_sessions = {key: one for key, one in held if one.expires_at > session.created_at}
        self._user_sessions[session.token_hash] = session

    async def user_session(self, token_hash: str, now: datetime) -> tuple[UserSession, User] | None:
        """The session and its person, unless it has expired or the person is disabled."""
        session = self._user_sessions.get(token_hash)
        if session is None or session.expires_at <= now or self._users[session.user_id].disabled:
            return None
        return session, self._users[session.user_id]

    async def touch_user_session(self, token_hash: str, now: datetime, expires_at: datetime) -> None:
        """It was used just now."""
        session = self._user_sessions.get(token_hash)
        if session is not None:
            touched = msgspec.structs.replace(session, seen_at=now, expires_at=expires_at)
            self._user_sessions[token_hash] = touched

    async def user_sessions(self, user_id: str, now: datetime) -> Sequence[UserSession]:
        """Where a person is signed in, the last seen first."""
        held = self._user_sessions.values()
        found = [one for one in held if one.user_id == user_id and one.expires_at > now]
        return sorted(found, key=lambda one: one.seen_at, reverse=True)

    async def end_user_sessions(self, user_id: str, *, keep: str | None = None) -> int:
        """Sign a person out everywhere, but for the session whose token hash is `keep`."""
        ended = [key for key, one in self._user_sessions.items() if one.user_id == user_id and key != keep]
        for key in ended:
            del self._user_sessions[key]
        return len(ended)

    async def end_user_session(self, token_hash: str) -> None:
        """Sign one browser out."""
        self._user_sessions.pop(token_hash, None)

    async def add_link(self, link: OneTimeLink) -> None:
        """A new one-time link, in place of those before it and of those that are over."""
        self._links = {
            key: one
            for key, one in self._links.items()
            if one.expires_at > link.created_at and (one.user_id, one.purpose) != (link.user_id, link.purpose)
        }
        self._links[link.token_hash] = link

    async def link(self, token_hash: str, now: datetime) -> OneTimeLink | None:
        """The link, while it works."""
        link = self._links.get(token_hash)
        if link is None or link.expires_at <= now:
            return None
        return None if link.purpose is LinkPurpose.FIRST_OWNER and self._users else link

    async def use_link(self, token_hash: str, user: User, now: datetime) -> bool:
        """Use the link up and save (or make) the person."""
        link = await self.link(token_hash, now)
        if link is None or link.user_id not in {None, user.id}:
            return False
        if link.user_id is not None:
            if user.id not in self._users:
                return False
            self._require_owner(self._users[user.id], {**self._users, user.id: user})
        self._put_user(user)
        del self._links[token_hash]
        return True

    def _there(self, user_id: str) -> User:
        if user_id not in self._users:
            raise NotFound("there is no such person")
        return self._users[user_id]

    def _put_user(self, user: User) -> None:
        if any(one.email == user.email and one.id != user.id for one in self._users.values()):
            raise Conflict(f"there is somebody with the address {user.email} already")
        self._users[user.id] = user

    def _require_owner(self, before: User, after: dict[str, User]) -> None:
        """Whoever may do everything must not be the last to go."""
        if is_owner_of_all(before) and not any(is_owner_of_all(one) for one in after.values()):
            raise Conflict(LAST_OWNER)
