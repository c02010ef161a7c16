"""Destinations of a project: listed with where they come from, changed one at a time, checked before they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.admin.office import ACCOUNT_OWNER, BUILDER, LOOKER, NOBODY, OWNER, STRANGER, Office
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.handoffs import DestinationSource, HandoffAdmin
from tieline.admin.recent import RecentStates
from tieline.errors import Conflict, NotFound
from tieline.handoff.check import CheckLevel
from tieline.model.handoff import HandoffMethod
from tieline.store.people import AuditFilter

BILLING: dict[str, Any] = {
    "name": "billing",
    "sip_config": {"method": "refer", "phone_number": "+15550123"},
    "sip_headers": [{"key": "X-Reason", "value": "$reason"}],
    "fallback": ["bye"],
}
SALES: dict[str, Any] = {
    "name": "sales",
    "sip_config": {"method": "refer", "phone_number": "200"},
    "fallback": [{"destination": "billing"}],
}
FOLDER = """\
handoffs:
  - {name: front desk, is_default: true, sip_config: {method: bye}}
  - {name: nights, sip_config: {method: bye}}
"""


@pytest.fixture
def handoffs(office: Office) -> HandoffAdmin:
    return HandoffAdmin(office.resources, RecentStates(office.store))


@pytest.fixture
async def agent(office: Office, tmp_path: Path) -> HandoffAdmin:
    """The project desk with an agent's folder that has two destinations."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/handoffs.yaml").write_text(FOLDER)
    await office.apply(
        f"accounts: [{{slug: acme}}]\nprojects: [{{slug: desk, account: acme, path: {tmp_path}, numbers: [100]}}]\n"
    )
    return HandoffAdmin(office.resources, RecentStates(office.store))


async def show(handoffs: HandoffAdmin) -> dict[str, bool]:
    """The destinations, each with whether it is the default."""
    return {
        one.destination.name: one.destination.is_default
        for one in await handoffs.destinations(LOOKER, "desk")
    }


async def test_the_first_one_becomes_the_default(handoffs: HandoffAdmin) -> None:
    assert await handoffs.destinations(LOOKER, "desk") == []
    await handoffs.add(BUILDER, "desk", BILLING)
    await handoffs.add(BUILDER, "desk", SALES)
    assert await show(handoffs) == {"billing": True, "sales": False}
    billing = await handoffs.get(LOOKER, "desk", "billing")
    assert billing.source is DestinationSource.RESOURCES
    assert billing.destination.sip_headers[0].key == "X-Reason"
    assert any("five9 refuses REFER" in one.message for one in billing.remarks)


async def test_exactly_one_is_the_default(handoffs: HandoffAdmin, office: Office) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    await handoffs.add(BUILDER, "desk", SALES)
    await handoffs.set_default(BUILDER, "desk", "sales")
    assert await show(handoffs) == {"billing": False, "sales": True}
    await handoffs.add(
        BUILDER, "desk", {"name": "third", "is_default": True, "sip_config": {"method": "bye"}}
    )
    assert await show(handoffs) == {"billing": False, "sales": False, "third": True}
    await handoffs.remove(BUILDER, "desk", "third")
    assert await show(handoffs) == {"billing": True, "sales": False}
    (newest, *_) = await office.store.audit(AuditFilter(kind="projects"))
    assert (newest.actor, newest.action, newest.name, newest.account) == (
        BUILDER.name, "update", "desk", "ws-acme",
    )  # fmt: skip


async def test_a_copy_gets_a_name_of_its_own(handoffs: HandoffAdmin) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    assert await handoffs.duplicate(BUILDER, "desk", "billing") == "billing copy"
    assert await handoffs.duplicate(BUILDER, "desk", "billing") == "billing copy 2"
    assert await show(handoffs) == {"billing": True, "billing copy": False, "billing copy 2": False}
    copy = (await handoffs.get(LOOKER, "desk", "billing copy")).destination
    assert (copy.sip_config.phone_number, len(copy.sip_headers)) == ("+15550123", 1)


async def test_a_new_name_is_taken_over_by_whatever_names_it(handoffs: HandoffAdmin, office: Office) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    await handoffs.add(BUILDER, "desk", SALES)
    await office.resources.update(OWNER, "projects", "desk", {"fallback_handoff": "billing"})
    await handoffs.change(BUILDER, "desk", "billing", {**BILLING, "name": "bills", "is_default": True})
    sales = (await handoffs.get(LOOKER, "desk", "sales")).destination
    assert [rung.destination for rung in sales.fallback or ()] == ["bills"]
    assert (await office.resources.fields(OWNER, "projects", "desk"))["fallback_handoff"] == "bills"
    with pytest.raises(InvalidFields, match="already") as refused:
        await handoffs.change(BUILDER, "desk", "bills", {**BILLING, "name": "sales"})
    assert refused.value.of("name")


