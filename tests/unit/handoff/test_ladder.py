"""The ladder: what comes next, what is skipped and why, and where it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.handoff.parts import AT, dialect, steps
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.ladder import Attempt, Ladder
from tieline.handoff.policy import HandoffFailed
from tieline.model.handoff import Destination, HandoffMethod, HandoffRequest, Rung, SipConfig, SipHeader
from tieline.model.receipt import HandoffFailure, ReceiptState

REFER, INVITE, BYE = HandoffMethod.REFER, HandoffMethod.INVITE, HandoffMethod.BYE
BUSY = HandoffFailed(failure=HandoffFailure.BUSY, status=486)


def destination(name: str, method: HandoffMethod = REFER, *fallback: Rung, **config: Any) -> Destination:
    route = None if method is BYE else f"sip:{name}@example.com"
    return Destination(
        name=name,
        sip_config=SipConfig(method=method, **{"phone_number": route, **config}),
        sip_headers=(SipHeader(key=f"X-{name}", value="1"),),
        fallback=fallback,
        between=f"{name} did not work.",
    )


def climb(ladder: Ladder) -> list[Attempt]:
    """Every attempt, each of them failing."""
    found = []
    attempt = ladder.next(AT)
    while attempt is not None:
        found.append(attempt)
        attempt = ladder.next(AT, BUSY)
    return found


def brief(attempts: list[Attempt]) -> list[tuple[int, str, str | None, str | None]]:
    return [(each.index, each.plan.method.value, each.plan.destination, each.plan.route) for each in attempts]


def skipped(ladder: Ladder) -> list[tuple[int, str | None, str]]:
    found = ladder.receipt.receipt().steps
    return [(each.rung, each.failure.value if each.failure else None, each.detail) for each in found]


DESK = destination("desk", BYE)
SALES = destination(
    "sales", REFER, Rung(method=INVITE), Rung(destination="reception"), Rung(destination="desk")
)
RECEPTION = destination("reception", INVITE, Rung(destination="sales"))
ALL = (SALES, RECEPTION, DESK)


def test_methods_then_destinations_then_bye() -> None:
    request = HandoffRequest(
        destination="sales", reason="wants sales", utterance="One moment.", sip_headers={"X-code": "c"}
    )
    ladder = Ladder(request, ALL, {})
    attempts = climb(ladder)
    assert brief(attempts) == [
        (0, "refer", "sales", "sip:sales@example.com"),
        (1, "invite", "sales", "sip:sales@example.com"),
        (2, "invite", "reception", "sip:reception@example.com"),
        (3, "bye", "desk", None),
    ]
    assert [each.plan.utterance for each in attempts] == ["One moment.", *["sales did not work."] * 3]
    assert attempts[2].plan.headers == (("X-reception", "1"), ("X-code", "c"))
    assert {each.plan.reason for each in attempts} == {"wants sales"}
    assert [len(each.plan.ladder) for each in attempts] == [3, 2, 1, 0]
    assert ladder.receipt.receipt().state is ReceiptState.FAILED
    assert ladder.next(AT, BUSY) is None


def test_the_attempts_write_to_their_own_rungs() -> None:
    ladder = Ladder(HandoffRequest(destination="sales"), ALL, {})
    first = ladder.next(AT)
    second = ladder.next(AT, BUSY)
    assert first is not None
    assert second is not None
    assert second.index == 1
    assert ladder.receipt.receipt().state is ReceiptState.UNDER_WAY


@pytest.mark.parametrize(
    "failed",
    [
        HandoffFailed(failure=HandoffFailure.CALLER_HUNG_UP),
        HandoffFailed(failure=HandoffFailure.TRANSPORT_FAILED, caller_gone=True),
    ],
)
def test_nothing_is_tried_for_a_caller_who_is_gone(failed: HandoffFailed) -> None:
    ladder = Ladder(HandoffRequest(destination="sales"), ALL, {})
    assert ladder.next(AT) is not None
    assert ladder.next(AT, failed) is None
    assert ladder.next(AT) is None
    assert ladder.receipt.receipt().state is ReceiptState.FAILED


def test_another_destinations_ladder_is_not_climbed_and_circles_are_skipped() -> None:
    round_about = destination(
        "sales",
        REFER,
        Rung(destination="reception"),
        Rung(destination="sales"),
        Rung(),
        Rung(destination="reception"),
    )
    ladder = Ladder(HandoffRequest(destination="sales"), (round_about, RECEPTION), {})
    assert [each.plan.destination for each in climb(ladder)] == ["sales", "reception"]
    assert skipped(ladder) == [
        (2, "misconfigured", "this was tried already"),
        (3, "misconfigured", "this was tried already"),
        (4, "misconfigured", "this was tried already"),
    ]


def test_what_cannot_be_planned_is_skipped_with_the_reason() -> None:
    first = destination(
        "sales", REFER, Rung(destination="nowhere"), Rung(destination="bad", method=INVITE), Rung(method=BYE)
    )
    bad = destination("bad", BYE)
    ladder = Ladder(HandoffRequest(destination="sales"), (first, bad), {})
    assert [each.index for each in climb(ladder)] == [0, 3]
    (one, two) = ladder.receipt.receipt().steps
    assert (one.rung, one.method, one.destination, one.failure) == (
        1,
        REFER,
        "nowhere",
        HandoffFailure.MISCONFIGURED,
    )
    assert (two.rung, two.method, two.destination) == (2, INVITE, "bad")
    assert "there is no destination 'nowhere'" in one.detail
    assert "needs a route" in two.detail
    assert steps(ladder.receipt) == ["skipped", "skipped"]


def test_a_refer_is_skipped_where_the_profile_takes_none() -> None:
    ladder = Ladder(
        HandoffRequest(destination="sales"), ALL, {}, dialect(name="agentforce", refer={"supported": False})
    )
    assert [each.index for each in climb(ladder)] == [1, 2, 3]
    assert skipped(ladder) == [(0, "not_supported", "the profile agentforce takes no REFER")]


def test_only_a_refer_that_is_refused_leaves_nothing() -> None:
    ladder = Ladder(
        HandoffRequest(destination="sales"), (destination("sales"),), {}, dialect(refer={"supported": False})
    )
    assert ladder.next(AT) is None
    assert ladder.receipt.receipt().state is ReceiptState.FAILED


def test_the_profiles_ladder_serves_a_handoff_given_in_code() -> None:
    rungs = (Rung(), Rung(method=INVITE), Rung(method=BYE))
    ladder = Ladder(
        HandoffRequest(method=REFER, route="1001", sip_headers={"X-a": "1"}, utterance="One moment."),
        (),
        {},
        dialect(ladder={REFER: rungs}),
    )
    attempts = climb(ladder)
    assert brief(attempts) == [
        (0, "refer", None, "1001"),
        (2, "invite", None, "1001"),
        (3, "bye", None, None),
    ]
    assert attempts[1].plan.headers == (("X-a", "1"),)
    assert attempts[1].plan.utterance is None


def test_a_route_of_the_code_stays_with_its_destination() -> None:
    ladder = Ladder(HandoffRequest(destination="sales", route="2002"), ALL, {})
    assert [each.plan.route for each in climb(ladder)] == [
        "2002",
        "2002",
        "sip:reception@example.com",
        None,
    ]


def test_the_default_by_name_is_the_same_destination() -> None:
    own = destination("sales", REFER, Rung(destination="default", method=BYE))
    ladder = Ladder(HandoffRequest(destination="sales", route="2002"), (own,), {})
    assert brief(climb(ladder)) == [(0, "refer", "sales", "2002"), (1, "bye", "sales", None)]


def test_a_request_that_cannot_be_planned_has_no_ladder() -> None:
    with pytest.raises(UnplannableHandoff):
        Ladder(HandoffRequest(destination="nowhere"), ALL, {})
