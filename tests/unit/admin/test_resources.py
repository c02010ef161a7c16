from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.admin.conftest import Parts, somebody
from tests.unit.admin.office import SECRET, Office
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.resources import ResourceAdmin, ResourceRules
from tieline.errors import ConfigurationError, Conflict, NotFound
from tieline.model.principal import COMMAND_LINE, Principal, PrincipalKind, of_user
from tieline.model.project import ApiKey, Scope
from tieline.model.user import RIGHTS, Right, Role, User
from tieline.resources.diff import Action
from tieline.store.people import AuditFilter
from tieline.testing.store_samples import T0

OWNER = somebody()
BUILDER = somebody(Role.BUILDER)
TENANT = somebody(Role.OWNER, "ws-other")


async def test_everybody_sees_their_own_account_alone(parts: Parts) -> None:
    seen = await parts.resources.resources(TENANT)
    assert [one.slug for one in seen.projects] == ["shop"]
    assert [one.slug for one in seen.accounts] == ["other"]
    assert [one.name for one in seen.trunks] == ["carrier"]
    assert len((await parts.resources.resources(OWNER)).projects) == 2
    with pytest.raises(Forbidden):
        await parts.resources.resources(
            Principal(kind=PrincipalKind.USER, id="x", name="x", rights=frozenset())
        )
    with pytest.raises(NotFound):
        await parts.resources.fields(TENANT, "pools", "inbound")


async def test_a_projects_key_sees_and_changes_that_project_alone(parts: Parts) -> None:
    key = Principal(
        kind=PrincipalKind.API_KEY, id="k", name="k", rights=RIGHTS[Role.OWNER], account="ws-acme",
        project="PROJECT-desk",
    )  # fmt: skip
    seen = await parts.resources.resources(key)
    assert [one.name for one in seen.pools] == ["inbound"]
    await parts.resources.update(key, "pools", "inbound", {"ttl_s": 30})
    with pytest.raises(Forbidden):
        await parts.resources.create(key, "pools", {"name": "new", "project": "shop"})


async def test_a_resource_is_made_changed_and_removed_and_all_of_it_is_on_record(parts: Parts) -> None:
    plan = await parts.resources.create(
        BUILDER, "trunks", {"name": "sbc", "networks": ["198.51.100.0/24"], "target": "sbc.example", "username": "u",
                            "password": "s3cret-word", "account": "acme"},
    )  # fmt: skip
    assert [(one.kind, one.action) for one in plan.changes] == [("trunks", Action.CREATE)]
    plan = await parts.resources.update(BUILDER, "trunks", "sbc", {"max_calls": 5, "target": "b.example"})
    trunk = next(one for one in (await parts.store.resources()).trunks if one.name == "sbc")
    assert (trunk.max_calls, trunk.target, trunk.password) == (5, "b.example", "s3cret-word")
    await parts.resources.update(BUILDER, "trunks", "sbc", {"max_calls": None})
    assert (await parts.resources.fields(BUILDER, "trunks", "sbc"))["password"] == {
        "value_from_env": "TRUNK_SBC_PASSWORD"
    }
    await parts.resources.remove(BUILDER, "trunks", "sbc")
    entries = list(await parts.store.audit(AuditFilter()))
    assert [one.action for one in entries] == ["remove", "update", "update", "create"]
    assert {one.account for one in entries} == {"ws-acme"}
    assert "s3cret-word" not in repr(entries)
    assert "sbc" not in [one.name for one in (await parts.store.resources()).trunks]


async def test_what_changes_nothing_is_not_on_record(parts: Parts) -> None:
    assert (await parts.resources.update(OWNER, "pools", "inbound", {"ttl_s": 60})).changes == ()
    assert await parts.store.audit(AuditFilter()) == []


async def test_every_fault_is_told_with_its_field(parts: Parts) -> None:
    with pytest.raises(InvalidFields) as caught:
        await parts.resources.create(
            OWNER, "pools", {"name": "new", "project": "desk", "ttl_s": -1, "numbers": ["x"], "nonsense": 1}
        )
    found = caught.value
    assert {one.field for one in found.faults} == {"ttl_s", "numbers[0]", "nonsense"}
    assert found.of("numbers") == [next(one.message for one in found.faults if one.field == "numbers[0]")]
    with pytest.raises(InvalidFields) as caught:
        await parts.resources.update(OWNER, "pools", "inbound", {"min_ttl_s": 90})
    assert caught.value.faults[0].field == "ttl_s"
    with pytest.raises(InvalidFields):
        await parts.resources.remove(OWNER, "projects", "desk")
    with pytest.raises(InvalidFields, match="name"):
        await parts.resources.create(OWNER, "pools", {"project": "desk"})


