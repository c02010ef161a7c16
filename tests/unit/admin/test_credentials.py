"""Keys and tokens: shown once, listed without what opens doors, revoked for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.admin.office import (
    ACCOUNT_OWNER,
    ALL_SEEING,
    BUILDER,
    LOOKER,
    NOBODY,
    OWNER,
    STRANGER,
    Office,
)
from tieline.admin.credentials import SCOPES, CredentialAdmin
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.reach import Reach
from tieline.calls.credential_use import CredentialUse
from tieline.errors import Conflict, NotFound
from tieline.model.project import Scope, hash_secret
from tieline.store.people import AuditFilter


@pytest.fixture
def uses() -> CredentialUse:
    return CredentialUse()


@pytest.fixture
def credentials(office: Office, uses: CredentialUse) -> CredentialAdmin:
    return CredentialAdmin(office.resources, office.store, uses, office.clock, Reach(http="http://t.example"))


async def test_a_key_is_shown_once(credentials: CredentialAdmin, office: Office) -> None:
    made = await credentials.create_key(
        ACCOUNT_OWNER, "dialler", ["handoff:read", "dni:reserve"], project="desk", expires_at="2030-06-30"
    )
    assert made.secret.startswith("tl_")
    assert made.secret not in repr(made)
    (listed,) = await credentials.keys(LOOKER)
    assert made.secret.startswith(listed.prefix)
    assert (listed.account, listed.project, listed.expired) == ("acme", "desk", False)
    assert listed.scopes == (Scope.DNI_RESERVE, Scope.HANDOFF_READ)
    assert listed.expires_at is not None
    assert (await office.store.resources()).api_keys[0].key_hash == hash_secret(made.secret)
    (entry,) = await office.store.audit(AuditFilter(kind="api_keys"))
    assert made.secret not in repr(entry)
    office.clock.advance(timedelta(days=365).total_seconds())
    assert (await credentials.keys(LOOKER))[0].expired


async def test_the_last_use_is_the_newest_that_is_known(
    credentials: CredentialAdmin, office: Office, uses: CredentialUse
) -> None:
    made = await credentials.create_key(ACCOUNT_OWNER, "one", ["chat"])
    assert (await credentials.keys(LOOKER))[0].last_used_at is None
    first = office.clock.utc()
    uses.note(hash_secret(made.secret), first)
    await uses.save(office.store)
    assert (await credentials.keys(LOOKER))[0].last_used_at == first
    office.clock.advance(30)
    uses.note(hash_secret(made.secret), office.clock.utc())
    assert (await credentials.keys(LOOKER))[0].last_used_at == office.clock.utc()


async def test_a_request_that_uses_the_key(credentials: CredentialAdmin) -> None:
    for scope, project, part in (
        ("dni:reserve", "desk", "curl -X POST http://t.example/v1/conversations/dni-reservation"),
        ("handoff:read", "desk", "http://t.example/v1/acme/desk/handoff_state?shared_id="),
        ("conversations:read", None, "http://t.example/v1/acme/YOUR_PROJECT/conversations"),
        ("chat", "desk", "http://t.example/openapi.json"),
    ):
        made = await credentials.create_key(ALL_SEEING, "one", [scope], project=project)
        request = await credentials.request(ACCOUNT_OWNER, "one", made.secret)
        assert part in request
        assert f"-H 'x-api-key: {made.secret}'" in request
        assert made.secret not in await credentials.request(LOOKER, "one")
        with pytest.raises(NotFound):
            await credentials.request(STRANGER, "one")
        await credentials.revoke_key(ACCOUNT_OWNER, "one")


async def test_a_revoked_key_is_gone(credentials: CredentialAdmin, office: Office) -> None:
    await credentials.create_key(ACCOUNT_OWNER, "one", ["chat"])
    with pytest.raises(Conflict):
        await credentials.create_key(ACCOUNT_OWNER, "one", ["chat"])
    await credentials.revoke_key(ACCOUNT_OWNER, "one")
    assert await credentials.keys(LOOKER) == []
    with pytest.raises(NotFound):
        await credentials.revoke_key(ACCOUNT_OWNER, "one")


async def test_tokens_likewise(credentials: CredentialAdmin, uses: CredentialUse, office: Office) -> None:
    made = await credentials.create_token(ACCOUNT_OWNER, "genesys-live", "desk")
    uses.note(hash_secret(made.secret), office.clock.utc())
    (listed,) = await credentials.tokens(LOOKER)
    assert (listed.name, listed.project, listed.account) == ("genesys-live", "desk", "acme")
    assert listed.last_used_at == office.clock.utc()
    assert await credentials.tokens(STRANGER) == []
    await credentials.revoke_token(ACCOUNT_OWNER, "genesys-live")
    assert await credentials.tokens(LOOKER) == []


async def test_faults_name_their_fields(credentials: CredentialAdmin) -> None:
    for given, field in (
        (credentials.create_key(ACCOUNT_OWNER, "no name", ["chat"]), "name"),
        (credentials.create_key(ACCOUNT_OWNER, "one", ["all"]), "scopes[0]"),
        (credentials.create_key(ACCOUNT_OWNER, "one", []), "scopes"),
        (credentials.create_key(ACCOUNT_OWNER, "one", ["chat"], expires_at="soon"), "expires_at"),
        (credentials.create_key(OWNER, "one", ["chat"]), "account"),
        (credentials.create_token(ACCOUNT_OWNER, "one", "nowhere"), "project"),
        (credentials.create_token(ACCOUNT_OWNER, "one", ""), "project"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await given
        assert [one.field for one in refused.value.faults] == [field]


async def test_rights_and_accounts_are_kept(credentials: CredentialAdmin) -> None:
    await credentials.create_key(ACCOUNT_OWNER, "one", ["chat"])
    await credentials.create_key(OWNER, "theirs", ["chat"], account="other")
    for attempt in (
        credentials.create_key(BUILDER, "x", ["chat"]),
        credentials.create_token(BUILDER, "x", "desk"),
        credentials.revoke_key(BUILDER, "one"),
        credentials.revoke_token(BUILDER, "one"),
        credentials.create_key(ACCOUNT_OWNER, "x", ["chat"], account="other"),
        credentials.create_token(ACCOUNT_OWNER, "x", "theirs"),
        credentials.keys(NOBODY),
        credentials.tokens(NOBODY),
    ):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(NotFound):
        await credentials.revoke_key(STRANGER, "one")
    assert [one.name for one in await credentials.keys(STRANGER)] == ["theirs"]


def test_every_scope_is_explained() -> None:
    assert list(SCOPES) == list(Scope)
