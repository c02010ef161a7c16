"""Outcomes: durable before they are answered, waited for without leaving anything behind."""

import asyncio
import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tieline.calls.directory import Directory
from tieline.calls.outcomes import Outcomes
from tieline.model.call import Termination, TerminationReason
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, OutcomeStatus, Turn
from tieline.model.handoff import HandoffApi
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.store.base import HandoffLookup
from tieline.store.memory import MemoryStore
from tieline.testing.call_parts import JournalStore
from tieline.testing.journal import Journal
from tieline.testing.virtual_time import EPOCH, elapse, run_virtual, settle


def opened(call: str, shared_id: str | None = None) -> ConversationOpened:
    return ConversationOpened(
        id=call, account="ws-1", project="P-1", env="live", channel_type="sip.polyai", trunk=None,
        sip_call_id=None, from_tag=None, caller_number=None, callee_number=None, reservation_id=None,
        shared_id=shared_id, attributes_json="{}", sip_headers={}, rules=(), late=False, started_at=EPOCH,
    )  # fmt: skip


def outcome(call: str, shared_id: str | None = None) -> Outcome:
    return Outcome(
        conversation_id=call, shared_id=shared_id, handed_off=True, data={"a": 1}, handoff={}, saved_at=EPOCH
    )


def closed(call: str) -> ConversationClosed:
    return ConversationClosed(
        conversation_id=call, termination=Termination.of(TerminationReason.INTERRUPTED), answered_at=None,
        ended_at=EPOCH + timedelta(seconds=1), ladder=(), media=None, metrics=(), peer_bye_headers={},
    )  # fmt: skip


def ask(
    outcomes: Outcomes, *, conversation_id: str | None = None, shared_id: str | None = None
) -> "asyncio.Task[HandoffLookup]":
    return asyncio.create_task(
        outcomes.lookup("ws-1", "P-1", conversation_id=conversation_id, shared_id=shared_id, wait_s=60.0)
    )


@pytest.mark.parametrize("by", [{"conversation_id": "c-1"}, {"shared_id": "s-1"}])
def test_who_waits_is_woken_by_the_commit_and_not_before(by: dict[str, str]) -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        await store.open_conversation(opened("c-1", "s-1"))
        store.delays["save_outcome"] = 0.25
        waiting = ask(outcomes, **by)
        await settle()
        saving = asyncio.create_task(outcomes.save(outcome("c-1", "s-1")))
        await elapse(0.2)
        assert not waiting.done()
        found = await waiting
        assert asyncio.get_running_loop().time() == pytest.approx(0.25, abs=0.01)
        assert (found.status, found.state and found.state.data) == (
            OutcomeStatus.ENDED_WITH_HANDOFF,
            {"a": 1},
        )
        await saving
        assert not outcomes._waiting

    run_virtual(story())


def test_an_outcome_that_another_server_saved_is_found_within_a_second() -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        await store.open_conversation(opened("c-1"))
        waiting = ask(outcomes, conversation_id="c-1")
        await elapse(5.5)
        await store.save_outcome(outcome("c-1"))
        assert (await waiting).status is OutcomeStatus.ENDED_WITH_HANDOFF
        assert asyncio.get_running_loop().time() <= 6.51

    run_virtual(story())


def test_a_call_that_has_not_come_yet_may_be_waited_for() -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        waiting = ask(outcomes, shared_id="s-9")
        await elapse(1.5)
        await store.open_conversation(opened("c-9", "s-9"))
        await outcomes.save(outcome("c-9", "s-9"))
        assert (await waiting).conversation_id == "c-9"

    run_virtual(story())


@pytest.mark.parametrize(
    ("is_open", "wait_s", "status"),
    [
        (False, 0.0, OutcomeStatus.UNKNOWN),
        (False, 3.0, OutcomeStatus.UNKNOWN),
        (True, 0.0, OutcomeStatus.IN_PROGRESS),
        (True, 3.0, OutcomeStatus.IN_PROGRESS),
    ],
)
def test_when_the_time_is_up_the_answer_is_what_there_is(
    is_open: bool, wait_s: float, status: OutcomeStatus
) -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        if is_open:
            await store.open_conversation(opened("c-1"))
        found = await outcomes.lookup("ws-1", "P-1", conversation_id="c-1", wait_s=wait_s)
        assert found.status is status
        assert asyncio.get_running_loop().time() == pytest.approx(wait_s, abs=0.01)
        assert not outcomes._waiting

    run_virtual(story())