async def test_rights_are_asked_by_kind(parts: Parts) -> None:
    operator = somebody(Role.OPERATOR)
    for who, kind, name in (
        (operator, "pools", "inbound"), (operator, "projects", "desk"), (BUILDER, "accounts", "acme"),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await parts.resources.update(who, kind, name, {"name": "n"})
        with pytest.raises(Forbidden):
            await parts.resources.remove(who, kind, name)
    with pytest.raises(Forbidden):
        await parts.resources.create(BUILDER, "api_keys", {"name": "k", "scopes": ["admin"]})


async def test_a_tenant_changes_nothing_of_others(parts: Parts) -> None:
    resources = parts.resources
    with pytest.raises(Conflict):
        await resources.create(TENANT, "pools", {"name": "inbound", "project": "shop"})
    with pytest.raises(Conflict):
        await resources.update(TENANT, "pools", "inbound", {"ttl_s": 10})
    with pytest.raises(Forbidden):  # it is there for all accounts
        await resources.update(TENANT, "trunks", "carrier", {"max_calls": 1})
    with pytest.raises(Forbidden):
        await resources.remove(TENANT, "trunks", "carrier")
    with pytest.raises(NotFound):
        await resources.remove(TENANT, "pools", "inbound")
    with pytest.raises(Forbidden):
        await resources.create(TENANT, "trunks", {"name": "mine", "networks": ["203.0.113.0/24"]})
    with pytest.raises(Forbidden):
        await resources.create(TENANT, "pools", {"name": "new", "project": "desk"})
    with pytest.raises(Forbidden):
        await resources.update(TENANT, "pools", "elsewhere", {"project": "desk"})
    with pytest.raises(Conflict):
        await resources.apply(TENANT, "accounts: [{slug: acme}]")
    assert (await parts.store.audit(AuditFilter())) == []


async def test_a_tenant_chooses_no_folder_of_the_server(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="folder"):
        await parts.resources.create(
            TENANT, "projects", {"slug": "mine", "account": "other", "path": str(tmp_path)}
        )


@pytest.mark.parametrize(
    ("kind", "fields", "at"),
    [
        ("projects", {"slug": "x", "account": "acme", "answer_only": True,
                      "secrets": {"A": {"value_from_env": "PATH"}}}, "secrets.A"),
        ("trunks", {"name": "x", "networks": ["192.0.2.9"], "auth_username": "u",
                    "auth_password": {"value_from_env": "PATH"}}, "auth_password"),
        ("sip_tokens", {"name": "x", "project": "desk", "value_from_env": "PATH"}, "value_from_env"),
        ("webhooks", {"name": "x", "account": "acme", "url": "https://a.example", "secret": {"value_from_env": "PATH"}},
         "secret"),
    ],
)  # fmt: skip
async def test_nobody_reads_the_servers_environment(
    parts: Parts, kind: str, fields: dict[str, object], at: str
) -> None:
    who = Principal(
        kind=PrincipalKind.USER, id="b", name="b", rights=RIGHTS[Role.OWNER] - {Right.USERS},
    )  # fmt: skip
    with pytest.raises(InvalidFields, match="give the value itself") as caught:
        await parts.resources.create(who, kind, fields)
    assert caught.value.faults[0].field == at
    await parts.resources.create(COMMAND_LINE, kind, fields)


async def test_a_preview_changes_nothing(parts: Parts) -> None:
    plan = await parts.resources.preview(
        OWNER, "pools", "inbound", lambda there: {**(there or {}), "ttl_s": 20}
    )
    assert plan.changes[0].fields[0].field == "ttl_s"
    assert (await parts.store.resources()).pools[0].ttl_s == 60
    with pytest.raises(InvalidFields, match="cannot be changed"):
        await parts.resources.update(OWNER, "pools", "inbound", {"name": "other"})
    with pytest.raises(NotFound):
        await parts.resources.update(OWNER, "pools", "none", {})
    with pytest.raises(Conflict):
        await parts.resources.create(OWNER, "pools", {"name": "inbound"})


async def test_a_key_is_shown_once_and_the_same_that_is_stored(parts: Parts) -> None:
    plan = await parts.resources.create(
        somebody(personal_data=True), "api_keys", {"name": "k", "account": "acme", "scopes": ["admin"]}
    )
    (issued,) = plan.issued
    key: ApiKey = (await parts.store.resources()).api_keys[0]
    assert issued.secret.startswith(key.prefix)
    assert key.scopes == {Scope.ADMIN}
    from tieline.model.project import hash_secret

    assert hash_secret(issued.secret) == key.key_hash
    assert issued.secret not in repr(await parts.store.audit(AuditFilter()))


async def test_nobody_hands_out_what_they_may_not_see(parts: Parts) -> None:
    for scope in ("admin", "conversations:read"):
        with pytest.raises(Forbidden, match="personal_data"):
            await parts.resources.create(
                OWNER, "api_keys", {"name": "k", "account": "acme", "scopes": [scope]}
            )
    seer = somebody(personal_data=True)
    await parts.resources.create(seer, "api_keys", {"name": "k", "account": "acme", "scopes": ["admin"]})
    await parts.resources.create(
        OWNER, "api_keys", {"name": "r", "account": "acme", "scopes": ["dni:reserve"]}
    )
    with pytest.raises(Forbidden):
        await parts.resources.update(OWNER, "api_keys", "r", {"scopes": ["admin"]})
    await parts.resources.remove(OWNER, "api_keys", "k")


async def test_what_is_exported_can_be_applied(parts: Parts) -> None:
    text = await parts.resources.export(OWNER)
    assert "inbound" in text
    assert (await parts.resources.apply(OWNER, text)).changes == ()
    changed = text.replace("slug: acme", "slug: acme\n    name: Acme Ltd")
    assert len((await parts.resources.apply(COMMAND_LINE, changed, dry_run=True)).changes) == 1
    assert (await parts.store.resources()).accounts[0].name == ""
    await parts.resources.apply(COMMAND_LINE, changed)
    assert (await parts.store.resources()).accounts[0].name == "Acme Ltd"
    (entry,) = await parts.store.audit(AuditFilter())
    assert (entry.actor, entry.kind, entry.changes[0].after) == ("command line", "accounts", "Acme Ltd")
    with pytest.raises(ConfigurationError, match="fields:1"):
        await parts.resources.apply(OWNER, "pools: 1")
    assert "inbound" not in await parts.resources.export(TENANT)


OWN_FILE = """\
projects: [{slug: theirs, account: other, answer_only: true, numbers: [200], name: Changed}]
pools: [{name: mine, project: theirs, numbers: ["+15550300"]}]
trunks: [{name: mine, networks: 192.0.2.50, account: other}]
"""


async def test_a_tenant_applies_a_file_of_their_own(office: Office) -> None:
    before = await office.store.resources()
    plan = await office.resources.apply(TENANT, OWN_FILE, dry_run=True)
    told = [(one.kind, one.name, one.action) for one in plan.changes]
    assert told == [
        ("projects", "theirs", Action.UPDATE), ("pools", "mine", Action.CREATE), ("trunks", "mine", Action.CREATE),
    ]  # fmt: skip
    assert {one.account for one in plan.resources.projects} == {"ws-other"}
    assert await office.store.resources() == before
    await office.resources.apply(TENANT, OWN_FILE)
    after = await office.store.resources()
    assert [one.name for one in after.projects] == ["", "Changed"]
    assert after.projects[0] == before.projects[0]
    assert (after.pools[0], after.trunks[:3]) == (before.pools[0], before.trunks)
    assert {one.account for one in await office.store.audit(AuditFilter())} == {"ws-other"}
    assert (await office.resources.apply(TENANT, OWN_FILE)).changes == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("accounts: [{slug: acme}]", Conflict),
        ("accounts: [{slug: new}]", Forbidden),
        ("projects: [{slug: desk, account: acme, answer_only: true, numbers: [100]}]", Conflict),
        ("projects: [{slug: desk, account: other, answer_only: true}]", Conflict),
        ("projects: [{slug: theirs, account: acme, answer_only: true}]", Forbidden),
        ("projects: [{slug: new, account: acme, answer_only: true}]", Forbidden),
        ("projects: [{slug: new, account: other, id: PROJECT-desk, answer_only: true}]", ConfigurationError),
        ("projects: [{slug: theirs, account: other, path: /}]", Forbidden),
        ("projects: [{slug: new, account: other, path: ../..}]", Forbidden),
        ("projects: [{slug: new, account: other, path: /none/such/folder}]", Forbidden),
        ("pools: [{name: main, project: theirs, numbers: []}]", Conflict),
        ("pools: [{name: new, project: desk, numbers: []}]", Forbidden),
        ("pools: [{name: new, project: theirs, numbers: ['+15550100']}]", ConfigurationError),
        ("trunks: [{name: shared, networks: 192.0.2.3, target: shared.example.com}]", Forbidden),
        ("trunks: [{name: new, networks: 192.0.2.60}]", Forbidden),
        ("api_keys: [{name: new, account: acme, scopes: [chat]}]", Forbidden),
        ("api_keys: [{name: new, account: other, scopes: [admin]}]", Forbidden),
        ("api_keys: [{name: new, account: other, scopes: [chat], value_from_env: ENV}]", ConfigurationError),
        ("sip_tokens: [{name: new, project: desk}]", Forbidden),
        ("projects: [{slug: new, account: other, answer_only: true, secrets: {a: {value_from_env: ENV}}}]",
         ConfigurationError),
        ("a: &a {value_from_env: ENV}\nprojects: [{slug: new, account: other, answer_only: true, secrets: {a: *a}}]",
         ConfigurationError),
        ("webhooks: [{name: new, account: acme, url: 'https://a.example/'}]", Forbidden),
        ("- projects", ConfigurationError),
        ("nothing: []", ConfigurationError),
        ("projects: {", ConfigurationError),
    ],
)  # fmt: skip
async def test_a_file_about_anything_else_is_refused_whole(
    office: Office, text: str, error: type[Exception]
) -> None:
    before = await office.store.resources()
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            await office.resources.apply(TENANT, text, dry_run=dry_run)
        assert SECRET not in str(caught.value)
    assert await office.store.resources() == before
    assert await office.store.audit(AuditFilter()) == []


