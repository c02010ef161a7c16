"""Reading what an account says about A2P registration, through the official SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tieline.errors import TielineError
from tieline.integrations.twilio.a2p import AccountFacts, Brand, Campaign, Service, TollFree, campaign_problem
from tieline.integrations.twilio.client import TwilioApi

MOST_SERVICES = 50
"""Messaging Services that are looked at."""

MOST_NUMBERS = 500
"""Numbers of one sender pool that are looked at."""


async def read_registration(api: TwilioApi) -> AccountFacts:
    """Brands, services with their numbers and campaigns, toll-free verifications. What cannot be read is named."""
    missing: list[str] = []

    async def part(name: str, read: Callable[..., Awaitable[list[Any]]], limit: int) -> list[Any]:
        try:
            return await api.call(read(limit=limit))
        except TielineError as error:
            missing.append(f"{name}: {error.message}")
            return []

    messaging = api.sdk.messaging.v1
    services = await part("Messaging Services", messaging.services.list_async, MOST_SERVICES)
    found_services, campaigns = [], []
    for one in services:
        context = messaging.services(one.sid)
        numbers = await part(f"numbers of {one.sid}", context.phone_numbers.list_async, MOST_NUMBERS)
        found_services.append(
            Service(
                sid=str(one.sid),
                name=str(one.friendly_name or ""),
                numbers=tuple(str(number.phone_number) for number in numbers),
            )
        )
        found = await part(f"campaigns of {one.sid}", context.us_app_to_person.list_async, MOST_SERVICES)
        campaigns += [_campaign(str(one.sid), campaign) for campaign in found]
    brands = await part("brands", messaging.brand_registrations.list_async, MOST_SERVICES)
    toll_free = await part(
        "toll-free verifications", messaging.tollfree_verifications.list_async, MOST_NUMBERS
    )
    return AccountFacts(
        brands=tuple(_brand(one) for one in brands),
        campaigns=tuple(campaigns),
        services=tuple(found_services),
        toll_free=tuple(_toll_free(one) for one in toll_free),
        missing=tuple(missing),
    )


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _brand(one: Any) -> Brand:
    errors = [_problem(error) for error in one.errors or () if isinstance(error, dict)]
    failure = str(one.failure_reason or "") or " ".join(errors)
    return Brand(sid=str(one.sid), status=_word(one.status), failure=failure[:500])


def _campaign(service: str, one: Any) -> Campaign:
    return Campaign(
        service=service,
        status=_word(one.campaign_status),
        brand=str(one.brand_registration_sid or ""),
        errors=tuple(_problem(error) for error in one.errors or () if isinstance(error, dict)),
    )


def _problem(error: dict[str, Any]) -> str:
    code = error.get("error_code")
    number = int(code) if isinstance(code, int | str) and str(code).isdecimal() else None
    return campaign_problem(number, str(error.get("description") or ""))


def _toll_free(one: Any) -> TollFree:
    reason = str(one.rejection_reason or "")
    code = one.error_code
    return TollFree(
        number_sid=str(one.tollfree_phone_number_sid),
        status=_word(one.status),
        reason=campaign_problem(code if isinstance(code, int) else None, reason)[:500]
        if reason or code
        else "",
    )
