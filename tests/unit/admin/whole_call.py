"""One call with something personal in every place where there may be something."""

from __future__ import annotations

from datetime import timedelta

from tieline.calls.live import LiveCall
from tieline.model.call import CallState, Termination, TerminationReason
from tieline.model.context import ContextOrigin, ContextValue
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    RefusedCall,
    Turn,
)
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import Receipt, ReceiptState, ReceiptStep, Step
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.testing.store_samples import T0

CALLER, CALLEE, TARGET = "+15550109999", "+15550100000", "+15550107777"
NUMBERS = (CALLER, CALLEE, TARGET)
NAMES = ("John Smith", "john.smith", "Main Street")
SECRETS = ("4711", "blue widget", "ORDER-9")

_INVITE = (
    f"INVITE sip:{CALLEE}@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n"
    f'From: "John Smith" <sip:{CALLER}@192.0.2.10>;tag=1\r\nTo: <sip:{CALLEE}@198.51.100.1>\r\n'
    "Call-ID: abc@192.0.2.10\r\nCSeq: 1 INVITE\r\nX-Address: 1 Main Street\r\nContent-Length: 99\r\n\r\n"
    "v=0\r\no=john.smith 1 1 IN IP4 192.0.2.10\r\n"
)


def _step(step: Step, seconds: float, **fields: object) -> ReceiptStep:
    return ReceiptStep(
        step=step,
        at=T0 + timedelta(seconds=seconds),
        rung=0,
        method=HandoffMethod.REFER,
        destination="desk",
        **fields,  # type: ignore[arg-type]
    )


def opened(**fields: object) -> ConversationOpened:
    """How it began."""
    known: dict[str, object] = {
        "id": "call-1", "account": "ws-acme", "project": "PROJECT-desk", "env": "live",
        "channel_type": "sip.polyai", "trunk": "five9", "sip_call_id": "abc@192.0.2.10", "from_tag": "1",
        "caller_number": CALLER, "callee_number": CALLEE, "reservation_id": "r1", "shared_id": "case-1",
        "attributes_json": '{"customer":"John Smith","age":4711}',
        "sip_headers": {"From": f'"John Smith" <sip:{CALLER}@192.0.2.10>', "User-Agent": "SBC 7",
                        "X-Address": "1 Main Street"},
        "rules": ({"rule": "trunk", "held": True, "detail": "192.0.2.10 belongs to trunk five9"},
                  {"rule": "reserved_dni", "held": True, "detail": f"{CALLEE} is a number of pool main"}),
        "late": False, "started_at": T0,
        "context": (ContextValue(key="address", value="1 Main Street", origin=ContextOrigin.HEADER, name="X-Address"),),
    }  # fmt: skip
    return ConversationOpened(**(known | fields))  # type: ignore[arg-type]


def whole_call() -> Conversation:
    """The whole of it."""
    turns = (
        Turn(index=0, at=T0 + timedelta(seconds=1), channel="start", user_input=None, utterance="Hello John Smith",
             function_runs=(), logs=(), state_json='{"order":"ORDER-9"}'),
        Turn(index=1, at=T0 + timedelta(seconds=4), channel="keypad", user_input="4711",
             utterance="Your blue widget is on its way.",
             function_runs=({"name": "look_up", "duration_ms": 3.5, "error": "KeyError: 'ORDER-9'"},
                            {"name": "fine", "duration_ms": 1.0, "error": None}),
             logs=({"level": "info", "content": "found John Smith", "is_pii": False, "fields": {"n": "4711"}},),
             state_json='{"order":"ORDER-9"}'),
    )  # fmt: skip
    outcome = Outcome(
        conversation_id="call-1", shared_id="case-1", handed_off=True, data={"customer": "John Smith", "empty": None},
        handoff={"destination": "desk", "method": "refer", "reason": "John Smith is cross",
                 "utterance": "One moment, John Smith.", "route": TARGET, "headers": [["X-Order", "ORDER-9"]],
                 "left_out": [], "config": {"method": "refer", "phone_number": TARGET, "ring_timeout_s": 30.0}},
        saved_at=T0 + timedelta(seconds=8),
    )  # fmt: skip
    closed = ConversationClosed(
        conversation_id="call-1",
        termination=Termination.of(TerminationReason.HANDED_OFF, f"sent to tel:{TARGET}"),
        answered_at=T0 + timedelta(seconds=0.5),
        ended_at=T0 + timedelta(seconds=30),
        ladder=(
            {"at_ms": 0.0, "leg": "caller", "direction": "in", "peer": "192.0.2.10:5060", "text": _INVITE},
            {"at_ms": 20.5, "leg": "caller", "direction": "out", "peer": "192.0.2.10:5060",
             "text": "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"},
            {"at_ms": 9000.0, "leg": "callee", "direction": "out", "peer": "2001:db8::5:5062",
             "text": f"INVITE sip:{TARGET}@[2001:db8::5] SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"},
        ),
        media={"packets_received": 100, "packets_sent": 90, "packets_lost": 2, "jitter_ms": 1.5},
        metrics=({"name": "orders", "value": 3}, {"name": "who", "value": "John Smith"}),
        peer_bye_headers={"X-Note": "blue widget", "Reason": "Q.850;cause=16"},
    )  # fmt: skip
    receipt = Receipt(
        state=ReceiptState.DONE,
        steps=(
            _step(Step.REQUESTED, 8, detail="John Smith is cross"),
            _step(Step.ACCEPTED, 9, status=202, evidence="SIP/2.0 202 Accepted"),
            _step(Step.DONE, 12, status=200, evidence=f"SIP/2.0 200 to {TARGET}", detail=f"reached {TARGET}"),
        ),
    )
    return Conversation(
        opened=opened(), state=CallState.ENDED, turns=turns, outcome=outcome, closed=closed, receipts=(receipt,),
        further_call_ids=("def@198.51.100.1",),
    )  # fmt: skip


def live_call() -> LiveCall:
    """A call that is up."""
    return LiveCall(
        id="call-2", account="ws-acme", project="PROJECT-desk", env="live", channel="sip.polyai", trunk="five9",
        caller=CALLER, callee=CALLEE, sip_call_id="xyz", shared_id=None, state=CallState.TALKING, started_at=T0,
        state_since=T0, answered_at=T0, said="Hello John Smith", heard="4711",
    )  # fmt: skip


def refused_call(**fields: object) -> RefusedCall:
    """A call that was refused."""
    rules = (
        RuleResult(rule="trunk", held=True, detail="192.0.2.10 belongs to trunk five9"),
        RuleResult(rule="number", held=False, detail=f"no project has the number {CALLEE}"),
    )
    known: dict[str, object] = {
        "id": "r1", "at": T0, "source": "192.0.2.10", "trunk": "five9", "sip_call_id": "abc",
        "caller": f'"John Smith" <sip:{CALLER}@192.0.2.10>;tag=1', "callee": f"sip:{CALLEE}@198.51.100.1",
        "refusal": Refusal(status=404, phrase="Not Found", reason=RefusalReason.NO_ROUTE, rules=rules),
    }  # fmt: skip
    return RefusedCall(**(known | fields))  # type: ignore[arg-type]
