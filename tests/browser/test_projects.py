"""Projects are listed, made, changed and deleted; secrets are set and never shown."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role


async def test_projects_are_listed(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Each project with its numbers and pools; a click opens it."""
    await open_page("/projects")
    await shoot("projects")
    await page.get_by_role("link", name="front-desk", exact=True).click()
    await expect(page.get_by_role("heading", name="Front desk", level=1)).to_be_visible()


async def test_project_page_looks_right(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Settings, what belongs to it, secrets."""
    await open_page("/projects/front-desk")
    await shoot("project")


async def test_project_is_made_changed_and_deleted(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """The whole life of a project in the browser, with every refusal at its field."""
    await open_page("/projects")
    await page.get_by_role("button", name="Add project").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Slug").fill("front-desk")
    await dialog.get_by_label("Answer and hold").click()
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "there is a project front-desk already", ignore_case=True
    )
    await dialog.get_by_label("Slug").fill("back-office")
    await dialog.get_by_label("Numbers").fill("200")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.locator(".q-field--error")).to_contain_text("200")
    await shoot("project-add")
    await dialog.get_by_label("Numbers").fill("201")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await page.wait_for_url("**/projects/back-office")

    await page.get_by_label("Name", exact=True).fill("Back office <b>")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Back office <b>", level=1)).to_be_visible()

    await page.get_by_role("button", name="Set a secret").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("CRM_KEY")
    await page.get_by_role("dialog").get_by_label("Value").fill("hunter2hunter2")
    await page.get_by_role("dialog").get_by_role("button", name="Set", exact=True).click()
    await expect(page.locator(".tl-chip", has_text="CRM_KEY")).to_be_visible()
    assert "hunter2" not in await page.content()
    await page.get_by_label("Remove CRM_KEY").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No secrets")).to_be_visible()

    await page.get_by_role("button", name="Delete").click()
    await page.get_by_label("Type back-office to confirm").fill("back-office")
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await page.wait_for_url("**/projects")
    await expect(page.get_by_role("link", name="back-office")).to_have_count(0)


async def test_project_in_use_is_kept(page: Page, open_page: OpenPage) -> None:
    """A project with a pool is not deleted, and what is in the way is named."""
    await open_page("/projects/front-desk")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_label("Type front-desk to confirm").fill("front-desk")
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog").get_by_role("alert").first).to_be_visible()


async def test_reader_changes_nothing(page_as: PageAs, open_page: OpenPage, shoot: Shoot) -> None:
    """Somebody who may only look sees the facts, and no button that changes any."""
    page = await page_as(Role.READ_ONLY)
    await open_page("/projects", on=page)
    await expect(page.get_by_role("button", name="Add project")).to_have_count(0)
    await open_page("/projects/front-desk", on=page)
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)
    await expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    await shoot("project-read-only", on=page)


async def test_unknown_project_is_said_so(
    page: Page, open_page: OpenPage, shoot: Shoot, complaints: object
) -> None:
    """A project that is not there has a page that says so."""
    complaints.expect("404")  # type: ignore[attr-defined]
    await open_page("/projects/nobody")
    await expect(page.get_by_text("There is no project nobody.")).to_be_visible()
    await shoot("not-found")