async def test_a_file_takes_the_rights_of_what_it_names(office: Office) -> None:
    builder = somebody(Role.BUILDER, "ws-other")
    assert (await office.resources.apply(builder, OWN_FILE)).changes
    token = "sip_tokens: [{name: new, project: theirs}]"
    with pytest.raises(Forbidden, match="secrets"):
        await office.resources.apply(builder, token)
    (issued,) = (await office.resources.apply(TENANT, token)).issued
    assert issued.name == "new"
    for who in (somebody(Role.OPERATOR, "ws-other"), somebody(Role.READ_ONLY, "ws-other")):
        with pytest.raises(Forbidden):
            await office.resources.apply(who, OWN_FILE)


async def test_a_projects_key_applies_what_is_the_projects(office: Office) -> None:
    key = Principal(
        kind=PrincipalKind.API_KEY, id="k", name="k", rights=RIGHTS[Role.OWNER], account="ws-acme",
        project="PROJECT-desk",
    )  # fmt: skip
    text = "pools: [{name: more, project: desk, numbers: ['+15550400']}]"
    assert [one.name for one in (await office.resources.apply(key, text)).changes] == ["more"]
    for text in (
        "trunks: [{name: five9, networks: 192.0.2.1, profile: genesys, account: acme}]",
        "projects: [{slug: new, account: acme, answer_only: true}]",
        "api_keys: [{name: new, account: acme, scopes: [chat]}]",
    ):
        with pytest.raises((Forbidden, Conflict)):
            await office.resources.apply(key, text)


