"""What Get Handoff would show with a draft, on a real conversation, beside what it shows now."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.admin.office import BUILDER, LOOKER, NOBODY, STRANGER, Office, somebody
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.exposure import ExposureAdmin
from tieline.admin.recent import RecentStates
from tieline.errors import NotFound
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffApi
from tieline.model.user import Role

TRUSTED = somebody(Role.BUILDER, personal_data=True)
STATE: dict[str, Any] = {
    "handoff_to": "sales",
    "amount": 12.5,
    "ssn": "123",
    "sid": "s-1",
    "vip": True,
    "none": None,
}
DRAFT = HandoffApi(state_keys=("amount", "never"), aliases={"amount": "total"}, shared_id_state_key="sid")


@pytest.fixture
async def exposure(office: Office) -> ExposureAdmin:
    await office.call("c1", state=STATE)
    await office.end("c1", {"method": "bye", "destination": "sales", "reason": "buy"}, handoff_to="sales")
    await office.call("c2", state={"items": [1], "more": {}}, shared_id="s-2")
    await office.call("c3", "theirs", state={"foreign": 1})
    return ExposureAdmin(office.resources, office.store, RecentStates(office.store))


async def test_the_draft_beside_what_is_answered_now(exposure: ExposureAdmin, office: Office) -> None:
    await office.turn("c1", {**STATE, "amount": 99}, 1, "end")
    found = await exposure.preview(TRUSTED, "desk", "c1", DRAFT)
    assert found.now == {"id": "c1", "data": {"handoff_to": "sales"}, "status": "ended_with_handoff"}
    assert found.drafted == {
        "id": "c1", "data": {"total": 12.5, "never": None}, "status": "ended_with_handoff", "shared_id": "s-1",
    }  # fmt: skip
    assert found.state == STATE
    default = await exposure.preview(TRUSTED, "desk", "c1", HandoffApi())
    assert default.drafted["data"] == {"handoff_to": "sales", "handoff_reason": "buy"}


async def test_a_call_that_is_up_has_no_answer_yet(exposure: ExposureAdmin) -> None:
    found = await exposure.preview(TRUSTED, "desk", "c2", HandoffApi(state_keys=("items",)))
    assert (found.status, found.now) == (OutcomeStatus.IN_PROGRESS, None)
    assert found.drafted["data"] == {"items": [1]}
    assert found.drafted["shared_id"] == "s-2"


async def test_without_the_right_there_are_kinds_and_no_values(exposure: ExposureAdmin) -> None:
    found = await exposure.preview(LOOKER, "desk", "c1", DRAFT)
    assert not found.with_values
    assert found.drafted["data"] == {"total": "(number)", "never": "(nothing)"}
    assert found.drafted["shared_id"] == "(text)"
    assert found.now is not None
    assert found.now["data"] == {"handoff_to": "(text)"}
    assert found.state["vip"] == "true or false"
    assert found.state["none"] == "nothing"
    assert "123" not in repr(found)


async def test_recent_conversations_and_their_keys(exposure: ExposureAdmin) -> None:
    assert [(one.id, one.status, one.caller) for one in await exposure.recent(LOOKER, "desk")] == [
        ("c2", OutcomeStatus.IN_PROGRESS, None), ("c1", OutcomeStatus.ENDED_WITH_HANDOFF, None),
    ]  # fmt: skip
    assert (await exposure.recent(TRUSTED, "desk"))[0].caller == "+15550109999"
    keys = await exposure.keys(LOOKER, "desk")
    assert keys["items"] == "list"
    assert keys["more"] == "mapping"
    assert keys["handoff_to"] == "text"
    assert keys["contained"] == ""
    assert "foreign" not in keys
    assert await exposure.address(LOOKER, "desk") == "/v1/acme/desk/handoff_state"


async def test_a_draft_is_saved_as_a_file_would_have_it(exposure: ExposureAdmin, office: Office) -> None:
    await exposure.save(BUILDER, "desk", DRAFT)
    assert await exposure.get(LOOKER, "desk") == DRAFT
    assert (await office.resources.fields(LOOKER, "projects", "desk"))["handoff_api"] == {
        "state_keys": ["amount", "never"], "aliases": {"amount": "total"}, "shared_id_state_key": "sid",
    }  # fmt: skip
    await exposure.save(BUILDER, "desk", HandoffApi(state_keys=()))
    assert (await exposure.get(LOOKER, "desk")).state_keys == ()
    await exposure.save(BUILDER, "desk", HandoffApi())
    assert "handoff_api" not in await office.resources.fields(LOOKER, "projects", "desk")


async def test_faults_are_told(exposure: ExposureAdmin) -> None:
    for draft, field in (
        (HandoffApi(state_keys=("a", "b"), aliases={"a": "b"}), "state_keys"),
        (HandoffApi(state_keys=("",)), "state_keys"),
        (HandoffApi(aliases={"contained": " "}), "state_keys"),
        (HandoffApi(shared_id_state_key=""), "shared_id_state_key"),
    ):
        for attempt in (exposure.save(BUILDER, "desk", draft), exposure.preview(LOOKER, "desk", "c1", draft)):
            with pytest.raises(InvalidFields) as refused:
                await attempt
            assert refused.value.of(field)


async def test_rights_and_accounts_are_kept(exposure: ExposureAdmin) -> None:
    with pytest.raises(Forbidden):
        await exposure.save(LOOKER, "desk", DRAFT)
    for nobody in (exposure.get(NOBODY, "desk"), exposure.preview(NOBODY, "desk", "c1", DRAFT)):
        with pytest.raises(Forbidden):
            await nobody
    for foreign in (
        exposure.get(STRANGER, "desk"),
        exposure.recent(STRANGER, "desk"),
        exposure.keys(STRANGER, "desk"),
        exposure.address(STRANGER, "desk"),
        exposure.preview(STRANGER, "desk", "c1", DRAFT),
        exposure.preview(BUILDER, "desk", "c3", DRAFT),
        exposure.preview(BUILDER, "desk", "none", DRAFT),
        exposure.save(STRANGER, "desk", DRAFT),
    ):
        with pytest.raises(NotFound):
            await foreign
