"""Functions view: what an agent's folder holds, to be read."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, Shoot


async def test_functions_are_shown_with_their_source(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Start function, flows and steps; the source of the one that is clicked; what the checker says."""
    await open_page("/functions/front-desk")
    await expect(page.get_by_text("can be served")).to_be_visible(timeout=20_000)
    await expect(page.locator("tl-source")).to_contain_text("def start_function(conv")
    step = page.get_by_role("button", name="check_number")
    await step.click()
    await expect(page.locator("tl-source")).to_contain_text("def check_number(")
    await expect(step).to_have_attribute("aria-current", "true")
    await shoot("functions")


async def test_project_without_a_folder_says_so(page: Page, open_page: OpenPage) -> None:
    """A project that only answers has nothing to show."""
    await open_page("/functions/trunk-test")
    await expect(page.get_by_text("trunk-test has no folder")).to_be_visible()
