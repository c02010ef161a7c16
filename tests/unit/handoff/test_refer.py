"""REFER: every order and shape of responses, NOTIFYs, BYEs and silences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handoff.parts import AT, last, rung, steps
from tieline.handoff.plan import PLAIN_DIALECT
from tieline.handoff.policy import ByeTurn, HandoffFailed, HandoffPolicy, Referred, policy_of
from tieline.handoff.receipt import ReceiptBuilder
from tieline.handoff.refer import REFER, ReferHandoff, ReferInput, ReferState
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, ReceiptState, Step
from tieline.model.trunk import FirstBye

POLICY = HandoffPolicy(notify_timeout_s=32.0, max_wait_s=120.0, bye_wait_s=5.0)


class Play:
    """A REFER sent at second 100, and what happens to it."""

    def __init__(self, policy: HandoffPolicy = POLICY) -> None:
        self.builder, receipt = rung(HandoffMethod.REFER)
        self.refer = ReferHandoff(receipt, policy, AT, 100.0)

    def response(self, status: int, now: float = 101.0, **more: bool) -> Play:
        self.refer.on_response(status, "Phrase", AT, now, **more)
        return self

    def notify(
        self, status: int | None, subscription: str | None = "active", now: float = 102.0, body: bytes = b""
    ) -> Play:
        self.refer.on_notify(status, "Phrase", subscription, body, AT, now)
        return self

    def bye(self, now: float = 103.0) -> Play:
        self.refer.on_peer_bye(AT, now)
        return self

    def wait(self, now: float) -> Play:
        self.refer.on_deadline(AT, now)
        return self

    def broken(self) -> Play:
        self.refer.on_leg_failed(AT, 104.0)
        return self

    @property
    def failed(self) -> HandoffFailed:
        assert isinstance(self.refer.outcome, HandoffFailed)
        return self.refer.outcome

    @property
    def referred(self) -> Referred:
        assert isinstance(self.refer.outcome, Referred)
        return self.refer.outcome


def test_the_textbook_transfer() -> None:
    play = Play().response(202).notify(100).notify(180).notify(180).notify(200, "terminated")
    assert steps(play.builder) == ["sent", "accepted", "ringing", "answered", "done"]
    assert play.referred == Referred(bye=ByeTurn.SEND_NOW)
    assert play.refer.state is ReferState.SUCCEEDED
    assert play.refer.next_deadline() is None
    assert play.builder.receipt().state is ReceiptState.DONE
    answered = last(play.builder, Step.ANSWERED)
    assert answered.status == 200
    assert answered.evidence == "NOTIFY 200 Phrase; Subscription-State: terminated"


def test_who_a_provider_has_called_is_asked_and_takes_the_call() -> None:
    play = Play().response(202).notify(180).notify(183)
    for _ in range(2):
        play.refer.on_picked_up(AT, "picked up")
    assert play.refer.next_deadline() == 220.0
    play.refer.on_accepted(AT, "pressed")
    play.notify(200, "terminated")
    assert steps(play.builder) == ["sent", "accepted", "ringing", "answered", "accepted", "done"]
    play.refer.on_picked_up(AT, "late")
    play.refer.on_accepted(AT, "late")
    play.refer.on_not_accepted(AT, "late")
    assert play.builder.receipt().state is ReceiptState.DONE


def test_a_receipt_of_an_earlier_process_is_gone_on_with() -> None:
    before = Play().response(202).notify(180)
    builder = ReceiptBuilder(before.builder.receipt())
    assert builder.new_steps() == ()
    refer = ReferHandoff(builder.rung(0, HandoffMethod.REFER, "sales"), POLICY, AT, 300.0)
    refer.on_notify(100, "Trying", "active", b"", AT, 300.0)
    refer.on_response(202, "Accepted", AT, 300.0)
    refer.on_notify(200, "OK", "terminated", b"", AT, 301.0)
    assert [one.step.value for one in builder.new_steps()] == ["answered", "done"]
    assert steps(builder) == ["sent", "accepted", "ringing", "answered", "done"]


def test_who_a_provider_has_called_does_not_take_the_call() -> None:
    play = Play().response(202)
    play.refer.on_picked_up(AT, "picked up")
    play.refer.on_not_accepted(AT, "no key")
    play.notify(603, "terminated")
    assert steps(play.builder) == ["sent", "accepted", "answered", "failed"]
    assert play.failed.failure is HandoffFailure.NOT_ACCEPTED
    assert last(play.builder, Step.FAILED).detail == "no key"


def test_a_provider_that_falls_silent_while_it_asks() -> None:
    play = Play().response(202).notify(180)
    play.refer.on_picked_up(AT, "picked up")
    play.wait(220.0)
    assert play.failed.failure is HandoffFailure.NOT_ACCEPTED


@pytest.mark.parametrize("status", [300, 403, 405, 501, 603])
def test_a_refusal_gives_the_caller_back(status: int) -> None:
    play = Play().response(status)
    assert play.refer.state is ReferState.FAILED
    assert play.failed.status == status
    assert not play.failed.caller_gone
    assert play.failed.evidence == f"{status} Phrase"
    assert last(play.builder, Step.FAILED).retry is not None
    assert play.builder.receipt().state is ReceiptState.UNDER_WAY


def test_a_timeout_of_our_own_is_no_response() -> None:
    assert Play().response(408, made_here=True).failed.failure is HandoffFailure.NO_RESPONSE
    assert Play().response(503, made_here=True).failed.failure is HandoffFailure.TRANSPORT_FAILED
    assert Play().response(503).failed.failure is HandoffFailure.UNAVAILABLE


def test_accepted_then_silence() -> None:
    play = Play().response(202, 101.0)
    assert play.refer.next_deadline() == 133.0
    assert play.wait(132.9).refer.outcome is None
    assert play.wait(133.0).failed.failure is HandoffFailure.NO_NOTIFY
    assert play.refer.next_deadline() is None
    assert play.wait(200.0).failed.failure is HandoffFailure.NO_NOTIFY


def test_no_response_at_all_and_not_even_a_timeout() -> None:
    assert Play().wait(220.0).failed.failure is HandoffFailure.NO_RESPONSE


def test_ringing_for_ever_ends_and_a_trying_for_ever_too() -> None:
    rang = Play().response(202).notify(180)
    assert rang.refer.next_deadline() == 220.0
    assert rang.wait(220.0).failed.failure is HandoffFailure.NO_ANSWER
    assert Play().response(202).notify(100).wait(220.0).failed.failure is HandoffFailure.NO_NOTIFY


def test_the_wait_for_the_first_notify_is_within_the_longest_wait() -> None:
    play = Play(HandoffPolicy(notify_timeout_s=500.0, max_wait_s=60.0)).response(202)
    assert play.refer.next_deadline() == 160.0


def test_the_peers_bye_after_the_202_means_that_it_has_the_caller() -> None:
    play = Play().response(202).bye()
    assert play.referred == Referred(bye=ByeTurn.OVER)
    assert play.refer.next_deadline() is None
    assert steps(play.builder) == ["sent", "accepted", "done"]


def test_the_peers_bye_before_any_answer_is_a_caller_who_hung_up() -> None:
    play = Play().bye()
    assert play.failed.failure is HandoffFailure.CALLER_HUNG_UP
    assert play.failed.caller_gone


def test_a_subscription_that_ends_without_a_result_waits_for_the_bye_only() -> None:
    gone = Play().response(202).notify(None, "terminated", 102.0)
    assert gone.refer.state is ReferState.UNRESOLVED
    assert gone.refer.next_deadline() == 107.0
    assert gone.wait(107.0).failed.failure is HandoffFailure.NO_NOTIFY
    taken = Play().response(202).notify(180, "terminated").bye()
    assert taken.referred.bye is ByeTurn.OVER


def test_further_provisionals_do_not_lengthen_that_wait() -> None:
    play = Play().response(202).notify(100, "terminated", 102.0).notify(180, "active", 103.0)
    assert play.refer.state is ReferState.UNRESOLVED
    assert play.refer.next_deadline() == 107.0
    assert play.notify(200).referred.bye is ByeTurn.SEND_NOW


def test_a_notify_without_a_body_is_progress() -> None:
    play = Play().response(202).notify(None, None, body=b"garbage")
    assert play.refer.state is ReferState.PROGRESSING
    assert play.refer.next_deadline() == 220.0


def test_notifys_that_overtake_the_202() -> None:
    play = Play().notify(100).response(202)
    assert play.refer.state is ReferState.PROGRESSING
    assert steps(play.builder) == ["sent", "accepted"]
    early = Play().notify(200).response(202)
    assert steps(early.builder) == ["sent", "answered", "done", "accepted"]
    assert early.referred.bye is ByeTurn.SEND_NOW
    again = Play().response(202).response(202)
    assert steps(again.builder) == ["sent", "accepted"]


def test_a_refusal_after_a_result_changes_nothing() -> None:
    play = Play().notify(200).response(500)
    assert isinstance(play.refer.outcome, Referred)


@pytest.mark.parametrize(
    ("status", "failure"), [(486, "busy"), (603, "declined"), (408, "no_answer"), (503, "unavailable")]
)
def test_a_failed_notify_fails_with_that_reason(status: int, failure: str) -> None:
    play = Play().response(202).notify(status, "terminated")
    assert play.failed.failure == failure
    assert play.failed.evidence == f"NOTIFY {status} Phrase; Subscription-State: terminated"
    late = play.notify(200, "terminated")
    assert late.failed.failure == failure
    assert last(late.builder, Step.ANSWERED).detail == "told after the result had been settled"
    assert steps(late.notify(500).builder).count("failed") == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Play(POLICY).response(202, no_subscription=True),
        lambda: Play(HandoffPolicy(sends_notify=False)).response(202),
    ],
)
def test_where_nothing_more_is_told_the_202_is_the_result(make: Callable[[], Play]) -> None:
    play = make()
    assert play.referred.bye is ByeTurn.SEND_NOW
    assert "tells no more" in last(play.builder, Step.DONE).detail


def test_the_peer_is_given_time_to_say_bye_first() -> None:
    policy = HandoffPolicy(first_bye=FirstBye.PEER, bye_wait_s=5.0)
    waits = Play(policy).response(202).notify(200, "terminated", 110.0)
    assert waits.referred == Referred(bye=ByeTurn.WAIT, until=115.0)
    assert waits.refer.next_deadline() == 115.0
    assert waits.wait(114.0).referred.bye is ByeTurn.WAIT
    assert waits.wait(115.0).referred == Referred(bye=ByeTurn.SEND_NOW)
    came = Play(policy).response(202).notify(200).bye()
    assert came.referred == Referred(bye=ByeTurn.OVER)
    assert came.refer.next_deadline() is None
    broke = Play(policy).response(202).notify(200).broken()
    assert broke.referred == Referred(bye=ByeTurn.OVER)


def test_a_notify_after_the_bye_is_for_the_receipt() -> None:
    play = Play().response(202).bye().notify(486, "terminated").notify(486, "terminated")
    assert isinstance(play.refer.outcome, Referred)
    assert steps(play.builder) == ["sent", "accepted", "done", "failed"]
    assert play.builder.receipt().state is ReceiptState.FAILED
    good = Play().response(202).bye().notify(180).notify(200)
    assert steps(good.builder) == ["sent", "accepted", "done", "ringing", "answered"]
    assert good.builder.receipt().state is ReceiptState.DONE


def test_a_leg_that_breaks_leaves_nobody_to_hand_over() -> None:
    play = Play().response(202).broken()
    assert play.failed.failure is HandoffFailure.TRANSPORT_FAILED
    assert play.failed.caller_gone
    assert play.broken().bye().failed.failure is HandoffFailure.TRANSPORT_FAILED


def test_what_is_told_after_we_ended_the_call_is_only_noted() -> None:
    play = Play().response(202)
    play.refer.give_up()
    play.refer.give_up()
    play.notify(200, "terminated").wait(999.0)
    assert play.failed.caller_gone
    assert steps(play.builder) == ["sent", "accepted", "answered"]


def test_the_policy_is_the_dialects() -> None:
    policy = policy_of(PLAIN_DIALECT)
    assert (policy.notify_timeout_s, policy.bye_wait_s, policy.sends_notify) == (32.0, 5.0, True)


def test_every_row_of_the_table_leads_somewhere() -> None:
    assert set(REFER) == set(ReferState)
    reached = {target for rows in REFER.values() for target in rows.values()}
    assert reached == set(ReferState) - {ReferState.SENT}
    assert {given for rows in REFER.values() for given in rows} == set(ReferInput)


HAPPENINGS: list[Callable[[Play, float], Any]] = [
    lambda play, now: play.response(202, now),
    lambda play, now: play.response(202, now, no_subscription=True),
    lambda play, now: play.response(405, now),
    lambda play, now: play.notify(None, "active", now),
    lambda play, now: play.notify(None, "terminated", now),
    lambda play, now: play.notify(180, "active", now),
    lambda play, now: play.notify(200, "terminated", now),
    lambda play, now: play.notify(486, "terminated", now),
    lambda play, now: play.bye(now),
    lambda play, now: play.broken(),
    lambda play, now: play.wait(now),
]


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=12), st.sampled_from(FirstBye))
def test_whatever_happens_it_ends_once_and_never_waits_for_ever(
    happenings: list[Callable[[Play, float], Any]], first: FirstBye
) -> None:
    play = Play(HandoffPolicy(first_bye=first))
    now, decided = 101.0, None
    for happen in happenings:
        happen(play, now)
        now += 1.0
        if decided is None and play.refer.outcome is not None:
            decided = type(play.refer.outcome)
        assert decided is None or isinstance(play.refer.outcome, decided)
        assert play.refer.outcome is not None or play.refer.next_deadline() is not None
    while (deadline := play.refer.next_deadline()) is not None:
        play.wait(deadline)
    assert play.refer.outcome is not None
    assert play.refer.state in {ReferState.SUCCEEDED, ReferState.FAILED}
    assert play.builder.receipt().state is not ReceiptState.UNDER_WAY or isinstance(
        play.refer.outcome, HandoffFailed
    )
    assert isinstance(play.builder, ReceiptBuilder)
