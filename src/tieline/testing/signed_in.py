"""A person with a session, put straight into a database: for tests that begin where somebody is signed in."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from tieline.admin.tokens import hash_token, new_token
from tieline.model.user import Role, User, UserSession
from tieline.store.base import Store
from tieline.store.sqlite import SqliteStore
from tieline.studio.entry.site import COOKIE

NO_PASSWORD = "$argon2id$none"
"""A hash that no password has."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in; `token` is what the session cookie holds."""

    user: User
    token: str

    @property
    def cookie(self) -> tuple[str, str]:
        """The session cookie's name (by plain HTTP) and value."""
        return COOKIE, self.token


async def sign_in(
    store: Store,
    now: datetime,
    *,
    role: Role = Role.OWNER,
    email: str = "owner@example.com",
    name: str = "Olive Owner",
    personal_data: bool = True,
    account: str | None = None,
    lasts: timedelta = timedelta(hours=12),
) -> SignedIn:
    """Make a person, or give the one with that address these rights, and a session. No password fits them."""
    there = await store.user_by_email(email)
    user = User(
        id=uuid4().hex if there is None else there.id,
        email=email,
        name=name,
        role=role,
        personal_data=personal_data,
        account=account,
        password_hash=NO_PASSWORD,
        created_at=now,
    )
    if there is None:
        await store.add_user(user)
    else:
        await store.save_user(msgspec.structs.replace(user, created_at=there.created_at))
    token = new_token()
    session = UserSession(
        token_hash=hash_token(token),
        user_id=user.id,
        created_at=now,
        seen_at=now,
        expires_at=now + lasts,
        address="127.0.0.1",
        browser="a test",
    )
    await store.add_user_session(session)
    return SignedIn(user, token)


def sign_in_to(
    database: Path,
    *,
    role: Role = Role.OWNER,
    email: str = "owner@example.com",
    name: str = "Olive Owner",
    personal_data: bool = True,
    account: str | None = None,
    lasts: timedelta = timedelta(hours=12),
) -> SignedIn:
    """The same in a database file, beside a server that may be running on it. From any thread, loop or none."""

    async def work() -> SignedIn:
        store = SqliteStore(database)
        await store.open(datetime.now(UTC))
        try:
            return await sign_in(
                store, datetime.now(UTC), role=role, email=email, name=name, personal_data=personal_data,
                account=account, lasts=lasts,
            )  # fmt: skip
        finally:
            await store.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
