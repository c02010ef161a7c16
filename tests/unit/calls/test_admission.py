"""Limits: calls on the server and on a trunk, calls per second, draining."""

from tieline.calls.admission import BRIEF_AFTER, Admission
from tieline.model.trunk import RefusalReason, Trunk

OPEN = Trunk(name="open", networks=("127.0.0.0/8",))


def test_the_server_holds_no_more_than_its_calls() -> None:
    admission = Admission(max_calls=2)
    assert admission.admit(OPEN, 0.0) is None
    assert admission.admit(OPEN, 0.0) is None
    refusal = admission.admit(OPEN, 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (503, RefusalReason.SERVER_FULL)
    assert refusal.retry_after_s
    admission.leave("open")
    assert admission.admit(OPEN, 0.0) is None
    assert admission.calls == 2


def test_a_trunk_has_its_own_limit_of_calls() -> None:
    small = Trunk(name="small", networks=(), max_calls=1)
    admission = Admission(max_calls=9)
    assert admission.admit(small, 0.0) is None
    refusal = admission.admit(small, 0.0)
    assert refusal is not None
    assert refusal.reason is RefusalReason.TRUNK_CALL_LIMIT
    assert admission.admit(OPEN, 0.0) is None
    admission.leave("small")
    assert admission.calls_on("small") == 0
    assert admission.admit(small, 0.0) is None


def test_a_trunk_may_burst_for_a_second_and_then_is_paced() -> None:
    paced = Trunk(name="paced", networks=(), max_cps=4)
    admission = Admission(max_calls=1000)
    assert [admission.admit(paced, 100.0) is None for _ in range(6)] == [True] * 4 + [False] * 2
    assert admission.admit(paced, 100.2) is not None
    assert admission.admit(paced, 100.25) is None
    assert admission.admit(paced, 100.25) is not None
    admitted = sum(admission.admit(paced, 101.0 + step / 100) is None for step in range(1000))
    assert 40 <= admitted <= 44


def test_a_slow_trunk_is_told_when_to_come_back() -> None:
    slow = Trunk(name="slow", networks=(), max_cps=0.1)
    admission = Admission(max_calls=9)
    assert admission.admit(slow, 0.0) is None
    refusal = admission.admit(slow, 1.0)
    assert refusal is not None
    assert (refusal.reason, refusal.retry_after_s) == (RefusalReason.TRUNK_RATE_LIMIT, 9)
    assert admission.calls == 1


def test_a_trunk_that_is_refused_by_the_dozen_is_refused_briefly() -> None:
    paced = Trunk(name="paced", networks=(), max_cps=1)
    admission = Admission(max_calls=9)
    assert admission.refuse_briefly(paced, 0.0) is None
    assert admission.admit(paced, 0.0) is None
    for _ in range(BRIEF_AFTER):
        assert admission.refuse_briefly(paced, 0.1) is None
        assert admission.admit(paced, 0.1) is not None
    refusal = admission.refuse_briefly(paced, 0.2)
    assert refusal is not None
    assert refusal.reason is RefusalReason.TRUNK_RATE_LIMIT
    assert admission.refuse_briefly(OPEN, 0.2) is None
    # Its turn has come, or the next second: it is looked at again.
    assert admission.refuse_briefly(paced, 1.05) is None
    assert admission.refuse_briefly(paced, 1.2) is None
    assert admission.calls == 1


def test_a_draining_server_takes_nothing() -> None:
    admission = Admission(max_calls=9)
    admission.draining = True
    refusal = admission.admit(OPEN, 0.0)
    assert refusal is not None
    assert refusal.reason is RefusalReason.DRAINING


def test_the_server_has_a_pace_of_its_own_over_all_trunks() -> None:
    other = Trunk(name="other", networks=())
    admission = Admission(max_calls=1000, max_cps=2)
    assert [admission.admit(trunk, 5.0) for trunk in (OPEN, other)] == [None, None]
    refusal = admission.admit(OPEN, 5.0)
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.retry_after_s) == (
        503,
        RefusalReason.SERVER_RATE_LIMIT,
        1,
    )
    assert admission.admit(other, 5.5) is None


def test_a_call_that_the_server_refuses_costs_its_trunk_no_turn() -> None:
    paced = Trunk(name="paced", networks=(), max_cps=1)
    admission = Admission(max_calls=1000, max_cps=1)
    assert admission.admit(OPEN, 5.0) is None
    assert admission.admit(paced, 5.0) is not None
    assert admission.admit(paced, 6.0) is None


def test_a_server_that_runs_late_takes_nobody_until_it_has_caught_up() -> None:
    admission = Admission(max_calls=9, max_lag_s=0.25)
    admission.note_lag(1.0)
    assert admission.admit(OPEN, 0.0) is None  # one hold-up is no overload
    for _ in range(20):
        admission.note_lag(0.5)
    refusal = admission.admit(OPEN, 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (503, RefusalReason.OVERLOADED)
    assert "ms late, more than 250 ms" in refusal.rules[0].detail
    admission.note_lag(0.0)
    assert admission.admit(OPEN, 0.0) is not None
    for _ in range(5):
        admission.note_lag(0.0)
    assert admission.admit(OPEN, 0.0) is None


def test_without_a_limit_lateness_refuses_nobody() -> None:
    admission = Admission(max_calls=9)
    admission.note_lag(60.0)
    assert admission.admit(OPEN, 0.0) is None
