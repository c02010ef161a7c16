"""Handoffs at Twilio that outlive the server: the store as the last process left it, and what Twilio tells of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.gateway.twilio_parts import ACCOUNT, CALL, CONNECTION, HOST, HUMAN, NUMBER
from tieline.calls.directory import Directory
from tieline.calls.lost_handoff import LostPorts
from tieline.calls.outcomes import Outcomes
from tieline.calls.provider import Screening
from tieline.errors import Unavailable
from tieline.gateway.twilio_kept import KeptTransfer, read_transfer, write_transfer
from tieline.gateway.twilio_lost import SLACK_S, LostCalls
from tieline.gateway.twilio_voice import TwilioVoice, VoiceReach
from tieline.integrations.twilio.client import DialledLeg
from tieline.model.conversation import Conversation, ConversationOpened, Outcome, OutcomeStatus, Turn
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Step
from tieline.store.memory import MemoryStore
from tieline.testing.calls import PROJECT, RESOURCES
from tieline.testing.virtual_time import EPOCH, elapse, run_virtual, settle

KEPT = KeptTransfer(
    connection="main", account_sid=ACCOUNT, sid=CALL, attempt=1, ring_timeout_s=20.0, screening=None
)
ASKED = replace(KEPT, screening=Screening(whisper="W.", accept_key="1", accept_timeout_s=5.0, language=None))
FORM = {
    "CallSid": CALL,
    "AccountSid": ACCOUNT,
    "From": "+15557654321",
    "To": NUMBER,
    "CallStatus": "in-progress",
}


def step(kind: Step, **fields: Any) -> ReceiptStep:
    return ReceiptStep(step=kind, at=EPOCH, rung=0, method=HandoffMethod.REFER, destination="desk", **fields)


RINGING = Receipt(steps=tuple(step(one) for one in (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.RINGING)))


A_TURN = Turn(
    index=0, at=EPOCH, channel="start", user_input=None, utterance="Hello.", function_runs=(), logs=(), state_json="{}",
)  # fmt: skip
AN_OUTCOME = Outcome(
    conversation_id="c",
    shared_id="s",
    handed_off=True,
    data={"handoff_to": "desk"},
    handoff={},
    saved_at=EPOCH,
)


class Asked:
    """Twilio's API: `status` of the call, `legs` that it has made; out of reach when `legs` is None."""

    def __init__(self) -> None:
        self.status = "in-progress"
        self.legs: list[DialledLeg] | None = []
        self.times = 0

    async def call_status(self, call_sid: str) -> str:
        """The call's."""
        assert call_sid == CALL
        self.times += 1
        return self.status

    async def dialled_legs(self, call_sid: str) -> list[DialledLeg]:
        """Its legs'."""
        if self.legs is None:
            raise Unavailable("Twilio's API cannot be reached")
        return self.legs


class Restarted:
    """A server that has just started."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.api = store, Asked()
        registry: Any = SimpleNamespace(on_event=None, watch=None, session_of=lambda _: None)
        accounts: Any = SimpleNamespace(of=lambda _: self.api)
        legs: Any = SimpleNamespace(take_over=None)
        reach = VoiceReach(http=lambda: "https://tieline.example", sip=lambda: "")
        self.voice = TwilioVoice(registry, legs, accounts, reach, HOST)
        self.directory = Directory(replace(RESOURCES, twilio=(CONNECTION,)))
        self.voice.follow(self.directory)
        self.outcomes = Outcomes(store)
        clock: Any = SimpleNamespace(utc=lambda: EPOCH + timedelta(seconds=60))
        ports = LostPorts(store, self.outcomes, clock, lambda: self.directory, self.voice.ways.begin)
        self.lost = LostCalls(self.voice, ports)

    async def start(self) -> tuple[frozenset[str], list[str]]:
        """Take up what there is, and settle the rest."""
        found = await self.lost.take_up(await self.store.dialogs_up(), self.directory)
        await self.outcomes.settle_interrupted(self.directory, EPOCH, found[0])
        self.lost.begin()
        await settle()
        return found

    def after(self, what: str = "dial", **more: str) -> str:
        """What Twilio is told once something is over."""
        return self.voice.on_next(CONNECTION, what, 1, {**FORM, **more})

    def progress(self, status: str) -> None:
        """The dialled leg makes progress."""
        self.voice.on_progress(CONNECTION, CALL, 1, {"CallStatus": status})


def play(
    story: Callable[[Restarted], Awaitable[None]],
    *,
    kept: KeptTransfer | str = KEPT,
    receipt: Receipt | None = RINGING,
    handed: bool = True,
    begun: bool = True,
) -> Conversation:
    """Play a story after a restart; the conversation at its end."""

    async def whole() -> Conversation:
        store = MemoryStore()
        await store.open_conversation(
            ConversationOpened(
                id="c", account="ws-1", project=PROJECT.id, env="live", channel_type="sip.polyai", trunk=None,
                sip_call_id=None, from_tag=None, caller_number="+15557654321", callee_number=NUMBER,
                reservation_id=None, shared_id="s", attributes_json="{}", sip_headers={}, rules=(), late=False,
                started_at=EPOCH,
            )
        )  # fmt: skip
        await store.mark_answered(
            "c", EPOCH, ["sip", kept if isinstance(kept, str) else write_transfer(kept)]
        )
        await store.save_turn("c", A_TURN)
        await store.save_outcome(replace(AN_OUTCOME, handed_off=handed))
        if receipt is not None:
            await store.save_receipt("c", 0, receipt)
        server = Restarted(store)
        if begun:
            await server.start()
        await story(server)
        await settle()
        await server.lost.stop()
        await server.voice.stop()
        found = await store.conversation("c")
        assert found is not None
        return found

    return run_virtual(whole())


async def nothing(server: Restarted) -> None:
    """Nothing happens."""


def told(found: Conversation) -> tuple[str | None, ReceiptState, list[str]]:
    """How it ended: the termination, the receipt's state, and the steps that were added."""
    reason = found.closed.termination.reason.value if found.closed is not None else None
    receipt = found.receipts[0]
    return reason, receipt.state, [one.step.value for one in receipt.steps[4:]]