async def test_what_a_file_does_not_name_is_removed_for_those_who_may_do_everything(office: Office) -> None:
    for who in (TENANT, somebody(Role.BUILDER, None)):
        with pytest.raises(Forbidden, match="everything"):
            await office.resources.apply(who, OWN_FILE, prune=True)


def test_rights_of_people() -> None:
    user = User(
        id="1", email="a@example.com", name="A", role=Role.OPERATOR, personal_data=True, created_at=T0
    )
    assert of_user(user).rights == {Right.LOOK, Right.OPERATE, Right.PERSONAL_DATA}
    off = User(id="1", email="a@example.com", name="A", role=Role.OWNER, created_at=T0, disabled=True)
    assert of_user(off).rights == frozenset()
    assert Right.PERSONAL_DATA not in RIGHTS[Role.OWNER]
    assert "sesame" not in repr(
        User(id="1", email="a", name="", role=Role.OWNER, created_at=T0, password_hash="sesame")
    )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("webhooks", {"name": "hook", "url": "https://example.com/", "secret": {"value_from_env": "SEALING_KEY"}}),
        ("api_keys", {"name": "key", "scopes": ["chat"], "value_from_env": "SEALING_KEY"}),
        ("projects", {"slug": "new", "answer_only": True, "secrets": {"a": {"value_from_env": "SEALING_KEY"}}}),
        ("trunks", {"name": "theirs", "networks": ["192.0.2.9/32"], "target": "sbc.example",
                    "username": "u", "password": {"value_from_env": "SEALING_KEY"}}),
    ],
)  # fmt: skip
async def test_the_servers_environment_is_for_those_who_may_do_everything(
    parts: Parts, kind: str, fields: dict[str, Any]
) -> None:
    """It holds the server's own secrets: a webhook's secret, for one, is shown to whoever makes it."""
    environ = {"SEALING_KEY": "a key of the server, of some length"}
    resources = ResourceAdmin(parts.store, parts.clock, parts.trail, ResourceRules(environ=environ))
    given = {"account": "acme", **fields}
    for who in (somebody(account="ws-acme"), somebody(Role.BUILDER)):
        with pytest.raises((InvalidFields, Forbidden)) as refused:
            await resources.create(who, kind, given)
        assert "a key of the server" not in str(refused.value)
    plan = await resources.create(somebody(), kind, given)
    assert [one.kind for one in plan.changes] == [kind]


