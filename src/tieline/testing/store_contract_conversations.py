"""What every store must do with conversations, outcomes and refused calls, as tests to inherit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from tieline.errors import NotFound
from tieline.model.call import CallState, Termination, TerminationReason
from tieline.model.conversation import (
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
    RefusedCall,
    Turn,
)
from tieline.model.pool import NumberState
from tieline.model.reservation import ReservationState
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.store.base import ConversationFilter, HandoffLookup, RefusalFilter, Store
from tieline.store.records import KEPT_REFUSALS
from tieline.testing.store_samples import T0, after, answer, ask, give_pool, invite, only_number, pool


def opened(conversation_id: str = "conversation-c1", at: datetime = T0, **fields: Any) -> ConversationOpened:
    """The start of a call."""
    known: dict[str, Any] = {
        "id": conversation_id,
        "account": "a",
        "project": "x",
        "env": "live",
        "channel_type": "sip.polyai",
        "trunk": "carrier",
        "sip_call_id": f"sip-{conversation_id}",
        "from_tag": "t",
        "caller_number": "+15550109999",
        "callee_number": "+15550100000",
        "reservation_id": None,
        "shared_id": "1234",
        "attributes_json": "{}",
        "sip_headers": {"X-One": "1"},
        "rules": ({"rule": "trunk", "held": True},),
        "late": False,
        "started_at": at,
    }
    return ConversationOpened(**(known | fields))


def turn(index: int) -> Turn:
    """One exchange."""
    return Turn(
        index=index,
        at=after(index),
        channel="dtmf",
        user_input="1",
        utterance=f"turn {index}",
        function_runs=({"name": "f", "ms": 1.5},),
        logs=(),
        state_json="{}",
    )


def outcome(conversation_id: str = "conversation-c1", **fields: Any) -> Outcome:
    """What a call achieved."""
    known: dict[str, Any] = {
        "conversation_id": conversation_id,
        "shared_id": None,
        "handed_off": True,
        "data": {"handoff_to": "sales"},
        "handoff": {"method": "bye"},
        "saved_at": after(9),
    }
    return Outcome(**(known | fields))


def closed(conversation_id: str = "conversation-c1", **fields: Any) -> ConversationClosed:
    """How a call ended."""
    known: dict[str, Any] = {
        "conversation_id": conversation_id,
        "termination": Termination.of(TerminationReason.CALLER_HUNG_UP),
        "answered_at": after(2),
        "ended_at": after(10),
        "ladder": ({"at": 0.0, "text": "INVITE"},),
        "media": {"packets": 3},
        "metrics": (),
        "peer_bye_headers": {"Reason": "Q.850"},
    }
    return ConversationClosed(**(known | fields))


def refused(at: float, source: str = "192.0.2.1", **fields: Any) -> RefusedCall:
    """A refused call."""
    refusal = Refusal(
        status=403,
        phrase="Forbidden",
        reason=RefusalReason.UNKNOWN_TRUNK,
        rules=(RuleResult(rule="trunk", held=False, detail=source),),
    )
    known: dict[str, Any] = {
        "id": f"r{at}",
        "at": after(at),
        "source": source,
        "trunk": None,
        "sip_call_id": "s",
        "caller": "a",
        "callee": "b",
        "refusal": refusal,
    }
    return RefusedCall(**(known | fields))


async def look(store: Store, **key: str | None) -> HandoffLookup:
    """Ask Get Handoff's question."""
    return await store.handoff_state("a", "x", **({"conversation_id": None, "shared_id": None} | key))


