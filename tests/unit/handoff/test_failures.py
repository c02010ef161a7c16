"""What a SIP status means, and what to do about each failure."""

import pytest

from tieline.handoff.failures import MEANING_OF, RETRY_OF, failure_of
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Retry

REFER, INVITE = HandoffMethod.REFER, HandoffMethod.INVITE


@pytest.mark.parametrize(
    ("method", "status", "failure"),
    [
        (REFER, 405, "not_supported"),
        (REFER, 501, "not_supported"),
        (REFER, 420, "not_supported"),
        (REFER, 489, "not_supported"),
        (REFER, 403, "forbidden"),
        (REFER, 603, "declined"),
        (REFER, 401, "authentication_failed"),
        (REFER, 407, "authentication_failed"),
        (REFER, 408, "no_response"),
        (INVITE, 408, "no_answer"),
        (INVITE, 404, "not_found"),
        (INVITE, 410, "not_found"),
        (INVITE, 484, "not_found"),
        (INVITE, 604, "not_found"),
        (INVITE, 486, "busy"),
        (INVITE, 600, "busy"),
        (INVITE, 480, "no_answer"),
        (INVITE, 487, "no_answer"),
        (INVITE, 488, "media_refused"),
        (INVITE, 606, "media_refused"),
        (INVITE, 415, "media_refused"),
        (REFER, 415, "not_supported"),
        (INVITE, 302, "redirected"),
        (INVITE, 503, "unavailable"),
        (REFER, 500, "unavailable"),
        (INVITE, 481, "rejected"),
        (INVITE, 699, "rejected"),
    ],
)
def test_a_status_stands_for_a_failure(method: HandoffMethod, status: int, failure: str) -> None:
    assert failure_of(method, status) == failure


@pytest.mark.parametrize(
    ("status", "failure"), [(408, "no_response"), (503, "transport_failed"), (486, "busy")]
)
def test_a_status_made_here_tells_of_silence_or_of_the_transport(status: int, failure: str) -> None:
    assert failure_of(INVITE, status, made_here=True) == failure


def test_every_failure_has_its_advice_and_its_sentence() -> None:
    assert set(RETRY_OF) == set(MEANING_OF) == set(HandoffFailure)
    assert set(RETRY_OF.values()) == set(Retry)
    assert all(sentence.endswith(".") for sentence in MEANING_OF.values())
