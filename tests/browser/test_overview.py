"""The first page: figures, what went wrong, and a newcomer's checklist."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role


async def test_overview_shows_how_things_stand(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Pools, trunks, refusals and failed handoffs of the seeded company; hostile text stays text."""
    await open_page("/")
    await expect(
        page.locator(".tl-card", has_text="Free numbers").first.locator(".tl-figure")
    ).not_to_have_text("0")
    await expect(page.get_by_role("link", name="front-desk", exact=True)).to_be_visible()
    await expect(page.get_by_text("no trunk's networks hold the source address 198.18.0.9")).to_be_visible()
    await expect(page.get_by_text("declined")).to_be_visible()
    await expect(page.get_by_text("No new calls are taken")).to_have_count(0)
    await shoot("overview")


async def test_checklist_goes_when_it_is_done(page: Page, open_page: OpenPage) -> None:
    """The seeded company has made its first call: no first steps are shown."""
    await open_page("/")
    await expect(page.get_by_text("First steps")).to_have_count(0)


async def test_checklist_shows_a_newcomer_the_way(page_as: PageAs, open_page: OpenPage, shoot: Shoot) -> None:
    """Somebody of an account in which nothing is done yet sees what to do, in order."""
    page = await page_as(Role.OWNER, account="ACCOUNT-lakeside", email="lakeside@example.com")
    await open_page("/", on=page)
    steps = page.get_by_role("listitem")
    await expect(steps.first).to_contain_text("Make a project")
    await expect(steps.last).to_contain_text("optional")
    await expect(page.get_by_text("No pools yet")).to_be_visible()
    await shoot("overview-new", on=page)
