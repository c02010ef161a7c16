"""Registration of US and Canadian senders (A2P 10DLC and toll-free), as the account tells it, in words with what to do.

The facts are read in `registration`; here they are judged, without I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from types import ModuleType

import msgspec

from tieline.integrations.twilio.sms_codes import explain
from tieline.model.record import Record

US = "US"
COUNTRIES = frozenset({US, "CA"})
"""Countries whose ten-digit numbers are registered for messages to the US."""


class Registration(StrEnum):
    """How far the registration of one sender is."""

    REGISTERED = "registered"
    CAMPAIGN_PENDING = "campaign_pending"
    CAMPAIGN_FAILED = "campaign_failed"
    NO_CAMPAIGN = "no_campaign"
    BRAND_PENDING = "brand_pending"
    BRAND_FAILED = "brand_failed"
    NO_BRAND = "no_brand"
    NO_SERVICE = "no_service"
    TOLL_FREE_VERIFIED = "toll_free_verified"
    TOLL_FREE_PENDING = "toll_free_pending"
    TOLL_FREE_REJECTED = "toll_free_rejected"
    TOLL_FREE_UNVERIFIED = "toll_free_unverified"
    NOT_NEEDED = "not_needed"
    UNKNOWN = "unknown"


class Step(Record):
    """A state in words, what to do next, and how much it matters: `good`, `wait`, `act` or `none`."""

    words: str
    next_step: str
    weight: str


_CONSOLE = "in the Twilio console"
_CARDS = (
    (Registration.REGISTERED, "good", "Registered: the number is in a Messaging Service with a verified campaign.",
     "Nothing. Carriers take some time after a number has joined; error 30035 says so."),
    (Registration.CAMPAIGN_PENDING, "wait", "The campaign is being reviewed.",
     "Wait; a review takes days to weeks. Messages to the US are blocked until then (error 30034)."),
    (Registration.CAMPAIGN_FAILED, "act", "The campaign was rejected.",
     f"Correct what is named below {_CONSOLE} (Messaging, Regulatory Compliance, Campaigns), and submit it again."),
    (Registration.NO_CAMPAIGN, "act", "The number's Messaging Service has no campaign.",
     "Register a campaign for the service: what is sent, to whom, and how people agree to it."),
    (Registration.BRAND_PENDING, "wait", "The brand (your business) is being reviewed.",
     "Wait; then register a campaign for the number's Messaging Service."),
    (Registration.BRAND_FAILED, "act", "The brand (your business) was rejected.",
     (f"Correct legal name, tax id and address {_CONSOLE} (Messaging, Regulatory Compliance, Brands), and submit it "
     "again.")),
    (Registration.NO_BRAND, "act", "The account has no registered brand.",
     (f"Register your business as a brand {_CONSOLE}, then a campaign, then add the number to the campaign's Messaging "
     "Service.")),
    (Registration.NO_SERVICE, "act", "The number is in no Messaging Service, so it belongs to no campaign.",
     "Add it to the sender pool of the Messaging Service whose campaign is verified."),
    (Registration.TOLL_FREE_VERIFIED, "good", "The toll-free number is verified.", "Nothing."),
    (Registration.TOLL_FREE_PENDING, "wait", "The toll-free verification is being reviewed.",
     "Wait. Messages to the US and Canada are blocked until then (error 30032)."),
    (Registration.TOLL_FREE_REJECTED, "act", "The toll-free verification was rejected.",
     "Correct what is named below and submit it again; Twilio allows that for some days."),
    (Registration.TOLL_FREE_UNVERIFIED, "act", "The toll-free number is not verified.",
     f"Submit its toll-free verification {_CONSOLE}. Messages are blocked until then (error 30032)."),
    (Registration.NOT_NEEDED, "none", "Numbers of this country are not registered for A2P 10DLC.",
     "Nothing, unless the country has rules of its own."),
    (Registration.UNKNOWN, "wait", "Twilio does not say how far it is.", f"Look at the number {_CONSOLE}."),
)  # fmt: skip

STEPS: dict[Registration, Step] = {
    state: Step(words=words, next_step=next_step, weight=weight) for state, weight, words, next_step in _CARDS
}
"""Every state with its words and its next step."""


class Brand(Record):
    """A brand registration as the account has it; `status` as Twilio spells it."""

    sid: str
    status: str
    failure: str = ""


class Campaign(Record):
    """The campaign of a Messaging Service; `errors` in words."""

    service: str
    status: str
    brand: str = ""
    errors: tuple[str, ...] = ()


class Service(Record):
    """A Messaging Service with the numbers of its sender pool."""

    sid: str
    name: str
    numbers: tuple[str, ...] = ()


class TollFree(Record):
    """A toll-free verification of one number."""

    number_sid: str
    status: str
    reason: str = ""


class AccountFacts(Record):
    """What an account says about registration. `missing` names parts that could not be read, and why."""

    brands: tuple[Brand, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    services: tuple[Service, ...] = ()
    toll_free: tuple[TollFree, ...] = ()
    missing: tuple[str, ...] = ()


class SenderRegistration(Record):
    """One number's registration: the state, its words, what to do, and what Twilio says was wrong."""

    number: str
    country: str | None
    state: Registration
    service: str | None = None
    service_name: str = ""
    problems: tuple[str, ...] = ()

    @property
    def step(self) -> Step:
        """The words and the next step."""
        return STEPS[self.state]


