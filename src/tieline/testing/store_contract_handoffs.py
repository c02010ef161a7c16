"""What every store must do with handoffs that take several attempts, as tests to inherit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tieline.errors import NotFound
from tieline.model.call import CallState
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Retry, Step
from tieline.store.base import ConversationFilter, Store
from tieline.testing.store_contract_conversations import closed, look, opened, outcome, turn
from tieline.testing.store_samples import T0, after

CALL = "conversation-c1"


def step(word: Step = Step.REQUESTED, at: float = 1.0, **fields: Any) -> ReceiptStep:
    """One step of a receipt."""
    known: dict[str, Any] = {
        "step": word, "at": after(at), "rung": 0, "method": HandoffMethod.REFER, "destination": "sales",
    }  # fmt: skip
    return ReceiptStep(**(known | fields))


class HandoffContract:
    """Outcomes that are revised or withdrawn, receipts, and the legs that handoffs make."""

    async def test_the_highest_revision_of_an_outcome_stands(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.save_outcome(outcome())
        await store.save_outcome(outcome(data={"handoff_to": "second"}, revision=2, shared_id="5678"))
        await store.save_outcome(outcome(data={"handoff_to": "first"}, revision=1))
        await store.save_outcome(outcome(data={"handoff_to": "again"}, revision=2))
        found = await look(store, conversation_id=CALL)
        assert found.state is not None
        assert (found.state.data, found.state.shared_id) == ({"handoff_to": "second"}, "5678")
        await store.close_conversation(closed())
        await store.save_outcome(outcome(data={"handoff_to": "late"}, revision=9))
        found = await look(store, shared_id="5678")
        assert found.state is not None
        assert found.state.data == {"handoff_to": "second"}

    async def test_a_withdrawn_outcome_leaves_the_call_going_on(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.mark_answered(CALL, after(1))
        await store.save_turn(CALL, turn(0))
        for _ in range(2):
            await store.save_outcome(outcome())
            assert (await look(store, conversation_id=CALL)).status is OutcomeStatus.ENDED_WITH_HANDOFF
            await store.withdraw_outcome(CALL, after(2))
            assert (await look(store, conversation_id=CALL)).status is OutcomeStatus.IN_PROGRESS
            found = await store.conversation(CALL)
            assert found is not None
            assert (found.state, found.outcome) == (CallState.TALKING, None)
        assert list(await store.calls_up()) == [CALL]
        await store.close_conversation(closed())
        found_state = await look(store, conversation_id=CALL)
        assert found_state.status is OutcomeStatus.ENDED_WITHOUT_HANDOFF

    async def test_nothing_is_withdrawn_from_a_call_that_is_closed(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.save_outcome(outcome())
        await store.close_conversation(closed())
        await store.withdraw_outcome(CALL, after(2))
        assert (await look(store, conversation_id=CALL)).status is OutcomeStatus.ENDED_WITH_HANDOFF

    async def test_receipts_grow_with_their_steps(self, store: Store) -> None:
        await store.open_conversation(opened())
        first = Receipt(steps=(step(),))
        await store.save_receipt(CALL, 0, first)
        failed = step(
            Step.FAILED, 2.0, status=403, evidence="SIP/2.0 403 Forbidden", failure=HandoffFailure.FORBIDDEN,
            retry=Retry.OTHER_METHOD, detail="the peer refuses REFER",
        )  # fmt: skip
        whole = msgspec.structs.replace(first, state=ReceiptState.FAILED, steps=(*first.steps, failed))
        await store.save_receipt(CALL, 0, whole)
        await store.save_receipt(CALL, 1, Receipt(state=ReceiptState.DONE))
        await store.close_conversation(closed())
        late = Receipt(state=ReceiptState.DONE, steps=(step(Step.DONE, 99.0),))
        await store.save_receipt(CALL, 1, late)
        found = await store.conversation(CALL)
        assert found is not None
        assert found.receipts == (whole, late)
        listed = await store.conversations(ConversationFilter())
        assert [one.receipts for one in listed] == [()]

    async def test_a_call_is_found_by_any_of_its_legs(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.open_conversation(opened("conversation-c2"))
        for _ in range(2):
            await store.note_leg(CALL, "second@tieline")
        await store.note_leg(CALL, "odd\udce9@tieline")
        for sip_call_id in ("sip-conversation-c1", "second@tieline"):
            found = await store.conversations(ConversationFilter(sip_call_id=sip_call_id))
            assert [one.opened.id for one in found] == [CALL]
        whole = await store.conversation(CALL)
        assert whole is not None
        assert (len(whole.further_call_ids), "second@tieline" in whole.further_call_ids) == (2, True)

    async def test_handoffs_of_an_unknown_conversation_are_not_found(self, store: Store) -> None:
        for write in (
            store.withdraw_outcome("none", T0),
            store.save_receipt("none", 0, Receipt()),
            store.note_leg("none", "s"),
        ):
            with pytest.raises(NotFound):
                await write

    async def test_receipts_and_legs_go_with_their_conversation(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.save_receipt(CALL, 0, Receipt())
        await store.note_leg(CALL, "second")
        await store.close_conversation(closed(ended_at=after(1)))
        assert (await store.prune(after(99), keep_s=10.0, keep_keys_s=10.0)).conversations == 1
        await store.open_conversation(opened(at=T0))
        again = await store.conversation(CALL)
        assert again is not None
        assert (again.receipts, again.further_call_ids) == ((), ())