async def test_one_that_is_needed_stays(handoffs: HandoffAdmin, office: Office) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    await handoffs.add(BUILDER, "desk", SALES)
    with pytest.raises(Conflict, match="the fall-back of sales leads to 'billing'"):
        await handoffs.remove(BUILDER, "desk", "billing")
    await handoffs.change(BUILDER, "desk", "sales", {**SALES, "fallback": []})
    await office.resources.update(OWNER, "projects", "desk", {"fallback_handoff": "billing"})
    with pytest.raises(Conflict, match="fallback_handoff"):
        await handoffs.remove(BUILDER, "desk", "billing")


async def test_faults_are_placed_within_the_destination(handoffs: HandoffAdmin) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    bad = {
        "name": "x",
        "sip_config": {"method": "invite", "ring_timeout_s": 0},
        "sip_headers": [{"key": "Via", "value": "x\r\nEvil: 1"}],
    }
    with pytest.raises(InvalidFields) as refused:
        await handoffs.add(BUILDER, "desk", bad)
    assert {one.field for one in refused.value.faults} == {
        "sip_config.ring_timeout_s",
        "sip_headers[0].value",
    }
    with pytest.raises(InvalidFields, match="known are five9, genesys, shared"):
        await handoffs.add(
            BUILDER,
            "desk",
            {**BILLING, "name": "y", "sip_config": {"method": "invite", "outbound_endpoint": "no"}},
        )
    with pytest.raises(InvalidFields) as foreign:
        await handoffs.add(
            STRANGER, "theirs", {"name": "y", "sip_config": {"method": "invite", "outbound_endpoint": "five"}}
        )
    assert "five9" not in foreign.value.message
    with pytest.raises(InvalidFields, match="already"):
        await handoffs.add(BUILDER, "desk", BILLING)


async def test_a_draft_is_checked_before_it_is_saved(handoffs: HandoffAdmin, office: Office) -> None:
    draft = {**BILLING, "name": "", "fallback": [], "sip_headers": [
        {"key": "Reasoned", "value": "x"}, {"key": "", "value": ""}, {"key": "Via", "value": "1"},
    ]}  # fmt: skip
    found = await handoffs.check(LOOKER, "desk", draft)
    assert {one.field for one in found.faults} == {"name", "sip_headers[1].key", "sip_headers[2].key"}
    said = {(one.level, one.message): one for one in found.remarks}
    refused = said[CheckLevel.ERROR, "five9 refuses REFER"]
    assert (refused.trunks, refused.fix, refused.hopeless) == (
        ("five9",),
        "take the method invite or bye",
        False,
    )
    assert said[CheckLevel.WARNING, "Reasoned does not begin with X-, and may get lost on the way"].fix
    assert not found.hopeless
    assert handoffs.wants_prefix("Reasoned")
    assert not any(handoffs.wants_prefix(name) for name in ("", "X-One", "x-one", "User-to-User"))
    assert await handoffs.destinations(LOOKER, "desk") == []


async def test_a_draft_takes_the_place_of_what_it_replaces(handoffs: HandoffAdmin) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    assert (await handoffs.check(LOOKER, "desk", BILLING)).faults[0].field == "name"
    assert not (await handoffs.check(LOOKER, "desk", BILLING, replaces="billing")).faults
    broken = {**BILLING, "name": "x", "sip_config": {"method": "shout"}}
    found = await handoffs.check(LOOKER, "desk", broken)
    assert [one.field for one in found.faults] == ["sip_config.method"]
    assert found.remarks == ()


async def test_what_no_caller_could_use_is_hopeless(handoffs: HandoffAdmin, office: Office) -> None:
    await office.resources.remove(OWNER, "trunks", "genesys")
    await office.resources.update(OWNER, "projects", "desk", {"numbers": None})
    await office.resources.update(OWNER, "pools", "main", {"trunks": ["five9"]})
    draft = {**BILLING, "fallback": []}
    assert (await handoffs.check(LOOKER, "desk", draft)).hopeless
    with pytest.raises(InvalidFields, match="five9 refuses REFER"):
        await handoffs.add(BUILDER, "desk", draft)


