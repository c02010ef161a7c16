"""Build, SMS, Registration of a connected account: every sender with its state, and what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, ServedStudio, Shoot
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
from tieline.demo.process import ServerProcess

pytestmark = pytest.mark.needs("node", "prism")
NUMBERS = ", ".join(
    f'{{number: "{one}", sid: {number_sid(one)}, project: front-desk}}'
    for one in (US, PENDING, ALONE, FREE, LONDON)
)
TWILIO = f"""
twilio:
  - {{name: main, account: northwind, account_sid: {ACCOUNT}, auth_token: {TOKEN}, numbers: [{NUMBERS}]}}
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The account's Messaging API; toll-free verifications may not be read."""
    hidden = frozenset({"/v1/Tollfree/Verifications"})
    with messaging_api(tmp_path_factory.mktemp("messaging"), hidden=hidden) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory, api: str) -> AsyncIterator[ServedStudio]:
    """A server whose account at Twilio has senders."""
    folder = tmp_path_factory.mktemp("studio-registration")
    served = ServedStudio(folder)
    served.more = TWILIO
    settings: dict[str, dict[str, Any]] = {
        "server": {"drain_timeout_s": 1, "max_lag_ms": 0},
        "twilio": {"api_url": api},
    }
    served.process = ServerProcess(folder, settings)
    await served.start()
    yield served
    await asyncio.to_thread(served.process.stop)


async def test_every_sender_says_its_state_and_the_next_step(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """A campaign that failed and why, one in review, a number outside of any, toll-free, and one that needs nothing."""
    await open_page("/sms?tab=registration")
    for number, words in (
        (US, "privacy policy"), (PENDING, "Shop"), (ALONE, "Messaging Service"), (LONDON, "not needed"),
        (FREE, "unknown"),
    ):  # fmt: skip
        await expect(page.get_by_role("region", name=number)).to_contain_text(words)
    await expect(page.get_by_text("toll-free verifications")).to_be_visible()
    await shoot("sms-registration")
