"""Test calls from the browser: by microphone, with keys and sound both ways, and by text."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, ServedStudio, Shoot
from tieline.model.user import Role

SOON_MS = 20_000

HEARD = """() => {
  const phone = document.querySelector('.tl-phone');
  const meters = phone ? [...phone.querySelectorAll('.tl-meter')] : [];
  return meters.length === 2 && Number(meters[1].getAttribute('aria-valuenow')) > 20;
}"""


async def state(page: Page, word: str) -> None:
    """Wait until the call's badge says so."""
    await expect(page.locator(".tl-card .tl-badge", has_text=re.compile(f"^{word}$")).first).to_be_visible(
        timeout=SOON_MS
    )


async def test_somebody_calls_hears_the_agent_presses_a_key_and_hangs_up(
    page: Page, open_page: OpenPage, shoot: Shoot, studio: ServedStudio
) -> None:
    await open_page("/test-call?project=front-desk")
    await shoot("test-call")
    await page.get_by_label("Caller's number").fill("+15557654321")
    await page.get_by_label("Attributes").fill(
        '{"customer": {"first_name": "Ada"}, "shared_id": "browser-1"}'
    )
    await page.get_by_role("button", name="Add header").click()
    await page.get_by_label("Name", exact=True).fill("X-Tier")
    await page.get_by_label("Value").fill("gold")
    await page.get_by_role("button", name="Call by microphone").click()
    await state(page, "talking")
    transcript = page.get_by_role("log")
    await expect(transcript).to_contain_text("Hello Ada")
    await page.wait_for_function(HEARD, timeout=SOON_MS)
    await shoot("test-call-talking")
    await page.locator("body").press("7")
    await expect(transcript).to_contain_text("not one of the choices", timeout=SOON_MS)
    await expect(transcript).to_contain_text("Caller, keypad")
    await page.get_by_role("button", name="Hang up").click()
    await state(page, "ended")
    await expect(page.get_by_text("caller hung up")).to_be_visible(timeout=SOON_MS)
    await shoot("test-call-ended")
    link = page.get_by_role("link", name="Call page")
    href = await link.get_attribute("href") or ""
    assert re.fullmatch(r"/studio/conversations/[0-9a-f-]{36}", href)
    await link.click()
    await page.wait_for_url(f"**{href}")
    await expect(page.get_by_text("Hello Ada").first).to_be_visible(timeout=SOON_MS)
    await expect(page.get_by_text("+15557654321").first).to_be_visible()
    assert await page.get_by_text("INVITE").count()


async def test_the_agent_hangs_up_after_a_key_of_the_page(page: Page, open_page: OpenPage) -> None:
    await open_page("/test-call?project=front-desk")
    await page.get_by_role("button", name="Call by microphone").click()
    await state(page, "talking")
    await page.get_by_role("button", name="Key 1", exact=True).click()
    await expect(page.get_by_role("log")).to_contain_text("Monday to Friday", timeout=SOON_MS)
    await state(page, "ended")
    await expect(page.get_by_text("agent hung up")).to_be_visible(timeout=SOON_MS)


async def test_somebody_talks_by_text_and_sees_the_handoff_that_is_not_carried_out(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    await open_page("/test-call?project=front-desk")
    await page.get_by_role("button", name="Talk by text").click()
    await state(page, "talking")
    line = page.get_by_label("Say something")
    await line.fill("0")
    await line.press("Enter")
    await expect(page.get_by_text("Handoff, not carried out: text")).to_be_visible(timeout=SOON_MS)
    await shoot("test-call-text")


async def test_what_is_wrong_is_said_where_it_is_wrong(page: Page, open_page: OpenPage) -> None:
    await open_page("/test-call")
    await page.get_by_label("Attributes").fill("{")
    await page.get_by_role("button", name="Talk by text").click()
    await expect(page.get_by_text("no JSON")).to_be_visible()
    await page.get_by_label("Attributes").fill("")
    await page.get_by_label("Caller's number").fill("nobody at all")
    await page.get_by_role("button", name="Add header").click()
    await page.get_by_label("Name", exact=True).fill("Via")
    await page.get_by_role("button", name="Talk by text").click()
    await expect(page.get_by_text("no number, such as")).to_be_visible()
    await expect(page.get_by_text("is written by the stack itself")).to_be_visible()


async def test_closing_the_page_ends_the_call(
    page_as: PageAs, studio: ServedStudio, open_page: OpenPage
) -> None:
    caller = await page_as(Role.OPERATOR)
    await open_page("/test-call?project=front-desk", on=caller)
    await caller.get_by_role("button", name="Call by microphone").click()
    await state(caller, "talking")
    href = await caller.get_by_role("link", name="Call page").get_attribute("href")
    assert href is not None
    await caller.close()
    # Once the places of the calls that were up are free again, as many can be placed as are allowed.
    again = await page_as(Role.OPERATOR)
    await open_page("/test-call?project=front-desk", on=again)
    await again.get_by_role("button", name="Talk by text").click()
    await state(again, "talking")
    await again.get_by_role("button", name="Hang up").click()
    await state(again, "ended")


async def test_who_may_only_look_may_not_call(
    page_as: PageAs, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expect("status of 403")
    looker = await page_as(Role.READ_ONLY)
    await open_page("/test-call", on=looker)
    await expect(looker.get_by_text("You may not see this")).to_be_visible()
