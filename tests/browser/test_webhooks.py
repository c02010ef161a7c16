"""Webhooks are added, tested, replaced, disabled and deleted; every attempt is seen."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, ServedStudio, Shoot
from tests.integration.webhook_receiver import Receiver
from tieline.model.user import Role


async def test_an_endpoint_from_its_making_to_its_end(
    page: Page, open_page: OpenPage, shoot: Shoot, studio: ServedStudio
) -> None:
    """The whole life of an endpoint in the browser; nothing goes to a private address unless that is allowed."""
    async with Receiver() as receiver:
        await open_page("/webhooks")
        await expect(page.get_by_text("No endpoints yet")).to_be_visible()
        await shoot("webhooks-empty")
        await page.get_by_role("button", name="Add endpoint").first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name", exact=True).fill("crm")
        await dialog.get_by_label("URL").fill("ftp://crm.example.com")
        await dialog.get_by_role("button", name="Add", exact=True).click()
        await expect(dialog.locator(".q-field--error")).to_contain_text("http")
        await dialog.get_by_label("URL").fill(receiver.url)
        await dialog.get_by_label("Events").click()
        await page.get_by_role("option", name="call.ended").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("option")).to_have_count(0)
        await shoot("webhook-add")
        await dialog.get_by_role("button", name="Add", exact=True).click()
        secret = await page.get_by_label("signing secret", exact=True).inner_text()
        assert secret.startswith("whsec_")
        await shoot("webhook-secret")
        await page.get_by_role("button", name="Done").click()
        await page.wait_for_url("**/webhooks/crm")
        await expect(page.get_by_text("Nothing can be sent there")).to_be_visible()
        assert secret not in await page.content()

        await page.get_by_role("button", name="Send a test").click()
        await page.wait_for_url("**/webhooks/deliveries/*")
        await expect(page.get_by_text("is loopback", exact=False).first).to_be_visible()
        await expect(page.get_by_text("no answer").first).to_be_visible()
        await shoot("webhook-delivery")
        assert receiver.connections == 0
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_label("Attempt 2")).to_be_visible()

        await page.get_by_role("link", name="crm").first.click()
        await page.wait_for_url("**/webhooks/crm")
        await expect(page.get_by_role("link", name="test", exact=True)).to_be_visible()
        await shoot("webhook")
        await page.get_by_role("button", name="More of crm").click()
        await page.get_by_role("menuitem", name="Replace the secret").click()
        await page.get_by_role("dialog").get_by_role("button", name="Replace", exact=True).click()
        await expect(page.get_by_label("signing secret", exact=True)).not_to_have_text(secret)
        await page.get_by_role("button", name="Done").click()
        await expect(page.get_by_text("Old secret signs until")).to_be_visible()

        await open_page("/webhooks")
        await expect(page.get_by_role("link", name="crm", exact=True)).to_be_visible()
        await shoot("webhooks")

        await _end(page, open_page)


async def _end(page: Page, open_page: OpenPage) -> None:
    await open_page("/webhooks/crm")
    await page.get_by_role("button", name="More of crm").click()
    await page.get_by_role("menuitem", name="Disable").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    await expect(page.get_by_role("button", name="Send a test")).to_have_count(0)
    await page.get_by_role("button", name="More of crm").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_label("Type crm to confirm").fill("crm")
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No endpoints yet")).to_be_visible()


async def test_a_looker_changes_nothing(page_as: PageAs, open_page: OpenPage) -> None:
    """Without the rights there are no buttons."""
    page = await page_as(Role.READ_ONLY)
    await open_page("/webhooks", on=page)
    await expect(page.get_by_role("heading", name="Webhooks", level=1)).to_be_visible()
    await expect(page.get_by_role("button", name="Add endpoint")).to_have_count(0)
