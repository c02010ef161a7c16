"""People, their sessions and one-time links in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from tieline.errors import Conflict, NotFound
from tieline.model.user import LinkPurpose, OneTimeLink, User, UserSession, is_owner_of_all
from tieline.store.records import LAST_OWNER, encode, stamp
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

T = TypeVar("T")

_ADD_USER = "INSERT INTO users (id, email, document) VALUES (?, ?, ?)"
_ADD_SESSION = "INSERT INTO user_sessions (token_hash, user_id, expires_at, document) VALUES (?, ?, ?, ?)"
_SESSION = """
SELECT user_sessions.document, users.document FROM user_sessions JOIN users ON users.id = user_sessions.user_id
    WHERE token_hash = ? AND expires_at > ?"""
_ADD_LINK = "INSERT INTO one_time_links (token_hash, user_id, expires_at, document) VALUES (?, ?, ?, ?)"
_OLD_LINKS = """
DELETE FROM one_time_links WHERE expires_at <= ? OR (user_id IS ? AND json_extract(document, '$.purpose') = ?)"""
_LINK = "SELECT document FROM one_time_links WHERE token_hash = ? AND expires_at > ?"


class SqlitePeople:
    """The `UserStore` protocol."""

    _writer: Writer
    _reader: Reader

    async def users(self) -> Sequence[User]:
        """Everybody, by e-mail address."""
        return await self._reader.read(_users)

    async def user(self, user_id: str) -> User | None:
        """One person."""
        return await self._reader.read(lambda connection: _user(connection, "id", user_id))

    async def user_by_email(self, email: str) -> User | None:
        """The person with that sign-in name."""
        return await self._reader.read(lambda connection: _user(connection, "email", email))

    async def add_user(self, user: User) -> None:
        """A new person."""
        await self._writer.submit(lambda connection: _add(connection, user))

    async def save_user(self, user: User) -> None:
        """Replace a person's record."""
        await self._writer.submit(lambda connection: _save(connection, user))

    async def remove_user(self, user_id: str) -> None:
        """Remove a person, with sessions and links."""

        def job(connection: sqlite3.Connection) -> None:
            there = _user(connection, "id", user_id)
            if there is None:
                raise NotFound("there is no such person")
            connection.execute("DELETE FROM user_sessions WHERE user_id = ?", (user_id,))
            connection.execute("DELETE FROM one_time_links WHERE user_id = ?", (user_id,))
            connection.execute("DELETE FROM users WHERE id = ?", (user_id,))
            _require_owner(connection, there)

        await self._writer.submit(job)

    async def add_user_session(self, session: UserSession) -> None:
        """A browser has signed in. Sessions that are over are forgotten."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM user_sessions WHERE expires_at <= ?", (stamp(session.created_at),)
            )
            if _user(connection, "id", session.user_id) is None:
                raise NotFound("there is no such person")
            row = (session.token_hash, session.user_id, stamp(session.expires_at), encode(session))
            connection.execute(_ADD_SESSION, row)

        await self._writer.submit(job)

    async def user_session(self, token_hash: str, now: datetime) -> tuple[UserSession, User] | None:
        """The session and its person, unless it has expired or the person is disabled."""
        row = await self._reader.read(
            lambda connection: connection.execute(_SESSION, (token_hash, stamp(now))).fetchone()
        )
        if row is None:
            return None
        session, user = _read(row[0], UserSession), _read(row[1], User)
        return None if user.disabled else (session, user)

    async def touch_user_session(self, token_hash: str, now: datetime, expires_at: datetime) -> None:
        """It was used just now."""

        def job(connection: sqlite3.Connection) -> None:
            statement = "SELECT document FROM user_sessions WHERE token_hash = ?"
            for (document,) in connection.execute(statement, (token_hash,)).fetchall():
                session = _read(document, UserSession)
                session = msgspec.structs.replace(session, seen_at=now, expires_at=expires_at)
                connection.execute(
                    "UPDATE user_sessions SET expires_at = ?, document = ? WHERE token_hash = ?",
                    (stamp(expires_at), encode(session), token_hash),
                )

        await self._writer.submit(job)

    async def user_sessions(self, user_id: str, now: datetime) -> Sequence[UserSession]:
        """Where a person is signed in, the last seen first."""
        statement = "SELECT document FROM user_sessions WHERE user_id = ? AND expires_at > ?"
        rows = await self._reader.read(
            lambda connection: connection.execute(statement, (user_id, stamp(now))).fetchall()
        )
        found = [_read(document, UserSession) for (document,) in rows]
        return sorted(found, key=lambda one: one.seen_at, reverse=True)

    async def end_user_sessions(self, user_id: str, *, keep: str | None = None) -> int:
        """Sign a person out everywhere, but for the session whose token hash is `keep`."""
        statement = "DELETE FROM user_sessions WHERE user_id = ? AND token_hash IS NOT ?"
        return await self._writer.submit(
            lambda connection: connection.execute(statement, (user_id, keep)).rowcount
        )

    async def end_user_session(self, token_hash: str) -> None:
        """Sign one browser out."""
        statement = "DELETE FROM user_sessions WHERE token_hash = ?"
        await self._writer.submit(lambda connection: connection.execute(statement, (token_hash,)).rowcount)

    async def add_link(self, link: OneTimeLink) -> None:
        """A new one-time link, in place of those before it and of those that are over."""

        def job(connection: sqlite3.Connection) -> None:
            old = (stamp(link.created_at), link.user_id, link.purpose.value)
            connection.execute(_OLD_LINKS, old)
            row = (link.token_hash, link.user_id, stamp(link.expires_at), encode(link))
            connection.execute(_ADD_LINK, row)

        await self._writer.submit(job)

    async def link(self, token_hash: str, now: datetime) -> OneTimeLink | None:
        """The link, while it works."""
        return await self._reader.read(lambda connection: _link(connection, token_hash, now))

    async def use_link(self, token_hash: str, user: User, now: datetime) -> bool:
        """Use the link up and save (or make) the person, in one transaction."""

        def job(connection: sqlite3.Connection) -> bool:
            link = _link(connection, token_hash, now)
            if link is None:
                return False
            if link.user_id is None:
                _add(connection, user)
            elif link.user_id == user.id and _user(connection, "id", user.id) is not None:
                _save(connection, user)
            else:
                return False
            connection.execute("DELETE FROM one_time_links WHERE token_hash = ?", (token_hash,))
            return True

        return await self._writer.submit(job)


def _read(document: str, kind: type[T]) -> T:
    return msgspec.json.decode(document, type=kind)


def _users(connection: sqlite3.Connection) -> list[User]:
    rows = connection.execute("SELECT document FROM users ORDER BY email").fetchall()
    return [_read(document, User) for (document,) in rows]


def _user(connection: sqlite3.Connection, column: str, value: str) -> User | None:
    statement = f"SELECT document FROM users WHERE {column} = ?"  # noqa: S608
    row = connection.execute(statement, (value,)).fetchone()
    return None if row is None else _read(row[0], User)


def _add(connection: sqlite3.Connection, user: User) -> None:
    try:
        connection.execute(_ADD_USER, (user.id, user.email, encode(user)))
    except sqlite3.IntegrityError:
        raise Conflict(f"there is somebody with the address {user.email} already") from None


def _save(connection: sqlite3.Connection, user: User) -> None:
    before = _user(connection, "id", user.id)
    if before is None:
        raise NotFound("there is no such person")
    try:
        connection.execute(
            "UPDATE users SET email = ?, document = ? WHERE id = ?", (user.email, encode(user), user.id)
        )
    except sqlite3.IntegrityError:
        raise Conflict(f"there is somebody with the address {user.email} already") from None
    _require_owner(connection, before)


def _require_owner(connection: sqlite3.Connection, before: User) -> None:
    """After a change to the person who was `before`: whoever may do everything must not be the last to go."""
    if is_owner_of_all(before) and not any(is_owner_of_all(one) for one in _users(connection)):
        raise Conflict(LAST_OWNER)


def _link(connection: sqlite3.Connection, token_hash: str, now: datetime) -> OneTimeLink | None:
    row = connection.execute(_LINK, (token_hash, stamp(now))).fetchone()
    if row is None:
        return None
    link = _read(row[0], OneTimeLink)
    if link.purpose is LinkPurpose.FIRST_OWNER and connection.execute("SELECT 1 FROM users").fetchone():
        return None
    return link
