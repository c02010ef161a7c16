"""A page that is drawn anew after something was changed: in its place, without a navigation."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage


async def test_a_page_is_drawn_anew_in_its_place(page: Page, open_page: OpenPage) -> None:
    """It is the same document, at the same place, with the focus on the same button; only the content is new."""
    await open_page("/parts")
    await page.evaluate("window.stays = true")
    button = page.get_by_role("button", name="Draw anew")
    await button.scroll_into_view_if_needed()
    scrolled = await page.evaluate("window.scrollY")
    assert scrolled > 0
    first = await page.locator(".tl-page-body").get_attribute("id")
    await button.click()
    await expect(page.locator(f".tl-page-body:not(#{first})")).to_have_count(1)
    await expect(page.locator("h1")).to_have_count(1)
    await expect(button).to_be_focused()
    assert await page.evaluate("[window.stays, window.scrollY]") == [True, scrolled]
    await page.get_by_role("button", name="First", exact=True).click()  # what is new works, too
    await expect(page.get_by_text("done")).to_be_visible()


async def test_a_change_by_a_dialog_shows_at_once(page: Page, open_page: OpenPage) -> None:
    """The dialog goes, the page has what was set, and the focus is where the dialog was opened."""
    await open_page("/projects/front-desk")
    await page.evaluate("window.stays = true")
    for name in ("ZULU_KEY", "YANKEE_KEY"):
        await page.get_by_role("button", name="Set a secret").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name", exact=True).fill(name)
        await dialog.get_by_label("Value", exact=True).fill("of no worth")
        await dialog.get_by_role("button", name="Set").click()
        await expect(page.get_by_text(name, exact=True)).to_be_visible()
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_role("button", name="Set a secret")).to_be_focused()
    for name in ("ZULU_KEY", "YANKEE_KEY"):
        await page.get_by_role("button", name=f"Remove {name}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text(name, exact=True)).to_have_count(0)
    assert await page.evaluate("window.stays")