async def test_without_a_trunk_the_headers_alone_are_checked(handoffs: HandoffAdmin, office: Office) -> None:
    await office.resources.update(OWNER, "pools", "main", {"trunks": None})
    for trunk in ("five9", "genesys", "shared"):
        await office.resources.remove(OWNER, "trunks", trunk)
    draft = {**BILLING, "sip_headers": [{"key": "Plain", "value": "x"}]}
    said = [one.message for one in (await handoffs.check(LOOKER, "desk", draft)).remarks]
    assert said == [
        "Plain does not begin with X-, and may get lost on the way",
        "no trunk leads to this project yet, so nothing more can be said",
    ]


async def test_what_is_in_the_folder_is_laid_over_and_never_written(agent: HandoffAdmin) -> None:
    assert await show(agent) == {"front desk": True, "nights": False}
    assert (await agent.get(LOOKER, "desk", "nights")).source is DestinationSource.FOLDER
    with pytest.raises(Conflict, match="agent's folder"):
        await agent.remove(BUILDER, "desk", "nights")
    with pytest.raises(InvalidFields, match="folder"):
        await agent.change(BUILDER, "desk", "nights", {**BILLING, "name": "days"})
    with pytest.raises(InvalidFields, match="already"):
        await agent.add(BUILDER, "desk", {**BILLING, "name": "nights"})
    laid = {**BILLING, "name": "nights", "description": "after six"}
    await agent.change(BUILDER, "desk", "nights", laid)
    nights = await agent.get(LOOKER, "desk", "nights")
    assert nights.source is DestinationSource.LAID_OVER
    assert nights.folder is not None
    assert nights.folder.sip_config.method is HandoffMethod.BYE
    assert set(nights.differs) == {"description", "sip_headers", "fallback", "method", "phone_number"}
    assert await show(agent) == {"front desk": True, "nights": False}
    await agent.set_default(BUILDER, "desk", "nights")
    assert await show(agent) == {"front desk": False, "nights": True}
    assert (await agent.get(LOOKER, "desk", "nights")).destination.description == "after six"
    await agent.remove(BUILDER, "desk", "nights")
    assert (await agent.get(LOOKER, "desk", "nights")).source is DestinationSource.FOLDER
    assert await show(agent) == {"front desk": True, "nights": False}


async def test_a_new_one_leaves_the_folders_default_alone(agent: HandoffAdmin) -> None:
    await agent.add(BUILDER, "desk", BILLING)
    assert await show(agent) == {"front desk": True, "nights": False, "billing": False}
    await agent.set_default(BUILDER, "desk", "nights")
    assert await show(agent) == {"front desk": False, "nights": True, "billing": False}


async def test_variables_are_those_of_calls_and_of_states(handoffs: HandoffAdmin, office: Office) -> None:
    await office.resources.update(
        OWNER, "projects", "desk", {"handoff_api": {"state_keys": ["plan"], "shared_id_state_key": "sid"}}
    )
    await office.call("c1", state={"reason": "x", "not a name": 1})
    await office.call("c2", state={"reason": None, "amount": 3})
    await office.call("c3", "theirs", state={"foreign": 1})
    found = {one.name: one.about for one in await handoffs.variables(LOOKER, "desk")}
    assert found == {
        "callee_number": "every call", "caller_number": "every call", "conversation_id": "every call",
        "shared_id": "every call", "plan": "Handoff API", "sid": "Handoff API", "amount": "recent calls",
        "reason": "recent calls",
    }  # fmt: skip


async def test_rights_and_accounts_are_kept(handoffs: HandoffAdmin) -> None:
    await handoffs.add(BUILDER, "desk", BILLING)
    for attempt in (
        handoffs.add(LOOKER, "desk", SALES),
        handoffs.change(LOOKER, "desk", "billing", BILLING),
        handoffs.duplicate(LOOKER, "desk", "billing"),
        handoffs.set_default(LOOKER, "desk", "billing"),
        handoffs.remove(LOOKER, "desk", "billing"),
        handoffs.destinations(NOBODY, "desk"),
        handoffs.check(NOBODY, "desk", BILLING),
        handoffs.variables(NOBODY, "desk"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    for foreign in (
        handoffs.destinations(STRANGER, "desk"),
        handoffs.check(STRANGER, "desk", BILLING),
        handoffs.variables(STRANGER, "desk"),
        handoffs.add(STRANGER, "desk", SALES),
        handoffs.change(STRANGER, "desk", "billing", BILLING),
        handoffs.set_default(STRANGER, "desk", "billing"),
        handoffs.remove(STRANGER, "desk", "billing"),
        handoffs.get(ACCOUNT_OWNER, "desk", "nobody"),
    ):
        with pytest.raises(NotFound):
            await foreign