async def test_what_is_said_of_handoffs_is_of_ones_own(office: Office) -> None:
    """A plan looks at all of them; its remarks name projects, destinations and trunks."""
    handoffs = [{"name": "way", "sip_config": {"method": "invite", "phone_number": "sip:a@b.example"},
                 "sip_headers": [{"key": "Note", "value": "x"}]}]  # fmt: skip
    plan = await office.resources.update(COMMAND_LINE, "projects", "desk", {"handoffs": handoffs})
    assert {one.project for one in plan.remarks} == {"desk"}
    stranger = somebody(Role.OWNER, "ws-other")
    plan = await office.resources.update(stranger, "projects", "theirs", {"name": "New"})
    assert plan.changes
    assert not plan.remarks


SHARING = """\
accounts: [{slug: acme}, {slug: other}]
projects:
  - {slug: desk, account: acme, answer_only: true, numbers: [100]}
  - {slug: back, account: acme, answer_only: true}
  - {slug: theirs, account: other, answer_only: true}
trunks: [{name: private, networks: 192.0.2.1, account: acme, auth_username: acme, auth_password: sesame},
  {name: common, networks: 192.0.2.2}]
pools: [{name: main, project: desk, numbers: ["+15550100-+15550109"]}]
"""


@pytest.mark.parametrize(
    ("kind", "fields", "field", "told"),
    [
        ("projects", {"slug": "mine", "answer_only": True, "numbers": ["100"]}, "numbers", "100 is taken"),
        ("pools", {"name": "mine", "project": "theirs", "numbers": ["+15550108-+15550112"]}, "numbers",
         "+15550108 (and 1 more) is taken"),
        ("projects", {"slug": "mine", "answer_only": True, "account": "acme", "numbers": ["100"]}, "numbers",
         "100 is taken"),
        ("projects", {"slug": "PROJECT-desk", "answer_only": True}, "slug", "PROJECT-desk is taken"),
        ("trunks", {"name": "mine", "networks": ["192.0.2.1"], "account": "other"}, "networks",
         "192.0.2.1/32 already belongs to another trunk"),
    ],
)  # fmt: skip
async def test_what_another_account_has_is_taken_and_no_more_is_said(
    kind: str, fields: dict[str, Any], field: str, told: str
) -> None:
    office = Office()
    await office.apply(SHARING)
    wanted = {"account": "other", **fields} if kind == "projects" else fields
    with pytest.raises(InvalidFields) as caught:
        await office.resources.create(TENANT, kind, wanted)
    assert [(one.field, one.message.partition(";")[0]) for one in caught.value.faults] == [(field, told)]


async def test_a_number_of_ones_own_account_names_the_project_that_has_it() -> None:
    office = Office()
    await office.apply(SHARING)
    builder = somebody(Role.BUILDER, "ws-acme")
    with pytest.raises(InvalidFields, match="100 already routes to desk"):
        await office.resources.update(builder, "projects", "back", {"numbers": ["100"]})
    with pytest.raises(InvalidFields, match=r"already routes to desk, and both take calls over common"):
        await office.resources.update(OWNER, "projects", "theirs", {"numbers": ["100"]})
