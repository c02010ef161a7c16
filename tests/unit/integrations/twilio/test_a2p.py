"""Registration judged: every state of the account gives one state of the number, with words and a next step."""

from __future__ import annotations

from typing import Any

import pytest

from tieline.integrations.twilio.a2p import (
    STEPS,
    AccountFacts,
    Brand,
    Campaign,
    Registration,
    Service,
    TollFree,
    campaign_problem,
    country_of,
    is_toll_free,
    judge,
)

LOCAL, CANADA, FREE, LONDON = "+12025550143", "+14165550123", "+18005550199", "+442071838750"
IN_SERVICE = (Service(sid="MG1", name="Desk", numbers=(LOCAL, CANADA)),)


def campaign(status: str, *errors: str) -> tuple[Campaign, ...]:
    return (Campaign(service="MG1", status=status, errors=errors),)


def brand(status: str, failure: str = "") -> tuple[Brand, ...]:
    return (Brand(sid="BN1", status=status, failure=failure),)


@pytest.mark.parametrize(
    ("number", "facts", "state"),
    [
        (LONDON, {}, Registration.NOT_NEEDED),
        ("+999", {}, Registration.NOT_NEEDED),
        (LOCAL, {}, Registration.NO_BRAND),
        (LOCAL, {"brands": brand("PENDING")}, Registration.BRAND_PENDING),
        (LOCAL, {"brands": brand("IN_REVIEW")}, Registration.BRAND_PENDING),
        (LOCAL, {"brands": brand("FAILED")}, Registration.BRAND_FAILED),
        (LOCAL, {"brands": brand("SUSPENDED")}, Registration.BRAND_FAILED),
        (LOCAL, {"brands": brand("APPROVED")}, Registration.NO_SERVICE),
        (LOCAL, {"campaigns": campaign("VERIFIED")}, Registration.NO_SERVICE),
        (LOCAL, {"services": IN_SERVICE}, Registration.NO_BRAND),
        (LOCAL, {"services": IN_SERVICE, "brands": brand("APPROVED")}, Registration.NO_CAMPAIGN),
        (
            LOCAL,
            {"services": IN_SERVICE, "campaigns": campaign("IN_PROGRESS")},
            Registration.CAMPAIGN_PENDING,
        ),
        (CANADA, {"services": IN_SERVICE, "campaigns": campaign("PENDING")}, Registration.CAMPAIGN_PENDING),
        (LOCAL, {"services": IN_SERVICE, "campaigns": campaign("FAILED")}, Registration.CAMPAIGN_FAILED),
        (LOCAL, {"services": IN_SERVICE, "campaigns": campaign("VERIFIED")}, Registration.REGISTERED),
        (LOCAL, {"services": IN_SERVICE, "campaigns": campaign("DANCING")}, Registration.UNKNOWN),
        (FREE, {}, Registration.TOLL_FREE_UNVERIFIED),
        (FREE, {"toll_free": "PENDING_REVIEW"}, Registration.TOLL_FREE_PENDING),
        (FREE, {"toll_free": "IN_REVIEW"}, Registration.TOLL_FREE_PENDING),
        (FREE, {"toll_free": "TWILIO_REJECTED"}, Registration.TOLL_FREE_REJECTED),
        (FREE, {"toll_free": "TWILIO_APPROVED"}, Registration.TOLL_FREE_VERIFIED),
        (FREE, {"toll_free": "DANCING"}, Registration.UNKNOWN),
    ],
)
def test_states(number: str, facts: dict[str, Any], state: Registration) -> None:
    status = facts.pop("toll_free", None)
    known = () if status is None else (TollFree(number_sid="PN1", status=status, reason="why"),)
    found = judge(number, "PN1", AccountFacts(**facts, toll_free=known))
    assert found.state is state
    assert found.step is STEPS[state]
    assert found.problems == (("why",) if state is Registration.TOLL_FREE_REJECTED else ())


def test_what_was_wrong_is_told() -> None:
    failed = judge(LOCAL, "PN1", AccountFacts(brands=brand("FAILED", "no such tax id")))
    assert failed.problems == ("no such tax id",)
    facts = AccountFacts(services=IN_SERVICE, campaigns=campaign("FAILED", "a", "b"))
    assert judge(LOCAL, "PN1", facts).problems == ("a", "b")
    assert campaign_problem(30908, "").endswith("(30908)")
    assert campaign_problem(None, "told") == "told"


def test_every_state_has_words_and_a_next_step() -> None:
    assert set(STEPS) == set(Registration)
    for step in STEPS.values():
        assert step.words.endswith(".")
        assert step.next_step.endswith(".")
        assert step.weight in {"good", "wait", "act", "none"}


def test_countries() -> None:
    assert (country_of(LOCAL), country_of(CANADA), country_of(FREE), country_of(LONDON)) == (
        "US",
        "CA",
        "US",
        "GB",
    )
    assert country_of("nonsense") is None
    assert not is_toll_free("nonsense")
