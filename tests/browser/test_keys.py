"""API keys and SIP tokens: made, shown once, revoked by typing the name."""

from __future__ import annotations

import re

import httpx
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, ServedStudio, Shoot
from tieline.model.user import Role


async def test_what_there_is(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Both tables, without anything that opens doors."""
    await open_page("/keys")
    keys = page.get_by_role("table").first
    await expect(keys.get_by_role("row", name="reserve")).to_contain_text("dni:reserve")
    await expect(page.get_by_text("desk-token")).to_be_visible()
    await shoot("keys")


async def test_a_key_is_made_used_and_revoked(
    page: Page, open_page: OpenPage, shoot: Shoot, studio: ServedStudio
) -> None:
    """Shown once with a request that works; then the row says that it was used; then it is gone."""
    await open_page("/keys")
    await page.get_by_role("button", name="Create API key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Create", exact=True).click()
    await expect(dialog.get_by_text("is needed")).to_have_count(2)
    await dialog.get_by_label("Name", exact=True).fill("dialler")
    await dialog.get_by_role("checkbox", name="conversations:read").click()
    await dialog.get_by_label("Project", exact=True).click()
    await page.get_by_role("option", name="Front desk").click()
    await shoot("keys-create")
    await dialog.get_by_role("button", name="Create", exact=True).click()
    secret = await page.get_by_label("API key", exact=True).inner_text()
    assert re.fullmatch(r"tl_\S{30,}", secret)
    await expect(page.get_by_label("A request with it")).to_contain_text(secret)
    await shoot("keys-secret")
    await page.get_by_role("button", name="I have copied it").click()
    row = page.get_by_role("row", name="dialler")
    await expect(row).to_contain_text("conversations:read")
    await expect(page.get_by_text(secret)).to_have_count(0)
    address = f"{studio.http}/v1/northwind/front-desk/conversations"
    async with httpx.AsyncClient() as client:
        status, tries = 0, 0  # the server takes changed resources over within a second
        while status != 200 and tries < 50:
            status = (await client.get(address, headers={"x-api-key": secret})).status_code
            await page.wait_for_timeout(100)
            tries += 1
        assert status == 200
    await open_page("/keys")
    await expect(row.locator("tl-time").last).to_be_visible()
    await row.get_by_role("button", name="Revoke").click()
    await dialog.get_by_label("Type dialler to confirm").fill("dialler")
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)


async def test_a_token_is_made_and_revoked(page: Page, open_page: OpenPage) -> None:
    """With the header that a trunk has to send."""
    await open_page("/keys")
    await page.get_by_role("button", name="Create SIP token").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("another")
    await dialog.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_label("The trunk sends this header")).to_contain_text(
        "X-PolyAi-Auth-Token: tlt_"
    )
    await page.get_by_role("button", name="I have copied it").click()
    row = page.get_by_role("row", name="another")
    await row.get_by_role("button", name="Revoke").click()
    await dialog.get_by_label("Type another to confirm").fill("another")
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)


async def test_who_may_not_makes_none(page_as: PageAs, open_page: OpenPage) -> None:
    """Builders see keys, and neither make nor revoke one."""
    page = await open_page("/keys", on=await page_as(Role.BUILDER))
    await expect(page.get_by_role("row", name="reserve")).to_be_visible()
    await expect(page.get_by_role("button", name="Create API key")).to_have_count(0)
    await expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
