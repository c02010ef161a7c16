"""Telephony > Twilio in the browser: connect, choose, let go, disconnect, and the errors on the way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, ServedStudio, Shoot
from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer, twilio_api
from tieline.demo.process import ServerProcess
from tieline.model.user import Role

pytestmark = pytest.mark.needs("node", "prism")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioApiServer]:
    """The account at Twilio."""
    with twilio_api(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def studio(
    tmp_path_factory: pytest.TempPathFactory, account: TwilioApiServer
) -> AsyncIterator[ServedStudio]:
    """A server of these tests' own, that takes the account for Twilio."""
    folder: Path = tmp_path_factory.mktemp("studio-twilio")
    served = ServedStudio(folder)
    served.process = ServerProcess(
        folder, {"server": {"drain_timeout_s": 1, "max_lag_ms": 0}, "twilio": {"api_url": account.url}}
    )
    await served.start()
    yield served
    await asyncio.to_thread(served.process.stop)
    log = served.process.log.read_text(errors="replace")
    assert TOKEN not in log


async def test_an_account_is_connected_used_and_disconnected(
    account: TwilioApiServer, page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """The whole way: nothing there, wrong credentials, right ones, a number chosen, let go, the account gone."""
    account.number(1)["voice_url"] = "https://old.example/voice"
    account.number(1)["voice_method"] = "GET"
    await open_page("/twilio")
    await expect(page.get_by_text("No Twilio account is connected")).to_be_visible()
    await shoot("twilio-empty")
    await page.get_by_role("button", name="Connect").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Account SID").fill("AC12")
    await dialog.get_by_label("Auth Token").fill(TOKEN)
    await dialog.get_by_role("button", name="Check and connect").click()
    await expect(dialog.get_by_text("an Account SID (AC and 32 hex digits)")).to_be_visible()
    await dialog.get_by_label("Account SID").fill(ACCOUNT)
    await dialog.get_by_label("Auth Token").fill("wrong")
    await dialog.get_by_role("button", name="Check and connect").click()
    await expect(dialog.get_by_text("Twilio does not accept these credentials")).to_be_visible()
    await shoot("twilio-connect")
    await dialog.get_by_label("Auth Token").fill(TOKEN)
    await dialog.get_by_role("button", name="Check and connect").click()
    await expect(page.get_by_text("+15555550101")).to_be_visible()
    assert TOKEN not in await page.content()
    await shoot("twilio-connected")

    row = page.get_by_role("row").filter(has_text="+15555550101")
    await expect(row).to_contain_text("in use elsewhere")
    await row.get_by_role("button", name="Choose where it goes").click()
    await expect(page.get_by_role("dialog").get_by_text("https://old.example/voice")).to_be_visible()
    await shoot("twilio-choose")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("comes here")
    there = account.number(1)
    assert there["voice_url"].endswith("/voice/call")
    assert there["voice_fallback_url"].endswith("/voice/fallback")
    assert there["status_callback"].endswith("/voice/status")
    assert there["sms_url"].endswith("/sms/inbound")
    await shoot("twilio-chosen")

    await row.get_by_role("button", name="Let it go").click()
    await expect(row).to_contain_text("in use elsewhere")
    assert (there["voice_url"], there["voice_method"], there["sms_url"]) == (
        "https://old.example/voice", "GET", "",
    )  # fmt: skip

    await (
        page.get_by_role("row")
        .filter(has_text="+15555550100")
        .get_by_role("button", name="Choose where it goes")
        .click()
    )
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_role("row").filter(has_text="+15555550100")).to_contain_text("comes here")
    await _pooled_and_by_sip(account, page, open_page, shoot)
    await page.get_by_role("button", name="Disconnect").click()
    await page.get_by_label("Type main to confirm").fill("main")
    await page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_text("No Twilio account is connected")).to_be_visible()
    assert (account.number(0)["voice_url"], there["voice_url"]) == ("", "https://old.example/voice")


async def _pooled_and_by_sip(account: TwilioApiServer, page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """A number without its messages, then in a pool; the trunk of the SIP path."""
    there = account.number(1)
    row = page.get_by_role("row").filter(has_text="+15555550101")
    await row.get_by_role("button", name="Choose where it goes").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Its messages come here, too").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("comes here")
    await expect(row).to_contain_text("to nobody")
    assert there["voice_url"].endswith("/voice/call")
    await row.get_by_role("button", name="Let it go").click()
    await expect(row).to_contain_text("in use elsewhere")

    await page.get_by_role("button", name="Add to pool").click()
    await dialog.get_by_label("Numbers").click()
    await page.get_by_role("option", name="+15555550101").click()
    await page.keyboard.press("Escape")
    await dialog.get_by_label("Pool", exact=True).click()
    await page.get_by_role("option", name="small").click()
    await shoot("twilio-pool")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(row).to_contain_text("pool small")
    assert there["voice_url"].endswith("/voice/call")
    await shoot("twilio-pooled")

    await page.get_by_role("button", name="Make the SIP trunk").click()
    await expect(dialog.get_by_text("54.172.60.0/30")).to_be_visible()
    await shoot("twilio-trunk")
    await dialog.get_by_role("button", name="Make it").click()
    await expect(page).to_have_url(re.compile("/trunks/main-sip"))
    await open_page("/twilio")
    await expect(page.get_by_role("link", name="main-sip")).to_be_visible()


async def test_those_who_may_only_look_see_no_button(
    page_as: PageAs, open_page: OpenPage, complaints: Complaints
) -> None:
    """A read-only person sees that there is nothing, and cannot connect."""
    page = await page_as(Role.READ_ONLY)
    await open_page("/twilio", on=page)
    await expect(page.get_by_text("No Twilio account is connected")).to_be_visible()
    await expect(page.get_by_role("button", name="Connect")).to_have_count(0)
