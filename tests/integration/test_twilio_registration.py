"""A2P registration read by the official SDK from a Messaging API that Twilio's description holds to its word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.twilio_api.messaging import (
    ALONE,
    FREE,
    LONDON,
    PENDING,
    US,
    messaging_api,
    number_sid,
)
from tests.integration.twilio_api.server import ACCOUNT, TOKEN
from tieline.integrations.twilio.a2p import AccountFacts, Registration, judge
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.registration import read_registration
from tieline.model.twilio import TwilioConnection

pytestmark = pytest.mark.needs("node", "prism")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with messaging_api(tmp_path_factory.mktemp("messaging")) as running:
        yield running


async def read(url: str, token: str = TOKEN) -> AccountFacts:
    api = TwilioApi(TwilioConnection(name="main", account="ws-1", account_sid=ACCOUNT, auth_token=token), url)
    try:
        return await read_registration(api)
    finally:
        await api.close()


async def test_every_sender_is_judged_by_what_the_account_says(url: str) -> None:
    facts = await read(url)
    assert facts.missing == ()
    found = {
        number: judge(number, number_sid(number), facts) for number in (US, PENDING, ALONE, FREE, LONDON)
    }
    assert {number: one.state for number, one in found.items()} == {
        US: Registration.CAMPAIGN_FAILED,
        PENDING: Registration.CAMPAIGN_PENDING,
        ALONE: Registration.NO_SERVICE,
        FREE: Registration.TOLL_FREE_REJECTED,
        LONDON: Registration.NOT_NEEDED,
    }
    assert (found[US].service_name, found[PENDING].service_name) == ("Desk", "Shop")
    (problem,) = found[US].problems
    assert "privacy policy" in problem
    assert "30908" in problem
    assert "30891" in found[FREE].problems[0]


async def test_what_may_not_be_read_is_named(url: str) -> None:
    facts = await read(url, "another token")
    assert len(facts.missing) == 3
    assert all("does not accept these credentials" in one for one in facts.missing)
    assert judge(US, number_sid(US), facts).state is Registration.UNKNOWN
