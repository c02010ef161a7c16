"""Messages: states go forward, and what was before is kept."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from tieline.model.sms import FINAL, MAX_HISTORY, UNSENT, OptOut, SmsMessage, SmsState, is_further

T0 = datetime(2026, 11, 21, tzinfo=UTC)
MESSAGE = SmsMessage(
    id="m", account="a", project="p", conversation_id=None, to="+15550100", from_="+15550199",
    content="Your code is 4711", created_at=T0, changed_at=T0,
)  # fmt: skip


def test_a_final_state_is_left_by_nothing() -> None:
    for before, after in itertools.product(FINAL, SmsState):
        assert not is_further(after, before)


def test_states_go_forward_only() -> None:
    for before, after in itertools.product(set(SmsState) - FINAL, SmsState):
        if before is after:
            assert not is_further(after, before)
        elif after not in FINAL:
            assert is_further(after, before) is not is_further(before, after)
        else:
            assert is_further(after, before)
    assert is_further(SmsState.SENT, SmsState.ACCEPTED)
    assert not UNSENT & FINAL


def test_a_change_keeps_what_was_before() -> None:
    later = T0 + timedelta(seconds=5)
    failed = MESSAGE.entering(SmsState.FAILED, later, error_code=30034, detail="why", attempts=2)
    assert (failed.state, failed.error_code, failed.detail, failed.attempts) == (
        SmsState.FAILED,
        30034,
        "why",
        2,
    )
    assert [(one.at, one.state) for one in failed.history] == [(T0, SmsState.WAITING)]
    again = failed.entering(SmsState.WAITING, later)
    assert (again.error_code, again.detail, again.history[-1].error_code) == (None, "", 30034)
    for _ in range(2 * MAX_HISTORY):
        again = again.entering(SmsState.WAITING, later)
    assert len(again.history) == MAX_HISTORY


def test_neither_text_nor_numbers_show_in_a_log() -> None:
    shown = repr(MESSAGE)
    assert "4711" not in shown
    assert "5550100" not in shown
    assert "5550100" not in repr(
        OptOut(account="a", recipient="+15550100", sender="+1", at=T0, keyword="STOP")
    )


def test_the_person_is_on_the_other_end() -> None:
    assert MESSAGE.person == "+15550100"
    inbound = SmsMessage(
        id="i", account="a", project="p", conversation_id=None, inbound=True, to="+15550199", from_="+15550100",
        content="STOP", created_at=T0, changed_at=T0,
    )  # fmt: skip
    assert inbound.person == "+15550100"
