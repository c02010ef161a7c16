"""Handoff API: a draft tried on a real conversation before it is saved."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role

PATH = "/handoff-api?project=front-desk"


async def test_the_draft_answers_beside_what_is_answered_now(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """A key under another name is in the draft's answer at once, and in no other until it is saved."""
    await open_page(PATH)
    drafted = page.get_by_label("With these settings")
    await expect(drafted).to_contain_text('"status"')
    await shoot("handoff-api")
    rows = page.get_by_role("group", name="State key")
    there = await rows.count()
    await page.get_by_role("button", name="Add a key").click()
    await expect(rows).to_have_count(there + 1)
    row = rows.last
    await row.get_by_label("State key", exact=True).fill("never_set")
    await row.get_by_label("Shown as").fill("publicName")
    await expect(drafted).to_contain_text('"publicName": null')
    await expect(page.get_by_label("Now", exact=True)).not_to_contain_text("publicName")
    await row.get_by_label("Shown as").fill("contained")
    await expect(page.get_by_role("alert")).to_contain_text("two keys would be exposed as 'contained'")
    await row.get_by_label("Shown as").fill("publicName")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved; it holds for calls that end from now on")).to_be_visible()
    await open_page(PATH)
    await expect(page.get_by_label("Shown as").last).to_have_value("publicName")
    await page.get_by_role("button", name="Remove this key").last.click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved; it holds for calls that end from now on")).to_be_visible()


async def test_kinds_stand_in_for_values_without_the_right(page_as: PageAs, open_page: OpenPage) -> None:
    """Who may not see personal data sees what there is, and no value."""
    page = await open_page(PATH, on=await page_as(Role.OPERATOR, personal_data=False))
    await expect(page.get_by_text("kinds of values stand in for the values")).to_be_visible()
    await expect(page.get_by_label("With these settings")).to_contain_text("(")
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)


async def test_a_project_without_calls(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """There is nothing to try it on yet."""
    await open_page("/handoff-api?project=trunk-test")
    await expect(page.get_by_text("No conversation yet")).to_be_visible()
    await shoot("handoff-api-empty")
