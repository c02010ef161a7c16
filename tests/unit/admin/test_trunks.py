"""Trunks: what is known of them, what is set, and what has to be entered at the other side."""

from __future__ import annotations

import pytest

from tests.unit.admin.office import BUILDER, LOOKER, NOBODY, OWNER, SECRET, STRANGER, Office, somebody
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.reach import Reach
from tieline.admin.trunks import TrunkAdmin, TrunkLive
from tieline.calls.trunk_watch import TrunkHealth, TrunkState
from tieline.config import Settings
from tieline.errors import Conflict, NotFound
from tieline.model.user import Role
from tieline.store.people import AuditFilter

REACH = Reach(sip={"udp": ("192.0.2.10", 5060), "tls": ("sip.example.com", 5070)})


@pytest.fixture
def trunks(office: Office) -> TrunkAdmin:
    health = {"genesys": TrunkHealth(TrunkState.DOWN, None, "192.0.2.2:5060 answered 503")}
    live = TrunkLive(health=lambda: health, calls=lambda name: 3 if name == "shared" else 0)
    return TrunkAdmin(office.resources, live, REACH, Settings())


async def test_trunks_are_listed_with_how_they_are(trunks: TrunkAdmin, office: Office) -> None:
    destination = {"name": "out", "sip_config": {
        "method": "invite", "phone_number": "100", "outbound_endpoint": "genesys", "outbound_encryption": "UDP/RTP",
    }}  # fmt: skip
    await office.resources.update(OWNER, "projects", "desk", {"handoffs": [destination]})
    found = {one.name: one for one in await trunks.trunks(OWNER)}
    assert found["genesys"].state is TrunkState.DOWN
    assert found["genesys"].detail.endswith("503")
    assert found["genesys"].uses == ("desk: out",)
    assert found["five9"].state is None
    assert (found["five9"].account, found["five9"].pools) == ("acme", ("main",))
    assert found["shared"].calls == 3


async def test_of_a_shared_trunk_a_tenant_sees_no_more_than_that_it_is_there(trunks: TrunkAdmin) -> None:
    (shared,) = await trunks.trunks(STRANGER)
    assert (shared.name, shared.calls, shared.changeable, shared.pools) == ("shared", None, False, ())
    with pytest.raises(NotFound):
        await trunks.trunk(STRANGER, "genesys")
    with pytest.raises(NotFound):
        await trunks.entries(STRANGER, "genesys")


async def test_secrets_go_in_and_never_out(trunks: TrunkAdmin, office: Office) -> None:
    fields, secrets = await trunks.fields(LOOKER, "genesys")
    assert secrets == {"password"}
    assert "password" not in fields
    assert SECRET not in repr(fields)
    await trunks.change(BUILDER, "genesys", {"max_calls": 20})
    trunk = next(one for one in (await office.store.resources()).trunks if one.name == "genesys")
    assert (trunk.password, trunk.max_calls) == (SECRET, 20)
    await trunks.change(BUILDER, "genesys", {"password": "something else"})
    entries = await office.store.audit(AuditFilter(kind="trunks", name="genesys"))
    assert [one.changes[0].after for one in entries] == ["(hidden)", "20"]
    await trunks.change(BUILDER, "genesys", {"password": None, "username": None, "max_calls": None})
    assert (await trunks.fields(LOOKER, "genesys"))[1] == frozenset()


async def test_what_to_enter_at_the_other_side(trunks: TrunkAdmin, office: Office) -> None:
    entries = {one.label: one for one in await trunks.entries(LOOKER, "five9")}
    assert [one.value for one in entries.values()] == [
        "sip:192.0.2.10;transport=udp", "sip:sip.example.com:5070;transport=tls", "20000-20999",
    ]  # fmt: skip
    assert entries["SIP address by UDP"].about
    await office.resources.create(OWNER, "sip_tokens", {"name": "live", "project": "desk"})
    await trunks.change(
        BUILDER,
        "five9",
        {
            "transport": "tls", "target": "192.0.2.1", "advertised_host": "2001:db8::1", "advertised_port": 5061,
            "auth_username": "five9", "auth_password": SECRET, "require_token": True, "token_header": "X-Token",
        },
    )  # fmt: skip
    found = [(one.label, one.value) for one in await trunks.entries(LOOKER, "five9")]
    assert found == [
        ("SIP address by TLS", "sip:[2001:db8::1];transport=tls"),
        ("SIP address by UDP", "sip:[2001:db8::1]:5061;transport=udp"),
        ("RTP ports by UDP", "20000-20999"),
        ("Header that chooses the project", "X-Token: <token>"),
        ("User name for digest authentication", "five9"),
    ]


