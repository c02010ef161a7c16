"""People and sign-in over a store in memory, with passwords that cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher

from tieline.admin.audit import AuditAdmin
from tieline.admin.passwords import Passwords
from tieline.admin.people import PeopleAdmin
from tieline.admin.sessions import Sessions
from tieline.admin.sign_in import SignIn, Visitor
from tieline.admin.trail import AuditTrail
from tieline.model.principal import COMMAND_LINE, Principal, of_user
from tieline.model.project import Account
from tieline.model.resources import Resources
from tieline.model.user import Role
from tieline.store.memory import MemoryStore
from tieline.store.people import AuditFilter
from tieline.testing.clock import FakeClock
from tieline.testing.store_samples import T0

PASSWORD = "tall green horse"
VISITOR = Visitor("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=30)


def quick_hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Club:
    """Everything that has to do with people."""

    store: MemoryStore
    clock: FakeClock
    sessions: Sessions
    people: PeopleAdmin
    sign_in: SignIn
    audit: AuditAdmin

    async def join(
        self,
        name: str = "olive",
        role: Role = Role.OWNER,
        *,
        personal_data: bool = True,
        account: str | None = None,
    ) -> Principal:
        """Somebody who has followed their invitation."""
        invited = await self.people.invite(
            COMMAND_LINE,
            f"{name}@example.com",
            name.title(),
            role,
            personal_data=personal_data,
            account=account,
        )
        await self.sign_in.use_link(invited.token, PASSWORD, VISITOR)
        return await self.principal(name)

    async def principal(self, name: str) -> Principal:
        user = await self.store.user_by_email(f"{name}@example.com")
        assert user is not None
        return of_user(user, VISITOR.address)

    async def enter(self, name: str = "olive", password: str = PASSWORD) -> str:
        """Sign in; the session's hash."""
        token = await self.sign_in.sign_in(f"{name}@example.com", password, VISITOR)
        session = await self.sessions.find(token, VISITOR.address)
        assert session is not None
        return session

    async def actions(self) -> list[str]:
        """What the audit log says was done, the oldest first."""
        return [one.action for one in reversed(await self.store.audit(AuditFilter()))]


async def make_club() -> Club:
    store, clock = MemoryStore(), FakeClock(T0)
    await store.open(T0)
    wanted = Resources(accounts=(Account(id="ws-acme", slug="acme"), Account(id="ws-other", slug="other")))
    await store.apply(lambda _: wanted, T0)
    trail, passwords = AuditTrail(store, clock), Passwords(quick_hasher())
    sessions = Sessions(store, clock, idle=IDLE, longest=LONGEST)
    return Club(
        store, clock, sessions, PeopleAdmin(store, clock, trail, sessions, passwords),
        SignIn(store, clock, trail, sessions, passwords), AuditAdmin(store),
    )  # fmt: skip