def failure(found: Conversation) -> HandoffFailure | None:
    return found.receipts[0].steps[-1].failure


def test_somebody_answers() -> None:
    async def story(server: Restarted) -> None:
        for status in ("ringing", "in-progress", "in-progress"):
            server.progress(status)
        await settle()
        before = await server.store.conversation("c")
        assert "<Hangup" in server.after(DialCallStatus="completed", DialBridged="true")
        await settle()
        assert await server.store.conversation("c") == before

    found = play(story)
    assert told(found) == ("handed_off", ReceiptState.DONE, ["answered", "done"])
    assert found.closed is not None
    assert found.closed.answered_at == EPOCH
    assert found.outcome is not None
    assert found.outcome.handed_off


@pytest.mark.parametrize("told_twice", [False, True])
def test_nobody_takes_the_caller(*, told_twice: bool) -> None:
    async def story(server: Restarted) -> None:
        state = await server.store.handoff_state("ws-1", PROJECT.id, conversation_id="c", shared_id=None)
        assert state.status is OutcomeStatus.ENDED_WITH_HANDOFF
        for _ in range(1 + told_twice):
            assert "<Say" in server.after(DialCallStatus="busy")
        server.progress("in-progress")
        server.voice.on_status(CONNECTION, {**FORM, "CallStatus": "completed"})

    found = play(story)
    assert told(found) == ("interrupted", ReceiptState.FAILED, ["failed"])
    assert failure(found) is HandoffFailure.BUSY
    assert found.outcome is not None
    assert not found.outcome.handed_off


def test_the_caller_hangs_up_while_it_rings() -> None:
    async def story(server: Restarted) -> None:
        server.voice.on_status(CONNECTION, {**FORM, "CallStatus": "completed"})

    found = play(story)
    assert told(found)[:2] == ("interrupted", ReceiptState.FAILED)
    assert failure(found) is HandoffFailure.CALLER_HUNG_UP


@pytest.mark.parametrize(("after", "status"), [("stream", ""), ("sip", "completed"), ("sip", "failed")])
def test_twilio_never_heard_of_the_handoff(after: str, status: str) -> None:
    """It asks what comes after our part of the call, which ended with the last process."""

    async def story(server: Restarted) -> None:
        assert "<Say" in server.after(after, DialCallStatus=status)

    assert told(play(story))[:2] == ("interrupted", ReceiptState.FAILED)


@pytest.mark.parametrize("key", ["1", ""])
def test_whoever_is_called_is_asked_as_ever(key: str) -> None:
    async def story(server: Restarted) -> None:
        asked = server.voice.on_screen(CONNECTION, CALL, 1, "begin", FORM)
        assert "W." in asked
        server.voice.on_screen(CONNECTION, CALL, 1, "key", {**FORM, "Digits": key})
        server.after(DialCallStatus="completed", DialBridged="true" if key else "false")

    found = play(story, kept=ASKED)
    if key:
        assert told(found) == ("handed_off", ReceiptState.DONE, ["answered", "accepted", "done"])
    else:
        assert told(found) == ("interrupted", ReceiptState.FAILED, ["answered", "failed"])
        assert failure(found) is HandoffFailure.NOT_ACCEPTED