async def test_a_tenants_trunk_is_the_tenants(trunks: TrunkAdmin) -> None:
    await trunks.create(
        BUILDER, {"name": "new", "networks": ["198.51.100.1"], "profile": "zoom", "target": None}
    )
    assert (await trunks.trunk(LOOKER, "new")).account == "acme"
    await trunks.create(OWNER, {"name": "all", "networks": ["198.51.100.2"]})
    assert (await trunks.trunk(LOOKER, "all")).account is None
    with pytest.raises(Conflict):
        await trunks.create(BUILDER, {"name": "new", "networks": ["198.51.100.3"]})


async def test_faults_name_their_fields(trunks: TrunkAdmin) -> None:
    for changes, field in (
        ({"networks": ["nonsense"]}, "networks[0]"),
        ({"networks": ["192.0.2.2"]}, "networks"),
        ({"profile": "fivenine"}, "profile"),
        ({"options_interval_s": 30}, "options_interval_s"),
        ({"auth_username": "x"}, "auth_username"),
        ({"password": "two\nlines"}, "password"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await trunks.change(BUILDER, "five9", changes)
        assert field in [one.field for one in refused.value.faults]


async def test_what_would_be_lost_is_said_before(trunks: TrunkAdmin, office: Office) -> None:
    destination = {"name": "out", "sip_config": {"method": "refer", "phone_number": "100"}, "fallback": []}
    await office.resources.update(OWNER, "projects", "desk", {"handoffs": [destination]})
    remarks = await trunks.remarks(OWNER, "shared", {"profile": "five9"})
    assert any("five9 refuses REFER" in one.message for one in remarks)
    assert (await trunks.trunk(LOOKER, "shared")).profile == "generic"


async def test_one_that_is_needed_stays(trunks: TrunkAdmin, office: Office) -> None:
    with pytest.raises(Conflict, match="the pool main names the trunk five9"):
        await trunks.remove(BUILDER, "five9")
    await office.resources.update(OWNER, "pools", "main", {"trunks": ["shared"]})
    destination = {"name": "out", "sip_config": {
        "method": "invite", "phone_number": "100", "outbound_endpoint": "genesys", "outbound_encryption": "UDP/RTP",
    }}  # fmt: skip
    await office.resources.update(OWNER, "projects", "desk", {"handoffs": [destination]})
    with pytest.raises(Conflict, match="desk: out"):
        await trunks.remove(BUILDER, "genesys")
    await trunks.remove(BUILDER, "five9")
    with pytest.raises(NotFound):
        await trunks.trunk(LOOKER, "five9")


async def test_rights_and_accounts_are_kept(trunks: TrunkAdmin) -> None:
    operator = somebody(Role.OPERATOR)
    for attempt in (
        trunks.create(operator, {"name": "x", "networks": ["198.51.100.1"]}),
        trunks.change(operator, "five9", {"max_calls": 1}),
        trunks.remove(operator, "genesys"),
        trunks.change(BUILDER, "shared", {"max_calls": 1}),
        trunks.remove(BUILDER, "shared"),
        trunks.create(BUILDER, {"name": "x", "networks": ["198.51.100.1"], "account": "other"}),
        trunks.trunks(NOBODY),
    ):
        with pytest.raises((Forbidden, Conflict)):
            await attempt
    with pytest.raises((NotFound, Conflict)):
        await trunks.change(STRANGER, "five9", {"max_calls": 1})


def test_profiles_say_what_they_forbid(trunks: TrunkAdmin) -> None:
    facts = {one.name: one for one in trunks.profiles()}
    assert "REFER is refused: hand over by INVITE or BYE" in facts["five9"].forbids
    assert "at most 10 custom headers get through" in facts["five9"].forbids
    assert facts["five9"].dialect["When REFER fails"] == "BYE"
    assert "the headers of a BYE are read by nobody" in facts["twilio"].forbids
    assert facts["twilio"].notes
    assert facts["zoom"].dialect["Caller from"] == "X-ZOOM-ORIGINAL-CALLING-NUMBER, From"
    assert trunks.profile("genesys") == facts["genesys"]
    with pytest.raises(NotFound):
        trunks.profile("none")


async def test_a_transport_that_is_off_is_said(trunks: TrunkAdmin) -> None:
    await trunks.change(BUILDER, "five9", {"transport": "tcp", "target": "192.0.2.1"})
    first = (await trunks.entries(LOOKER, "five9"))[0]
    assert first.about == "this profile expects TCP, which is off here"