def judge(number: str, number_sid: str, facts: AccountFacts) -> SenderRegistration:
    """How far the registration of a number (E.164, with its SID) is; unknown where what it lacks was not readable."""
    found = _judge(number, number_sid, facts)
    lacks = {
        Registration.NO_BRAND: _is_missing(facts, toll_free=False),
        Registration.NO_SERVICE: _is_missing(facts, toll_free=False),
        Registration.NO_CAMPAIGN: _is_missing(facts, toll_free=False),
        Registration.TOLL_FREE_UNVERIFIED: _is_missing(facts, toll_free=True),
    }
    return msgspec.structs.replace(found, state=Registration.UNKNOWN) if lacks.get(found.state) else found


def _is_missing(facts: AccountFacts, *, toll_free: bool) -> bool:
    """Whether something was not read that would tell of toll-free numbers, or else of all others."""
    if toll_free:
        others = ("Messaging Services", "numbers of", "campaigns of", "brands")
        return any(not one.startswith(others) for one in facts.missing)
    return any(not one.startswith("toll-free") for one in facts.missing)


def _judge(number: str, number_sid: str, facts: AccountFacts) -> SenderRegistration:
    country = country_of(number)
    if country not in COUNTRIES:
        return SenderRegistration(number=number, country=country, state=Registration.NOT_NEEDED)
    if is_toll_free(number):
        return _toll_free(number, country, number_sid, facts.toll_free)
    service = next((one for one in facts.services if number in one.numbers), None)
    if service is None:
        ready = _is_any(facts.campaigns, "VERIFIED")
        state = (None if ready else _brand_state(facts.brands)) or Registration.NO_SERVICE
        return SenderRegistration(
            number=number, country=country, state=state, problems=_brand_problems(facts.brands, state)
        )
    return _in_service(number, country, service, facts)


def _in_service(
    number: str, country: str | None, service: Service, facts: AccountFacts
) -> SenderRegistration:
    found = [one for one in facts.campaigns if one.service == service.sid]
    if _is_any(found, "VERIFIED"):
        state = Registration.REGISTERED
    elif _is_any(found, "PENDING", "IN_PROGRESS"):
        state = Registration.CAMPAIGN_PENDING
    elif _is_any(found, "FAILED", "SUSPENDED"):
        state = Registration.CAMPAIGN_FAILED
    elif found:
        state = Registration.UNKNOWN
    else:
        state = _brand_state(facts.brands) or Registration.NO_CAMPAIGN
    problems = tuple(words for one in found for words in one.errors)
    return SenderRegistration(
        number=number, country=country, state=state, service=service.sid, service_name=service.name,
        problems=problems or _brand_problems(facts.brands, state),
    )  # fmt: skip


def _brand_state(brands: Iterable[Brand]) -> Registration | None:
    """What keeps the account from a campaign; None when a brand is approved."""
    states = {one.status.upper() for one in brands}
    if "APPROVED" in states:
        return None
    if states & {"PENDING", "IN_REVIEW"}:
        return Registration.BRAND_PENDING
    if states & {"FAILED", "SUSPENDED", "DELETION_FAILED"}:
        return Registration.BRAND_FAILED
    return Registration.NO_BRAND


def _brand_problems(brands: Iterable[Brand], state: Registration) -> tuple[str, ...]:
    if state is not Registration.BRAND_FAILED:
        return ()
    return tuple(one.failure for one in brands if one.failure)


def _toll_free(
    number: str, country: str | None, number_sid: str, known: Iterable[TollFree]
) -> SenderRegistration:
    found = [one for one in known if one.number_sid == number_sid]
    states = {one.status.upper() for one in found}
    if "TWILIO_APPROVED" in states:
        state = Registration.TOLL_FREE_VERIFIED
    elif states & {"PENDING_REVIEW", "IN_REVIEW"}:
        state = Registration.TOLL_FREE_PENDING
    elif "TWILIO_REJECTED" in states:
        state = Registration.TOLL_FREE_REJECTED
    else:
        state = Registration.UNKNOWN if states else Registration.TOLL_FREE_UNVERIFIED
    rejected = state is Registration.TOLL_FREE_REJECTED
    return SenderRegistration(
        number=number, country=country, state=state,
        problems=tuple(one.reason for one in found if one.reason) if rejected else (),
    )  # fmt: skip


def _is_any(campaigns: Iterable[Campaign], *states: str) -> bool:
    return any(one.status.upper() in states for one in campaigns)


def campaign_problem(code: int | None, told: str) -> str:
    """One reason for which a campaign was rejected, in words."""
    words = explain(code, told)
    return f"{words} ({code})" if code is not None else words


@cache
def _plans() -> ModuleType:
    """The numbering plans, loaded when first needed."""
    import phonenumbers

    return phonenumbers


def country_of(number: str) -> str | None:
    """The ISO 3166 country of an E.164 number; None when its plan names none."""
    plans = _plans()
    try:
        parsed = plans.parse(number)
    except plans.NumberParseException:
        return None
    region = plans.region_code_for_number(parsed)
    if region is None and parsed.country_code == 1:
        return US  # toll-free and other numbers of the North American plan that belong to no one country
    return None if region is None else str(region)


def is_toll_free(number: str) -> bool:
    """Whether calling an E.164 number is free."""
    plans = _plans()
    try:
        return bool(plans.number_type(plans.parse(number)) == plans.PhoneNumberType.TOLL_FREE)
    except plans.NumberParseException:
        return False
