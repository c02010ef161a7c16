"""API keys and SIP tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.admin.credentials import Credential, ListedKey, ListedToken
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Shape
from tieline.model.project import Scope

credentials = Noun("secrets")


class NewKey(Shape):
    """A key to make: `project` and `account` are slugs, `expires_at` is a date or a time with its zone."""

    name: str
    scopes: tuple[Scope, ...]
    project: str | None = None
    account: str | None = None
    expires_at: str | None = None


class NewToken(Shape):
    """A token to make, which chooses the project (a slug)."""

    name: str
    project: str


@credentials.get("/keys")
async def list_keys(call: Call) -> Sequence[ListedKey]:
    """The API keys, with their last use."""
    return await call.admin.credentials.keys(call.who)


@credentials.post("/keys")
async def create_key(call: Call, body: NewKey) -> Credential:
    """Make an API key. `secret` is in this answer and nowhere else."""
    return await call.admin.credentials.create_key(
        call.who,
        body.name,
        [one.value for one in body.scopes],
        project=body.project,
        account=body.account,
        expires_at=body.expires_at,
    )


@credentials.delete("/keys/{key}")
async def revoke_key(call: Call, key: str) -> None:
    """Revoke an API key: whoever uses it gets 401 from now on."""
    await call.admin.credentials.revoke_key(call.who, key)


@credentials.get("/keys/{key}/request", media_type="text/plain")
async def get_key_request(call: Call, key: str) -> str:
    """A `curl` for what the key's scopes let it do; YOUR_KEY stands for its secret."""
    return await call.admin.credentials.request(call.who, key)


@credentials.get("/tokens")
async def list_tokens(call: Call) -> Sequence[ListedToken]:
    """The SIP tokens, with their last use."""
    return await call.admin.credentials.tokens(call.who)


@credentials.post("/tokens")
async def create_token(call: Call, body: NewToken) -> Credential:
    """Make a SIP token. `secret` is in this answer and nowhere else."""
    return await call.admin.credentials.create_token(call.who, body.name, body.project)


@credentials.delete("/tokens/{token}")
async def revoke_token(call: Call, token: str) -> None:
    """Revoke a SIP token: calls with it are refused from now on."""
    await call.admin.credentials.revoke_token(call.who, token)