@pytest.mark.parametrize(
    ("status", "leg", "reason"),
    [
        ("in-progress", "in-progress", None), ("completed", "completed", None),
        ("in-progress", "no-answer", HandoffFailure.NO_ANSWER), ("completed", "busy", HandoffFailure.BUSY),
        ("completed", "canceled", HandoffFailure.CALLER_HUNG_UP), ("completed", "", HandoffFailure.CALLER_HUNG_UP),
    ],
)  # fmt: skip
def test_what_was_told_while_nobody_listened_is_asked_for(
    status: str, leg: str, reason: HandoffFailure | None
) -> None:
    async def story(server: Restarted) -> None:
        earlier = DialledLeg(status="busy", at=EPOCH - timedelta(seconds=30))
        legs = [DialledLeg(status=leg, at=EPOCH + timedelta(seconds=1))] if leg else []
        server.api.status, server.api.legs = status, [*legs, earlier]
        await server.start()

    found = play(story, begun=False)
    assert failure(found) is reason
    assert told(found)[0] == ("handed_off" if reason is None else "interrupted")


@pytest.mark.parametrize("reachable", [True, False])
def test_a_handoff_of_which_nothing_is_heard_is_given_up(*, reachable: bool) -> None:
    async def story(server: Restarted) -> None:
        server.api.legs = [DialledLeg(status="ringing", at=None)] if reachable else None
        await server.start()
        await elapse(KEPT.ring_timeout_s)
        still = await server.store.conversation("c")
        assert still is not None
        assert still.closed is None
        await elapse(SLACK_S + 1)
        assert server.api.times == 2

    found = play(story, begun=False)
    assert told(found)[:2] == ("interrupted", ReceiptState.FAILED)
    assert failure(found) is HandoffFailure.NO_NOTIFY


@pytest.mark.parametrize(
    "given",
    [
        {"kept": replace(KEPT, connection="gone")}, {"kept": "{}"}, {"receipt": None}, {"handed": False},
        {"receipt": Receipt(steps=(*RINGING.steps, step(Step.FAILED)))},
        {"receipt": Receipt(state=ReceiptState.FAILED, steps=RINGING.steps)}, {"receipt": Receipt()},
    ],
)  # fmt: skip
def test_every_other_call_is_settled_at_once(given: dict[str, Any]) -> None:
    found = play(nothing, **given)
    assert found.closed is not None
    assert found.closed.termination.reason.value == "interrupted"


def test_a_handoff_that_had_worked_already_is_closed_as_one() -> None:
    done = Receipt(state=ReceiptState.DONE, steps=(*RINGING.steps, step(Step.ANSWERED), step(Step.DONE)))
    assert told(play(nothing, receipt=done))[0] == "handed_off"


def test_sip_dialogs_are_left_to_be_ended() -> None:
    async def story(server: Restarted) -> None:
        assert await server.start() == (frozenset({"c"}), ["sip"])

    play(story, begun=False)


@pytest.mark.parametrize(
    ("after", "form", "taken"),
    [
        ("dial", {"DialCallStatus": "completed"}, True), ("dial", {"DialCallStatus": "busy"}, False),
        ("dial", {"DialCallStatus": "completed", "DialBridged": "false"}, False),
        ("refer", {"NotifySipResponseCode": "200"}, True), ("refer", {}, False), ("stream", {}, False),
    ],
)  # fmt: skip
def test_a_caller_whom_nobody_knows_any_more(after: str, form: dict[str, str], taken: bool) -> None:
    """Who has been with somebody is not sent to the fall-back after it."""

    async def story(server: Restarted) -> None:
        sid = "CA" + "0e" * 16
        answer = server.voice.on_next(CONNECTION, after, 1, {**FORM, **form, "CallSid": sid})
        assert ("<Say" not in answer) is taken

    play(story, begun=False)


def test_texts_of_transfers_are_told_from_others() -> None:
    assert read_transfer(write_transfer(ASKED)) == ASKED
    for other in ("", "{", "[]", '{"sip_call_id": "a"}', '{"twilio_transfer": 1}'):
        assert read_transfer(other) is None
    assert HUMAN not in write_transfer(ASKED)