class ConversationContract:
    """Calls from INVITE to outcome."""

    async def test_a_call_is_kept_whole(self, store: Store) -> None:
        await store.open_conversation(opened())
        states = []
        for write in (
            store.mark_answered("conversation-c1", after(2)),
            store.save_turn("conversation-c1", turn(1)),
            store.save_turn("conversation-c1", turn(0)),
            store.save_outcome(outcome()),
            store.close_conversation(closed()),
        ):
            await write
            written = await store.conversation("conversation-c1")
            assert written is not None
            states.append(written.state)
        found = await store.conversation("conversation-c1")
        assert found is not None
        talking = CallState.TALKING
        assert states == [CallState.ANSWERED, talking, talking, CallState.HANDING_OFF, CallState.ENDED]
        assert (found.opened, found.turns) == (opened(), (turn(0), turn(1)))
        assert (found.outcome, found.closed) == (outcome(), closed())
        assert await store.conversation("none") is None

    async def test_the_first_of_each_write_stands(self, store: Store) -> None:
        for _ in range(2):
            await store.open_conversation(opened())
        await store.save_outcome(outcome())
        await store.save_outcome(outcome(data={"handoff_to": "nobody"}))
        await store.close_conversation(closed())
        await store.close_conversation(closed(ended_at=after(99)))
        await store.mark_answered("conversation-c1", after(3))
        await store.mark_answered("conversation-c1", after(4))
        found = await store.conversation("conversation-c1")
        assert found is not None
        assert (found.outcome, found.closed, found.state) == (outcome(), closed(), CallState.ENDED)

    async def test_a_turn_saved_again_is_replaced(self, store: Store) -> None:
        await store.open_conversation(opened())
        await store.save_turn("conversation-c1", turn(0))
        longer = msgspec.structs.replace(turn(0), utterance="another")
        await store.save_turn("conversation-c1", longer)
        found = await store.conversation("conversation-c1")
        assert found is not None
        assert found.turns == (longer,)

    async def test_the_dialogs_of_a_call_are_kept_while_it_is_up(self, store: Store) -> None:
        for name in ("conversation-c1", "conversation-c2", "conversation-c3"):
            await store.open_conversation(opened(name))
        await store.mark_answered("conversation-c1", after(2), ["caller"])
        await store.mark_answered("conversation-c1", after(3))
        assert [list(dialogs) for _, dialogs in await store.dialogs_up()] == [["caller"]]
        await store.keep_dialogs("conversation-c1", ["caller", "callee"])
        await store.keep_dialogs("conversation-c2", ["alone"])
        found = {name: list(dialogs) for name, dialogs in await store.dialogs_up()}
        assert found == {"conversation-c1": ["caller", "callee"], "conversation-c2": ["alone"]}
        await store.keep_dialogs("conversation-c2", [])
        await store.close_conversation(closed())
        assert list(await store.dialogs_up()) == []

    async def test_writes_to_an_unknown_conversation_are_not_found(self, store: Store) -> None:
        for write in (
            store.mark_answered("none", T0),
            store.keep_dialogs("none", ["x"]),
            store.save_turn("none", turn(0)),
            store.save_outcome(outcome("none")),
            store.close_conversation(closed("none")),
        ):
            with pytest.raises(NotFound):
                await write

    async def test_bytes_in_no_known_encoding_are_kept_readable(self, store: Store) -> None:
        odd = "caf\udce9"
        await store.open_conversation(opened(sip_call_id=odd, sip_headers={"X-Odd": odd}, shared_id=odd))
        await store.save_outcome(outcome(data={"place": odd}))
        await store.close_conversation(closed(ladder=({"text": odd},)))
        found = await look(store, shared_id=odd)
        assert found.status is OutcomeStatus.ENDED_WITH_HANDOFF
        kept = await store.conversation("conversation-c1")
        assert kept is not None
        assert kept.opened.sip_headers["X-Odd"].startswith("caf")

    async def test_the_four_answers_of_get_handoff(self, store: Store) -> None:
        assert (await look(store, conversation_id="conversation-c1")).status is OutcomeStatus.UNKNOWN
        await store.open_conversation(opened())
        assert (await look(store, conversation_id="conversation-c1")).status is OutcomeStatus.IN_PROGRESS
        await store.save_outcome(outcome())
        found = await look(store, conversation_id="conversation-c1")
        assert found.status is OutcomeStatus.ENDED_WITH_HANDOFF
        assert found.state is not None
        assert (found.state.data, found.state.shared_id) == ({"handoff_to": "sales"}, "1234")
        await store.open_conversation(opened("conversation-c2", shared_id=None))
        await store.close_conversation(closed("conversation-c2"))
        found = await look(store, conversation_id="conversation-c2")
        assert found.status is OutcomeStatus.ENDED_WITHOUT_HANDOFF
        assert found.state is not None
        assert (found.state.data, found.state.shared_id) == ({}, None)
        foreign = await store.handoff_state("b", "x", conversation_id="conversation-c1", shared_id=None)
        assert foreign.status is OutcomeStatus.UNKNOWN

    async def test_the_shared_id_wins_and_finds_the_newest_call(self, store: Store) -> None:
        for index in range(3):
            await store.open_conversation(opened(f"conversation-c{index}", after(index)))
        await store.open_conversation(opened("conversation-other", after(50), project="y"))
        found = await look(store, conversation_id="conversation-c0", shared_id="1234")
        assert found.conversation_id == "conversation-c2"
        await store.save_outcome(outcome("conversation-c0", shared_id="5678"))
        assert (await look(store, shared_id="5678")).conversation_id == "conversation-c0"
        assert (await look(store, shared_id="none")).status is OutcomeStatus.UNKNOWN

    async def test_lists_are_filtered_and_newest_first(self, store: Store) -> None:
        for index in range(4):
            project = "x" if index else "y"
            await store.open_conversation(opened(f"conversation-c{index}", after(index), project=project))
        await store.close_conversation(closed("conversation-c2"))

        async def ids(**wanted: Any) -> list[str]:
            found = await store.conversations(ConversationFilter(**wanted))
            return [one.opened.id[-2:] for one in found]

        assert await ids() == ["c3", "c2", "c1", "c0"]
        assert await ids(account="a", project="x", limit=2) == ["c3", "c2"]
        assert await ids(before=after(2)) == ["c1", "c0"]
        assert await ids(sip_call_id="sip-conversation-c2") == ["c2"]
        assert await ids(number="+15550109999", shared_id="1234", project="y") == ["c0"]
        assert await ids(number="+15550100000", account="b") == []
        found = await store.conversations(ConversationFilter(sip_call_id="sip-conversation-c2"))
        assert found[0].closed == closed("conversation-c2", ladder=())

    async def test_calls_that_were_up_are_settled(self, store: Store) -> None:
        await give_pool(store, pool(3))
        held = [await store.reserve(ask(), "p", T0) for _ in range(3)]
        for index, one in enumerate(held):
            await store.bind(invite(one.number, f"c{index}"), after(1))
        for index in range(2):
            await store.open_conversation(opened(f"conversation-c{index}"))
        await store.mark_answered("conversation-c0", after(2))
        await store.open_conversation(opened("conversation-c9"))
        await store.save_outcome(outcome("conversation-c9"))
        assert sorted(await store.calls_up()) == ["conversation-c0", "conversation-c1", "conversation-c9"]
        assert await store.settle_interrupted(after(100), {"conversation-c9"}) == 2
        assert list(await store.calls_up()) == ["conversation-c9"]
        assert await store.settle_interrupted(after(100)) == 1
        assert await store.calls_up() == []
        assert await store.settle_interrupted(after(101)) == 0
        answered = await store.conversation("conversation-c0")
        assert answered is not None
        assert answered.closed is not None
        assert answered.closed.termination.reason is TerminationReason.INTERRUPTED
        assert answered.closed.answered_at == after(2)
        assert answered.outcome is not None
        assert (answered.outcome.data, answered.outcome.handed_off) == ({}, False)
        kept = await look(store, conversation_id="conversation-c9")
        assert kept.status is OutcomeStatus.ENDED_WITH_HANDOFF
        found = [await store.reservation(one.id, after(101)) for one in held]
        states = [one.state for one in found if one is not None]
        reserved = ReservationState.RESERVED
        assert states == [ReservationState.CLAIMED, reserved, reserved]
        assert [one.state for one in await store.pool_numbers("p", after(131.9))][1:] == [
            NumberState.RESERVED
        ] * 2
        assert (await only_number(store, after(101))).state is NumberState.COOLING

    async def test_refusals_are_counted_and_bounded(self, store: Store) -> None:
        for at in (0, 10, 59, 61):
            await store.record_refusal(refused(at))
        await store.record_refusal(refused(62, source="192.0.2.2"))
        await store.record_refusal(refused(63, trunk="carrier"))
        await store.record_refusal(refused(64, trunk="carrier", callee="c"))
        other = msgspec.structs.replace(refused(65).refusal, rules=())
        await store.record_refusal(refused(65, refusal=other))
        found = await store.refusals()
        kept = [("r65", 1), ("r64", 1), ("r63", 1), ("r62", 1), ("r61", 1), ("r0", 3)]
        assert [(one.id, one.count) for one in found] == kept
        for index in range(KEPT_REFUSALS):
            await store.record_refusal(refused(100, source=f"host-{index}"))
        found = await store.refusals(RefusalFilter(limit=KEPT_REFUSALS + 10))
        assert len(found) == KEPT_REFUSALS
        assert (found[0].source, found[-1].source) == (f"host-{KEPT_REFUSALS - 1}", "host-0")

    async def test_set_up_delays_are_those_of_claimed_reservations(self, store: Store) -> None:
        await give_pool(store, pool(3))
        for step, delay in enumerate((2.5, 4.0)):
            made = await store.reserve(ask(), "p", after(step))
            call = f"c{step}"
            await store.open_conversation(opened(f"conversation-{call}", at=after(step + delay)))
            bound = await store.bind(invite(made.number, call), after(step + delay))
            await answer(store, bound, after(step + delay))
        await store.reserve(ask(), "p", after(3))
        assert list(await store.setup_delays("p")) == [4.0, 2.5]
        assert list(await store.setup_delays("p", limit=1)) == [4.0]
        with pytest.raises(NotFound):
            await store.setup_delays("none")
