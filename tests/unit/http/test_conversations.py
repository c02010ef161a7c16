"""Conversations read back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.http.world import ACCOUNT_KEY, READ_KEY, RESERVE_KEY, World
from tieline.model.call import Termination, TerminationReason
from tieline.model.conversation import ConversationClosed, Turn
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Retry, Step

PATH = "/v1/acme/desk/conversations"


async def test_one_whole_conversation(world: World) -> None:
    await world.call("c1", shared_id="s1", attributes_json='{"a":1}')
    turn = Turn(
        index=0, at=world.clock.utc(), channel="DTMF", user_input=None, utterance="Hello", logs=(),
        function_runs=({"name": "start_function", "duration_ms": 1.5, "error": None},), state_json="{}",
    )  # fmt: skip
    await world.store.save_turn("c1", turn)
    before = (await world.get(f"{PATH}/c1")).json()
    assert (before["status"], before["termination"], before["data"]) == ("in_progress", None, None)
    await world.end("c1", handed_off=True, shared_id="s1", reason="billing")
    closed = ConversationClosed(
        conversation_id="c1", termination=Termination.of(TerminationReason.HANDED_OFF, "bye"),
        answered_at=world.clock.utc(), ended_at=world.clock.utc() + timedelta(seconds=9), ladder=(), media=None,
        metrics=(), peer_bye_headers={},
    )  # fmt: skip
    await world.store.close_conversation(closed)
    found = (await world.get(f"{PATH}/c1")).json()
    assert found["attributes"] == {"a": 1}
    assert found["turns"][0]["utterance"] == "Hello"
    assert found["turns"][0]["user_input"] is None
    assert found["termination"] == {"fault": "agent", "reason": "handed_off", "detail": "bye"}
    assert found["data"] == {"reason": "billing"}
    assert found["handoff"] == {"method": "bye"}
    assert found["receipt"] is None
    assert (found["receipts"], found["further_sip_call_ids"], found["media"]) == ([], [], None)
    assert found["status"] == "ended_with_handoff"
    assert found["shared_id"] == "s1"
    assert found["rules"][0]["rule"] == "number"


async def test_the_receipts_of_handoffs_and_the_legs_they_made(world: World) -> None:
    await world.call("c1")
    step = ReceiptStep(
        step=Step.FAILED, at=world.clock.utc(), rung=0, method=HandoffMethod.REFER, destination="far", status=403,
        evidence="403 Forbidden", failure=HandoffFailure.FORBIDDEN, retry=Retry.FIX_SETTINGS,
    )  # fmt: skip
    await world.store.save_receipt("c1", 0, Receipt(state=ReceiptState.FAILED, steps=(step,)))
    await world.store.save_receipt("c1", 1, Receipt())
    await world.store.note_leg("c1", "second@tieline")
    found = (await world.get(f"{PATH}/c1")).json()
    assert found["receipt"] == {"state": "under_way", "steps": []}
    (told,) = found["receipts"][0]["steps"]
    assert (told["step"], told["status"], told["failure"], told["retry"]) == (
        "failed", 403, "forbidden", "fix_settings",
    )  # fmt: skip
    assert found["further_sip_call_ids"] == ["second@tieline"]
    listed = (await world.get(PATH, sip_call_id="second@tieline")).json()["conversations"]
    assert [one["id"] for one in listed] == ["c1"]
    assert (await world.get(PATH, sip_call_id="none")).json()["conversations"] == []


async def test_list(world: World) -> None:
    for name in ("c1", "c2", "c3"):
        await world.call(name, shared_id=f"s-{name}")
        world.clock.advance(10)
    await world.end("c1", handed_off=False)
    found = (await world.get(PATH)).json()["conversations"]
    assert [one["id"] for one in found] == ["c3", "c2", "c1"]
    assert [one["status"] for one in found] == ["in_progress", "in_progress", "ended_without_handoff"]
    assert [one["id"] for one in (await world.get(PATH, shared_id="s-c2")).json()["conversations"]] == ["c2"]
    assert [one["id"] for one in (await world.get(PATH, limit=1)).json()["conversations"]] == ["c3"]
    before = (await world.get(PATH, before="2030-01-01T12:00:05Z")).json()["conversations"]
    assert [one["id"] for one in before] == ["c1"]


@pytest.mark.parametrize(
    "query", [{"before": "yesterday"}, {"before": "2030-01-01T00:00:00"}, {"limit": "201"}]
)
async def test_bad_queries(world: World, query: dict[str, str]) -> None:
    response = await world.get(PATH, **query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")


async def test_only_the_projects_own(world: World) -> None:
    await world.call("c1", project="PROJECT-2")
    assert (await world.get(f"{PATH}/c1")).status_code == 404
    assert (await world.get(f"{PATH}/none")).json()["code"] == "unknown"
    assert (await world.get(PATH)).json() == {"conversations": []}
    assert (await world.get("/v1/acme/shop/conversations/c1", ACCOUNT_KEY)).status_code == 200
    assert (await world.get("/v1/acme/shop/conversations", READ_KEY)).status_code == 403
    assert (await world.get(PATH, RESERVE_KEY)).status_code == 403
