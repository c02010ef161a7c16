"""`tieline calls`, over a database that a server has written."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.conftest import Tieline
from tieline.model.call import Termination, TerminationReason
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, RefusedCall, Turn
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Retry, Step
from tieline.model.reservation import ReserveRequest
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.store.sqlite import SqliteStore
from tieline.testing.clock import START

CALLER = "+15550109999"


def step(word: Step, seconds: float, **fields: Any) -> ReceiptStep:
    at = START + timedelta(seconds=seconds)
    known: dict[str, Any] = {
        "step": word,
        "at": at,
        "rung": 0,
        "method": HandoffMethod.REFER,
        "destination": "billing",
    }
    return ReceiptStep(**(known | fields))


RECEIPT = Receipt(
    state=ReceiptState.DONE,
    steps=(
        step(Step.REQUESTED, 3.0, detail="wants [bold]money"),
        step(
            Step.FAILED,
            3.25,
            status=486,
            evidence="486 Busy Here",
            failure=HandoffFailure.BUSY,
            retry=Retry.LATER,
        ),
        step(Step.SKIPPED, 3.25, rung=1, failure=HandoffFailure.MISCONFIGURED, retry=Retry.FIX_SETTINGS),
        step(Step.DONE, 4.0, rung=2, method=HandoffMethod.BYE, destination=None),
    ),
)


async def write(path: Path) -> None:
    store = SqliteStore(path)
    await store.open(START)
    await store.reserve(ReserveRequest(project="PROJECT-desk", attributes_json="{}"), "main", START)
    for name in ("aa-1", "aa-2"):
        opened = ConversationOpened(
            id=name, account="ws-acme", project="PROJECT-desk", env="live", channel_type="sip.polyai", trunk="sbc",
            sip_call_id=f"call-{name}@sbc", from_tag="t", caller_number=CALLER, callee_number="+15550100000",
            reservation_id="r1", shared_id="s1", attributes_json='{"name":"Ada"}', sip_headers={}, late=False,
            rules=({"rule": "reserved DNI", "held": True, "detail": "pool main"},
                   {"rule": "token", "held": False, "detail": "none sent"}),
            started_at=START,
        )  # fmt: skip
        await store.open_conversation(opened)
    run = {"name": "turn_function", "duration_ms": 2.0, "error": "boom"}
    for index, said in enumerate(("Welcome", "Thank you", "Secret taken")):
        turn = Turn(
            index=index, at=START + timedelta(seconds=index), channel="DTMF", utterance=said, logs=(),
            user_input=("", "12", None)[index], function_runs=(run,) if index == 1 else (), state_json="{}",
        )  # fmt: skip
        await store.save_turn("aa-1", turn)
    for index, kind in enumerate(("handoff_failed", "end"), 3):
        words = "" if kind == "end" else "Still here"
        turn = Turn(
            index=index, at=START + timedelta(seconds=index), channel=kind, utterance=words, logs=(),
            user_input=None, function_runs=(), state_json="{}",
        )  # fmt: skip
        await store.save_turn("aa-1", turn)
    outcome = Outcome(
        conversation_id="aa-1", shared_id="s2", handed_off=True, data={"handoff_reason": "billing"},
        handoff={
            "method": "bye", "headers": [["X-contained", "false"]], "left_out": [["X-tier", "$tier has no value"]],
        }, saved_at=START,
    )  # fmt: skip
    await store.save_outcome(outcome)
    await store.note_leg("aa-1", "second@tieline")
    await store.save_receipt("aa-1", 0, RECEIPT)
    bye = "BYE sip:x SIP/2.0\r\nCSeq: 2 BYE\r\nX-contained: false\r\n\r\n"
    closed = ConversationClosed(
        conversation_id="aa-1", termination=Termination.of(TerminationReason.HANDED_OFF, "to billing"),
        answered_at=START, ended_at=START + timedelta(seconds=9), metrics=(),
        media={"packets_received": 450, "callee": {"packets_sent": 9}},
        ladder=tuple(
            {"at_ms": 0, "direction": "out", "peer": "127.0.0.1:5090", "leg": leg, "text": bye}
            for leg in ("caller", "callee")
        ),
        peer_bye_headers={},
    )  # fmt: skip
    await store.close_conversation(closed)
    refusal = Refusal(
        status=403, phrase="Forbidden", reason=RefusalReason.UNKNOWN_TRUNK,
        rules=(RuleResult(rule="trunk", held=False, detail="192.0.2.7 is in no network"),),
    )  # fmt: skip
    refused = RefusedCall(
        id="x1", at=START, source="192.0.2.7:5060", trunk=None, sip_call_id="scan@192.0.2.7", caller="100",
        callee="+15550100000", refusal=refusal, count=3,
    )  # fmt: skip
    await store.record_refusal(refused)
    await store.close()


@pytest.fixture
def history(applied: Tieline, tmp_path: Path) -> Tieline:
    asyncio.run(write(tmp_path / "tieline.db"))
    return applied


def test_list(history: Tieline) -> None:
    rows = history("calls", "list", "--json").json
    assert [row["id"] for row in rows] == ["aa-2", "aa-1"]
    table = history("calls", "list", "--project", "desk", "--number", CALLER).out
    assert "handed_off" in table
    assert CALLER in table
    assert history("calls", "list", "--shared-id", "other", "--json").json == []


@pytest.mark.parametrize("wanted", ["aa-1", "call-aa-1@sbc"])
def test_show(history: Tieline, wanted: str) -> None:
    page = history("calls", "show", wanted).out
    for said in (
        "handed_off (fault: agent): to billing", "✓ reserved DNI: pool main", "✗ token: none sent", "Welcome",
        "caller  12 [DTMF]", "(personal)", "turn_function 2.0 ms  boom", "data.handoff_reason", "X-contained: false",
        "X-tier: $tier has no value",
        "BYE", "packets_received 450", '{"name":"Ada"}', CALLER,
    ):  # fmt: skip
        assert said in page


def test_show_tells_the_receipt_and_every_leg(history: Tieline) -> None:
    page = history("calls", "show", "aa-1").out
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "Handoff: done" in lines
    assert "3.00 s requested 0 refer billing wants [bold]money" in lines
    assert "3.25 s failed 0 refer billing 486 486 Busy Here busy (retry: later)" in lines
    assert "3.25 s skipped 1 refer billing misconfigured (retry: fix_settings)" in lines
    assert "4.00 s done 2 bye" in lines
    assert "call-aa-1@sbc, second@tieline" in page
    assert "callee packets_sent 9" in lines
    assert "127.0.0.1:5090 (callee)" in page
    assert "wants" not in history("calls", "show", "aa-1", "--redact").out


def test_show_tells_why_the_agent_spoke_though_nobody_pressed_a_key(history: Tieline) -> None:
    lines = [" ".join(line.split()) for line in history("calls", "show", "aa-1").out.splitlines()]
    assert "3.00 s agent Still here [after a handoff that failed]" in lines
    assert "4.00 s agent - [after the call]" in lines
    assert sum("(personal)" in line for line in lines) == 1
    assert "shared id s2" in lines


def test_show_by_the_call_id_of_a_further_leg(history: Tieline) -> None:
    assert "aa-1" in history("calls", "show", "second@tieline").out


def test_show_redacted(history: Tieline) -> None:
    page = history("calls", "show", "aa-1", "--redact").out
    for secret in (CALLER, "Ada", "12 [DTMF]", "X-contained: false"):
        assert secret not in page
    assert "(redacted)" in page


def test_show_as_json(history: Tieline) -> None:
    found = history("calls", "show", "aa-1", "--json").json
    assert found["ladder"][0]["direction"] == "out"
    assert found["termination"]["reason"] == "handed_off"


def test_show_a_call_that_is_up(history: Tieline) -> None:
    page = history("calls", "show", "aa-2").out
    assert "in_progress" in page
    assert "SIP\n" not in page


def test_show_by_the_beginning_of_an_id(history: Tieline) -> None:
    assert history("calls", "show", "aa").err == "tieline: aa begins 2 ids; write more of it\n"
    assert history("calls", "show", "aa-2").status == 0
    assert history("calls", "show", "zz").err == "tieline: there is no call zz\n"


def test_refused(history: Tieline, tieline: Tieline) -> None:
    page = history("calls", "refused").out
    assert "403 Forbidden: unknown_trunk (trunk unknown, Call-ID scan@192.0.2.7)" in page
    assert "✗ trunk: 192.0.2.7 is in no network" in page
    assert "3 times" in page
    assert history("calls", "refused", "--json").json[0]["refusal"]["reason"] == "unknown_trunk"


def test_reservations_list(history: Tieline) -> None:
    (row,) = history("reservations", "list", "--json").json
    assert row["pool"] == "main"
    assert row["dni"] in history("reservations", "list").out
