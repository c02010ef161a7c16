"""The receipt: what is kept, what is masked, and how the whole stands."""

from datetime import timedelta

import pytest

from tests.unit.handoff.parts import AT
from tieline.handoff.receipt import MAX_STEPS, ReceiptBuilder, as_result, clean, evidence_of
from tieline.model.handoff import HandoffMethod, HandoffPlan
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, Retry, Step

PLAN = HandoffPlan(
    destination="sales", method=HandoffMethod.REFER, reason=None, utterance=None, route="1", headers=()
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("486 Busy Here", "486 Busy Here"),
        ("a\r\nVia: b\0c\td", "a Via: b c d"),
        ("404 No such user sip:bob@example.com", "404 No such user ***"),
        ("no route to +15550100123", "no route to ***"),
        ("bob@example.com is away", "*** is away"),
        ("tel:+1-555-0100 gone", "*** gone"),
        ("x" * 500, "x" * 200),
        ("line\u2028break\ud800", "line\u2028break"),
    ],
)
def test_evidence_is_one_short_line_without_people(text: str, kept: str) -> None:
    assert clean(text) == kept.replace("\u2028", " ")


def test_only_harmless_headers_are_kept() -> None:
    headers = [
        ("Reason", 'Q.850;cause=17;text="busy"'),
        ("Contact", "<sip:bob@example.com>"),
        ("WARNING", '399 sbc "no"'),
        ("Retry-After", "5"),
        ("WWW-Authenticate", "Digest"),
    ]
    assert evidence_of(486, "Busy", headers) == (
        '486 Busy; Reason: Q.850;cause=17;text="busy"; WARNING: 399 sbc "no"; Retry-After: 5'
    )
    assert evidence_of(486, "") == "486"


def test_steps_carry_their_rung_and_failures_their_advice() -> None:
    builder = ReceiptBuilder()
    first, second = builder.rung(0, HandoffMethod.REFER, "sales"), builder.rung(1, HandoffMethod.BYE, None)
    first.add(Step.SENT, AT)
    first.add(Step.FAILED, AT, status=405, evidence="405 No\r\n", failure=HandoffFailure.NOT_SUPPORTED)
    assert [step.step for step in builder.new_steps()] == [Step.SENT, Step.FAILED]
    assert builder.new_steps() == ()
    second.add(Step.SENT, AT + timedelta(seconds=1), detail="d" * 300)
    sent, failed, again = builder.receipt().steps
    assert (sent.rung, sent.method, sent.destination, sent.failure) == (0, HandoffMethod.REFER, "sales", None)
    assert (failed.retry, failed.evidence, failed.status) == (Retry.OTHER_METHOD, "405 No", 405)
    assert (again.rung, again.destination, len(again.detail)) == (1, None, 200)
    assert first.has(Step.FAILED)
    assert not second.has(Step.FAILED)


def test_the_state_is_that_of_the_whole_ladder() -> None:
    builder = ReceiptBuilder()
    first, second = builder.rung(0, HandoffMethod.REFER, None), builder.rung(1, HandoffMethod.BYE, None)
    first.add(Step.FAILED, AT, failure=HandoffFailure.BUSY)
    assert builder.receipt().state is ReceiptState.UNDER_WAY
    second.add(Step.DONE, AT)
    assert builder.receipt().state is ReceiptState.DONE
    second.add(Step.ALIVE, AT)
    assert builder.receipt().state is ReceiptState.DONE
    second.add(Step.FAILED, AT, failure=HandoffFailure.BUSY)
    assert builder.receipt().state is ReceiptState.FAILED


def test_a_receipt_does_not_grow_for_ever() -> None:
    builder = ReceiptBuilder()
    rung = builder.rung(0, HandoffMethod.REFER, None)
    for _ in range(MAX_STEPS + 5):
        rung.add(Step.RINGING, AT)
    rung.add(Step.DONE, AT)
    assert len(builder.receipt().steps) == MAX_STEPS
    assert builder.receipt().state is ReceiptState.DONE


def test_what_the_agent_is_told_of_a_failure() -> None:
    builder = ReceiptBuilder()
    builder.rung(0, HandoffMethod.REFER, "sales").add(
        Step.FAILED, AT, status=405, evidence="405 No", failure=HandoffFailure.NOT_SUPPORTED
    )
    builder.rung(1, HandoffMethod.INVITE, "desk").add(
        Step.FAILED, AT, failure=HandoffFailure.NO_ANSWER, detail="gave up after 30 s"
    )
    builder.give_up()
    assert as_result(builder.receipt(), PLAN) == {
        "destination": "desk",
        "method": "invite",
        "state": "failed",
        "reason": "no_answer",
        "retry": "later",
        "status": None,
        "detail": "gave up after 30 s",
    }


def test_what_the_agent_is_told_of_a_success_after_a_failure() -> None:
    builder = ReceiptBuilder()
    builder.rung(0, HandoffMethod.REFER, "sales").add(Step.FAILED, AT, failure=HandoffFailure.BUSY)
    builder.rung(1, HandoffMethod.INVITE, "sales").add(Step.DONE, AT, status=200, evidence="200 OK")
    told = as_result(builder.receipt(), PLAN)
    assert (told["state"], told["reason"], told["retry"]) == ("done", None, None)
    assert (told["method"], told["status"], told["detail"]) == ("invite", 200, "200 OK")


def test_a_receipt_without_steps_tells_of_the_plan() -> None:
    told = as_result(Receipt(), PLAN)
    assert (told["destination"], told["method"], told["state"], told["detail"]) == (
        "sales",
        "refer",
        "under_way",
        "",
    )
    assert as_result(Receipt(), None)["method"] is None
