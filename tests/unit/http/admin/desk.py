"""The admin API over all real admin functions and a database: two accounts, and admin keys of several kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tieline.calls.directory import Directory
from tieline.config import ServerSettings, Settings, StoreSettings
from tieline.http.admin.app import AdminApi
from tieline.model.project import ApiKey, Scope, hash_secret
from tieline.model.resources import Resources
from tieline.resources.plan import Applier
from tieline.server import Server

ADMIN, ALL_SEEING, PROJECT, FOREIGN, READER = (
    f"tl_{name}-{name}-{name}-{name}" for name in ("admin", "seeing", "project", "foreign", "reader")
)
"""Keys: of acme; of acme with personal data; of acme's project desk; of the other account; of acme without `admin`."""

FILE = """\
accounts: [{slug: acme}, {slug: other}]
projects:
  - slug: desk
    account: acme
    answer_only: true
    numbers: [100]
    secrets: {pin: hidden-project-secret}
    handoffs:
      - {name: billing, description: Bills, sip_config: {method: bye}}
  - {slug: shop, account: acme, answer_only: true, numbers: [300]}
  - {slug: theirs, account: other, answer_only: true, numbers: [200]}
trunks:
  - {name: five9, networks: 192.0.2.1, profile: five9, account: acme, target: sbc.example.com, username: tie,
     password: hidden-trunk-password}
  - {name: shared, networks: 192.0.2.3, target: shared.example.com}
pools:
  - {name: main, project: desk, numbers: ["+15550100000-+15550100009"], trunks: [five9]}
  - {name: elsewhere, project: theirs, numbers: ["+15550200000"]}
sip_tokens:
  - {name: desk-token, project: desk}
webhooks:
  - {name: hook, account: acme, url: "https://hooks.example.com/t", secret: hidden-webhook-secret-12345678901234}
"""


def admin_key(name: str, secret: str, account: str, project: str | None, *scopes: Scope) -> ApiKey:
    """A key with a secret that the test knows."""
    return ApiKey(
        name=name, account=account, project=project, scopes=frozenset(scopes), key_hash=hash_secret(secret),
        prefix=secret[:6],
    )  # fmt: skip


KEYS = (
    admin_key("admin", ADMIN, "ws-acme", None, Scope.ADMIN),
    admin_key("seeing", ALL_SEEING, "ws-acme", None, Scope.ADMIN, Scope.CONVERSATIONS_READ),
    admin_key("project", PROJECT, "ws-acme", "PROJECT-desk", Scope.ADMIN, Scope.CONVERSATIONS_READ),
    admin_key("foreign", FOREIGN, "ws-other", None, Scope.ADMIN, Scope.CONVERSATIONS_READ),
    admin_key("reader", READER, "ws-acme", None, *(one for one in Scope if one is not Scope.ADMIN)),
)


class Desk:
    """A client of the API, with the server behind it."""

    def __init__(self, client: httpx.AsyncClient, server: Server) -> None:
        self.client, self.server = client, server
        self.store, self.admin = server.store, server.outward.admin

    async def ask(
        self, method: str, path: str, body: Any = None, /, *, key: str | None = ADMIN, **query: Any
    ) -> httpx.Response:
        """One request; `body` is JSON, or text as it is."""
        headers = {} if key is None else {"x-api-key": key}
        sent: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body}
        if body is None:
            sent = {}
        if isinstance(body, str):
            headers["content-type"] = "application/yaml"
        return await self.client.request(method, f"/v1/admin{path}", params=query, headers=headers, **sent)

    async def get(self, path: str, key: str | None = ADMIN, /, **query: Any) -> Any:
        """What a GET answers, which has to go well."""
        answer = await self.ask("GET", path, key=key, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, method: str, path: str, body: Any = None, key: str = ADMIN, **query: Any) -> Any:
        """What another request answers, which has to go well."""
        answer = await self.ask(method, path, body, key=key, **query)
        assert answer.status_code in {200, 204}, answer.text
        return answer.json() if answer.status_code == 200 else None

    async def actions(self) -> list[tuple[str, str, str]]:
        """The audit log, newest first: who did what to what."""
        found = await self.get("/audit")
        return [(one["actor"], one["action"], f"{one['kind']} {one['name']}") for one in found["items"]]


async def _fill(server: Server) -> Resources:
    applier = Applier(file=Path("/srv/r.yaml"), text=FILE, environ={}, random_bytes=lambda size: b"x" * size)

    def wanted(current: Resources) -> Resources:
        made = applier.plan(current).resources
        return Resources(
            **{kind: getattr(made, kind) for kind in Resources.__struct_fields__} | {"api_keys": KEYS}
        )

    return await server.store.apply(wanted, server.clock.utc())


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """The API over a database in a folder; nothing listens, no call can come."""
    settings = Settings(
        server=ServerSettings(public_url="https://tieline.example.com"),
        store=StoreSettings(path=str(folder / "tieline.db")),
    )
    server = Server(settings)
    await server.store.open(server.clock.utc())
    directory = Directory(await _fill(server))
    server.reservations.directory = directory
    server.outward.directory = directory
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    AdminApi(
        server.outward.admin, lambda: directory, server.clock, server.registry.uses, server.metrics
    ).mount(app)
    transport = httpx.ASGITransport(app=app, client=("198.51.100.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://tieline") as client:
        yield Desk(client, server)
    await server.store.close()
