"""Who is signed in at this moment: sessions of browsers, known to this process and kept in the store.

What is looked up is remembered for `CHECKED_S`, so that a page with thirty files asks the store once, and a person
who was disabled from elsewhere is noticed within that time. Changes made in this process are seen at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tieline.admin.errors import SignedOut
from tieline.admin.tokens import hash_token, new_token
from tieline.clock import Clock
from tieline.errors import TielineError
from tieline.model.principal import Principal, of_user
from tieline.model.user import User, UserSession
from tieline.observe.logging import get_logger
from tieline.store.people import UserStore

log = get_logger("studio")

CHECKED_S = 2.0
"""How long what the store said is believed; open pages are looked at anew as often."""

TOUCH_S = 60.0
"""How much later a session must have been used for the store to be told."""

KEPT_S = 120.0
"""How long a session that nobody uses and no socket holds is remembered."""

Ended = Callable[[], None]


@dataclass(slots=True)
class _Live:
    """A session that is known here. `expires_at` is later than the store's when it was used since."""

    session: UserSession
    user: User
    address: str
    checked_at: float
    used_at: float
    expires_at: datetime
    stored_until: datetime
    watchers: list[Ended] = field(default_factory=list)


class Sessions:
    """Sessions by the SHA-256 of their token."""

    def __init__(self, store: UserStore, clock: Clock, *, idle: timedelta, longest: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._touch = min(timedelta(seconds=TOUCH_S), idle / 4)
        self._live: dict[str, _Live] = {}
        self._changes = 0

    async def begin(self, user: User, address: str, browser: str) -> str:
        """Sign a browser in; returns the token for its cookie."""
        now = self._clock.utc()
        token = new_token()
        await self._store.add_user_session(
            UserSession(
                token_hash=hash_token(token),
                user_id=user.id,
                created_at=now,
                seen_at=now,
                expires_at=now + min(self._idle, self._longest),
                address=address,
                browser=browser,
            )
        )
        return token

    async def find(self, token: str, address: str) -> str | None:
        """The session that a cookie's token stands for (its hash), or None; counts as use of it."""
        token_hash = hash_token(token)
        live = self._live.get(token_hash)
        now = self._clock.monotonic()
        if live is None or now - live.checked_at > CHECKED_S:
            live = await self._check(token_hash, address)
        if live is None or live.expires_at <= self._clock.utc():
            self._drop(token_hash)
            return None
        live.address = address
        self.used(token_hash)
        return token_hash

    def who(self, token_hash: str) -> Principal:
        """Whoever is signed in there, with the rights of this moment. Raises `SignedOut`."""
        live = self._live.get(token_hash)
        if live is None or live.user.disabled or live.expires_at <= self._clock.utc():
            raise SignedOut("you are signed out; sign in again")
        return of_user(live.user, live.address)

    def person(self, token_hash: str) -> User:
        """The person who is signed in there. Raises `SignedOut`."""
        self.who(token_hash)
        return self._live[token_hash].user

    def used(self, token_hash: str) -> None:
        """Its person did something just now: the session lasts longer."""
        live = self._live.get(token_hash)
        if live is not None:
            live.used_at = self._clock.monotonic()
            latest = live.session.created_at + self._longest
            live.expires_at = min(self._clock.utc() + self._idle, latest)

    def watch(self, token_hash: str, ended: Ended) -> Callable[[], None]:
        """Be called once when the session ends; at once if it has. Returns what ends the watch."""
        live = self._live.get(token_hash)
        if live is None:
            ended()
            return lambda: None
        live.watchers.append(ended)

        def release() -> None:
            if ended in live.watchers:
                live.watchers.remove(ended)

        return release

    async def end(self, token_hash: str) -> None:
        """Sign one browser out."""
        await self._store.end_user_session(token_hash)
        self._changes += 1
        self._drop(token_hash)

    async def end_all(self, user_id: str, *, keep: str | None = None) -> int:
        """Sign a person out everywhere but at `keep`; returns how many sessions ended."""
        count = await self._store.end_user_sessions(user_id, keep=keep)
        self._changes += 1
        for token_hash, live in list(self._live.items()):
            if live.user.id == user_id and token_hash != keep:
                self._drop(token_hash)
        return count

    def changed(self, user: User) -> None:
        """A person's record is another one from now on."""
        self._changes += 1
        for token_hash, live in list(self._live.items()):
            if live.user.id == user.id:
                live.user = user
                if user.disabled:
                    self._drop(token_hash)

    async def keep(self) -> None:
        """`refresh` every `CHECKED_S`, until cancelled."""
        while True:
            await asyncio.sleep(CHECKED_S)
            try:
                await self.refresh()
            except TielineError as error:
                log.warning("= sessions were not checked", error=error.message)

    async def refresh(self) -> None:
        """Look at all live sessions anew, and tell the store of those that were used."""
        now = self._clock.monotonic()
        for token_hash, live in list(self._live.items()):
            if live.expires_at - live.stored_until >= self._touch:
                await self._store.touch_user_session(token_hash, self._clock.utc(), live.expires_at)
                live.stored_until = live.expires_at
            if live.expires_at <= self._clock.utc():
                self._drop(token_hash)
            elif not live.watchers and now - live.used_at > KEPT_S:
                del self._live[token_hash]
            elif now - live.checked_at >= CHECKED_S / 2:
                await self._check(token_hash, live.address)

    async def _check(self, token_hash: str, address: str) -> _Live | None:
        """Ask the store. A session used here a moment ago may have outlived what the store knows of it."""
        live = self._live.get(token_hash)
        now = self._clock.utc()
        asked = now if live is None else min(now, live.stored_until - timedelta(microseconds=1))
        changes, found = -1, None
        while changes != self._changes:  # what was read while something changed may be what was before
            changes = self._changes
            found = await self._store.user_session(token_hash, asked)
        if found is None:
            self._drop(token_hash)
            return None
        session, user = found
        live = self._live.get(token_hash)
        checked_at = self._clock.monotonic()
        if live is None:
            expires_at = min(session.expires_at, session.created_at + self._longest)
            live = _Live(session, user, address, checked_at, checked_at, expires_at, session.expires_at)
            self._live[token_hash] = live
        live.session, live.user, live.checked_at = session, user, checked_at
        return live

    def _drop(self, token_hash: str) -> None:
        live = self._live.pop(token_hash, None)
        if live is not None:
            for ended in live.watchers:
                ended()
