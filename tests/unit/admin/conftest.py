from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.unit.admin.office import Office
from tieline.admin.reach import Reach
from tieline.admin.resources import ResourceAdmin, ResourceRules
from tieline.admin.trail import AuditTrail
from tieline.model.principal import Principal, PrincipalKind
from tieline.model.project import Account, Project
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.model.user import RIGHTS, Right, Role
from tieline.store.memory import MemoryStore
from tieline.testing.clock import FakeClock
from tieline.testing.store_samples import T0, pool


def somebody(
    role: Role = Role.OWNER, account: str | None = None, *, personal_data: bool = False
) -> Principal:
    """A person of a role, in one account or all."""
    rights = RIGHTS[role] | ({Right.PERSONAL_DATA} if personal_data else frozenset())
    return Principal(
        kind=PrincipalKind.USER,
        id=role.value,
        name=f"{role.value}@example.com",
        rights=rights,
        account=account,
    )


@dataclass
class Parts:
    """What admin functions are made of, on a store in memory."""

    store: MemoryStore
    clock: FakeClock
    trail: AuditTrail
    resources: ResourceAdmin
    reach: Reach


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    """Two accounts with a project and a pool each, and a trunk that is there for both."""
    store, clock = MemoryStore(), FakeClock(T0)
    await store.open(T0)
    wanted = Resources(
        accounts=(Account(id="ws-acme", slug="acme"), Account(id="ws-other", slug="other")),
        projects=(
            Project(id="PROJECT-desk", slug="desk", account="ws-acme", answer_only=True),
            Project(id="PROJECT-shop", slug="shop", account="ws-other", answer_only=True),
        ),
        pools=(
            pool(3, name="inbound", project="PROJECT-desk"),
            pool(name="elsewhere", project="PROJECT-shop", numbers=("+15550200000",)),
        ),
        trunks=(Trunk(name="carrier", networks=("192.0.2.0/24",)),),
    )
    await store.apply(lambda _: wanted, T0)
    trail = AuditTrail(store, clock)
    reach = Reach(http="http://tieline.example", sip={"udp": ("192.0.2.1", 5080)})
    yield Parts(store, clock, trail, ResourceAdmin(store, clock, trail, ResourceRules()), reach)
    await store.close()


@pytest.fixture
async def office() -> Office:
    """Two accounts with trunks of several profiles."""
    made = Office()
    await made.apply()
    return made