def test_a_call_closed_without_an_outcome_wakes_those_who_wait() -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        await store.open_conversation(opened("c-1"))
        waiting = ask(outcomes, conversation_id="c-1")
        await settle()
        await outcomes.close(closed("c-1"))
        assert (await waiting).status is OutcomeStatus.ENDED_WITHOUT_HANDOFF
        assert asyncio.get_running_loop().time() < 0.1

    run_virtual(story())


def test_many_wait_for_one_and_those_who_give_up_leave_nothing() -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        await store.open_conversation(opened("c-1"))
        waiting = [ask(outcomes, conversation_id="c-1") for _ in range(5)]
        await settle()
        waiting[0].cancel()
        await settle()
        assert len(outcomes._waiting["c-1"]) == 4
        await outcomes.save(outcome("c-1"))
        await outcomes.save(outcome("c-1"))
        found = await asyncio.gather(*waiting[1:])
        assert {each.status for each in found} == {OutcomeStatus.ENDED_WITH_HANDOFF}
        assert not outcomes._waiting

    run_virtual(story())


def test_a_failed_commit_wakes_nobody() -> None:
    async def story() -> None:
        store = JournalStore(Journal())
        outcomes = Outcomes(store)
        await store.open_conversation(opened("c-1"))
        store.broken.add("save_outcome")
        with pytest.raises(OSError, match="no space"):
            await outcomes.save(outcome("c-1"))
        found = await outcomes.lookup("ws-1", "P-1", conversation_id="c-1")
        assert found.status is OutcomeStatus.IN_PROGRESS

    run_virtual(story())


def test_a_call_that_nobody_finished_gets_the_outcome_of_its_last_turn() -> None:
    async def story() -> None:
        store = MemoryStore()
        outcomes = Outcomes(store)
        project = Project(
            id="P",
            slug="p",
            account="ws",
            handoff_api=HandoffApi(state_keys=("queue", "never"), aliases={"queue": "q"}),
        )
        directory = Directory(Resources(projects=(project,)))
        for call in ("talked", "silent", "saved"):
            await store.open_conversation(replace(opened(call, "from-invite"), account="ws", project="P"))
        await store.save_turn("talked", turn(0, {"queue": "old"}))
        await store.save_turn("talked", turn(1, {"queue": "billing", "shared_id": "agent-1"}))
        await store.save_outcome(outcome("saved", "kept"))
        assert await outcomes.settle_interrupted(directory, EPOCH) == 3
        assert await store.calls_up() == []
        talked = await outcomes.lookup("ws", "P", shared_id="agent-1")
        assert talked.status is OutcomeStatus.ENDED_WITHOUT_HANDOFF
        assert talked.state is not None
        assert talked.state.data == {"q": "billing", "never": None}
        silent = await store.conversation("silent")
        assert silent is not None
        assert silent.outcome is not None
        assert (silent.outcome.shared_id, silent.outcome.data) == ("from-invite", {"q": None, "never": None})
        saved = await store.conversation("saved")
        assert saved is not None
        assert saved.outcome == outcome("saved", "kept")
        assert await outcomes.settle_interrupted(directory, EPOCH) == 0

    run_virtual(story())


def test_a_call_of_a_project_that_is_gone_is_settled_with_the_default_keys() -> None:
    async def story() -> None:
        store = MemoryStore()
        await store.open_conversation(opened("c"))
        await store.save_turn("c", turn(0, {"handoff_to": "x", "other": 1}))
        assert await Outcomes(store).settle_interrupted(Directory.empty(), EPOCH) == 1
        found = await store.conversation("c")
        assert found is not None
        assert found.outcome is not None
        assert found.outcome.data == {"handoff_to": "x"}

    run_virtual(story())


def turn(index: int, state: dict[str, object]) -> Turn:
    return Turn(
        index=index,
        at=EPOCH,
        channel="keypad",
        user_input="1",
        utterance="",
        function_runs=(),
        logs=(),
        state_json=json.dumps(state),
    )
