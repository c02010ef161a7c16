"""The real HTTP app over the in-memory store: two accounts, three projects, a small pool, and a key of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from tieline.calls.directory import Directory
from tieline.calls.outcomes import Outcomes
from tieline.calls.reservations import Reservations
from tieline.config import HttpSettings, Settings
from tieline.http.app import create_app
from tieline.http.services import Health, Services
from tieline.model.conversation import ConversationOpened, Outcome
from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, Scope, hash_secret
from tieline.model.resources import Resources
from tieline.observe.metrics import Metrics
from tieline.store.memory import MemoryStore
from tieline.testing.clock import START, FakeClock

RESERVE = "/v1/conversations/dni-reservation"
RESERVE_KEY = "tl_reserve-reserve-reserve"
READ_KEY = "tl_read-read-read-read-read"
EXPIRED_KEY = "tl_expired-expired-expired"
ACCOUNT_KEY = "tl_account-account-account"
OTHER_KEY = "tl_other-other-other-other"
ADMIN_KEY = "tl_admin-admin-admin-admin"


def _key(name: str, secret: str, account: str, project: str | None, *scopes: Scope, **more: Any) -> ApiKey:
    return ApiKey(
        name=name,
        account=account,
        project=project,
        scopes=frozenset(scopes),
        key_hash=hash_secret(secret),
        prefix=secret[:6],
        **more,
    )


READING = (Scope.HANDOFF_READ, Scope.CONVERSATIONS_READ)

RESOURCES = Resources(
    accounts=(Account(id="ws-1", slug="acme"), Account(id="ws-2", slug="other")),
    projects=(
        Project(id="PROJECT-1", slug="desk", account="ws-1", answer_only=True),
        Project(id="PROJECT-2", slug="shop", account="ws-1", answer_only=True),
        Project(id="PROJECT-3", slug="theirs", account="ws-2", answer_only=True),
    ),
    pools=(
        Pool(name="main", project="PROJECT-1", numbers=("+15550100000", "+15550100001")),
        Pool(name="spare", project="PROJECT-2", numbers=("+15550200000",)),
    ),
    api_keys=(
        _key("reserve", RESERVE_KEY, "ws-1", "PROJECT-1", Scope.DNI_RESERVE),
        _key("read", READ_KEY, "ws-1", "PROJECT-1", *READING),
        _key("expired", EXPIRED_KEY, "ws-1", "PROJECT-1", *Scope, expires_at=START - timedelta(seconds=1)),
        _key("account", ACCOUNT_KEY, "ws-1", None, Scope.DNI_RESERVE, *READING),
        _key("other", OTHER_KEY, "ws-2", None, Scope.DNI_RESERVE, *READING),
        _key("admin", ADMIN_KEY, "ws-1", "PROJECT-1", Scope.ADMIN),
    ),
)


class World:
    """The app, what stands behind it, and a client that talks to it."""

    def __init__(
        self, client: httpx.AsyncClient, store: MemoryStore, clock: FakeClock, services: Services
    ) -> None:
        self.client, self.store, self.clock, self.services = client, store, clock, services

    async def reserve(self, body: Any = None, key: str = RESERVE_KEY, **headers: str) -> httpx.Response:
        """Reserve with a JSON body, by default with empty attributes."""
        sent = {"x-api-key": key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.client.post(
            RESERVE, json={"attributes": {}} if body is None else body, headers=sent
        )

    async def send(self, raw: bytes, **headers: str) -> httpx.Response:
        """Reserve with a body as it is."""
        sent = {"x-api-key": RESERVE_KEY, "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(RESERVE, content=raw, headers=sent)

    async def get(self, path: str, key: str | None = READ_KEY, **query: Any) -> httpx.Response:
        """GET with a key."""
        headers = {} if key is None else {"x-api-key": key}
        return await self.client.get(path, params=query, headers=headers)

    async def call(self, conversation_id: str, **fields: Any) -> None:
        """A call has come in."""
        known: dict[str, Any] = {
            "account": "ws-1", "project": "PROJECT-1", "env": "live", "channel_type": "sip.polyai",
            "trunk": "sbc", "sip_call_id": f"call-{conversation_id}", "from_tag": "t",
            "caller_number": "+15550109999", "callee_number": "+15550100000", "reservation_id": None,
            "shared_id": None, "attributes_json": "{}", "sip_headers": {"X-One": "1"},
            "rules": ({"rule": "number", "held": True, "detail": "+15550100000"},), "late": False,
            "started_at": self.clock.utc(),
        }  # fmt: skip
        await self.store.open_conversation(ConversationOpened(id=conversation_id, **(known | fields)))

    async def end(
        self, conversation_id: str, *, handed_off: bool, shared_id: str | None = None, **data: Any
    ) -> None:
        """The call has its outcome."""
        handoff = {"method": "bye"} if handed_off else None
        await self.services.outcomes.save(  # type: ignore[attr-defined]
            Outcome(
                conversation_id=conversation_id,
                shared_id=shared_id,
                handed_off=handed_off,
                data=data,
                handoff=handoff,
                saved_at=self.clock.utc(),
            )
        )


@asynccontextmanager
async def open_world(resources: Resources = RESOURCES, **http: Any) -> AsyncIterator[World]:
    """The app with `resources` and the given HTTP settings."""
    clock, store = FakeClock(), MemoryStore()
    await store.open(clock.utc())
    await store.apply(lambda _: resources, clock.utc())
    settings = Settings(http=msgspec.structs.replace(HttpSettings(), **http))
    directory = Directory(resources)
    services = Services(
        reservations=Reservations(
            store,
            directory,
            clock,
            max_attribute_bytes=settings.http.attributes_max_bytes,
            max_attribute_depth=settings.http.attributes_max_depth,
        ),
        outcomes=Outcomes(store),
        conversations=store,
        directory=directory,
        health=Health(),
        metrics=Metrics(process=False),
        clock=clock,
        settings=settings,
    )
    transport = httpx.ASGITransport(app=create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://tieline") as client:
        yield World(client, store, clock, services)
    await store.close()
