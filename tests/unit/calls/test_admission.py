"""Limits: calls on the server and on a trunk, calls per second, draining."""

from tieline.calls.admission import Admission
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


def test_a_draining_server_takes_nothing() -> None:
    admission = Admission(max_calls=9)
    admission.draining = True
    refusal = admission.admit(OPEN, 0.0)
    assert refusal is not None
    assert refusal.reason is RefusalReason.DRAINING
