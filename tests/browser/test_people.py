"""Signing in, inviting and changing people, one's own account, and the audit log, in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, ServedStudio, Shoot, settled
from tieline.model.user import Role

PASSWORD = "tall green horse"


async def invite(page: Page, open_page: OpenPage, email: str, name: str) -> str:
    """Invite an operator; the one-time link."""
    await open_page("/users")
    await page.get_by_role("button", name="Invite").click()
    dialog = page.locator(".tl-dialog")
    await dialog.get_by_label("E-mail").fill(email)
    await dialog.get_by_label("Name", exact=True).fill(name)
    await dialog.get_by_role("button", name="Invite").click()
    link = page.get_by_text(re.compile(r"/studio/join\?token="))
    await expect(link).to_be_visible()
    return await link.inner_text()


async def test_somebody_is_invited_joins_and_is_removed(
    page: Page, open_page: OpenPage, page_as: PageAs, shoot: Shoot
) -> None:
    """The whole life of a person, with pictures on the way."""
    link = await invite(page, open_page, "bob@example.com", "Bob <b>Builder</b>")
    await shoot("users-link", measure=False)
    await page.get_by_role("button", name="Done").click()
    row = page.locator("tr", has_text="bob@example.com")
    await expect(row).to_contain_text("invited")
    theirs = await page_as(None)
    await theirs.goto(link)
    await shoot("join", on=theirs)
    await theirs.get_by_label("Password").fill(PASSWORD)
    await theirs.get_by_label("Once more").fill(PASSWORD)
    await theirs.get_by_role("button", name="Set password").click()
    await settled(theirs)
    await expect(theirs.get_by_role("button", name="Your account")).to_contain_text("bob@example.com")
    await open_page("/users")
    await expect(row).to_contain_text("active")
    await shoot("users")
    await row.get_by_role("button", name="Remove").click()
    dialog = page.locator(".tl-dialog")
    await expect(dialog.get_by_role("button", name="Remove")).to_be_disabled()
    await dialog.get_by_role("textbox").fill("Bob <b>Builder</b>")
    await dialog.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)
    await theirs.wait_for_url("**/studio/sign-in**")


async def test_rights_change_on_open_pages(
    page: Page, open_page: OpenPage, page_as: PageAs, studio: ServedStudio, complaints: Complaints
) -> None:
    """Somebody who is given a role sees its menu at the next page; disabled, they are out at once."""
    complaints.expect("403")
    theirs = await page_as(Role.OPERATOR, email="eve@example.com", name="Eve")
    await open_page("/users", on=theirs)
    await expect(theirs.get_by_text("You may not see this")).to_be_visible()
    await open_page("/users")
    row = page.locator("tr", has_text="eve@example.com")
    await row.get_by_role("button", name="Edit").click()
    await page.locator(".tl-dialog").get_by_label("Role").click()
    await page.get_by_role("option", name="owner:").click()
    await page.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("owner")
    await open_page("/users", on=theirs)
    await expect(theirs.get_by_role("button", name="Invite")).to_be_visible()
    await row.get_by_role("button", name="Disable").click()
    await page.locator(".tl-dialog").get_by_role("button", name="Disable").click()
    await expect(row).to_contain_text("disabled")
    await theirs.wait_for_url("**/studio/sign-in**")


async def test_faults_are_shown_where_they_are(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """An invitation with a bad address says so at the field."""
    await open_page("/users")
    await page.get_by_role("button", name="Invite").click()
    dialog = page.locator(".tl-dialog")
    await dialog.get_by_label("E-mail").fill("nobody")
    await dialog.get_by_role("button", name="Invite").click()
    await expect(dialog.get_by_text("is not an e-mail address")).to_be_visible()
    await expect(dialog.get_by_text("is missing")).to_be_visible()
    await shoot("users-invite", measure=False)


async def test_signing_in_and_out(
    page: Page,
    open_page: OpenPage,
    page_as: PageAs,
    studio: ServedStudio,
    shoot: Shoot,
    complaints: Complaints,
) -> None:
    """By password, to the page that was wanted; out again ends every tab."""
    complaints.expect("401")
    link = await invite(page, open_page, "ada@example.com", "Ada")
    theirs = await page_as(None)
    await theirs.goto(link)
    await theirs.get_by_label("Password").fill(PASSWORD)
    await theirs.get_by_label("Once more").fill(PASSWORD)
    await theirs.keyboard.press("Enter")
    await settled(theirs)
    tab = await theirs.context.new_page()
    await open_page("/", on=tab)
    await theirs.get_by_role("button", name="Your account").click()
    await theirs.get_by_text("Sign out").click()
    await theirs.wait_for_url("**/studio/sign-in")
    await tab.wait_for_url("**/studio/sign-in**")
    await theirs.goto(f"{studio.base}/me")
    await theirs.get_by_label("E-mail").fill("ada@example.com")
    await theirs.get_by_label("Password").fill("not her password")
    await theirs.get_by_role("button", name="Sign in").click()
    await expect(theirs.get_by_role("alert")).to_contain_text("do not go together")
    await shoot("sign-in", on=theirs)
    await theirs.get_by_label("Password").fill(PASSWORD)
    await theirs.get_by_role("button", name="Sign in").click()
    await theirs.wait_for_url("**/studio/me")
    await settled(theirs)


async def test_ones_own_account(page_as: PageAs, open_page: OpenPage, shoot: Shoot) -> None:
    """Name, faults of a password, and other browsers."""
    here = await page_as(Role.BUILDER, email="cara@example.com", name="Cara")
    there = await page_as(Role.BUILDER, email="cara@example.com", name="Cara")
    await open_page("/", on=there)
    await open_page("/me", on=here)
    await shoot("me", on=here)
    await here.get_by_label("Name", exact=True).fill("Cara C.")
    await here.get_by_role("button", name="Save").click()
    await expect(here.get_by_text("Your name is saved.")).to_be_visible()
    await here.get_by_label("The password that you have").fill("wrong")
    await here.get_by_label("New password").fill("another long one")
    await here.get_by_role("button", name="Change password").click()
    await expect(here.get_by_text("is not your password")).to_be_visible()
    await here.get_by_role("button", name="Sign out everywhere else").click()
    await there.wait_for_url("**/studio/sign-in**")
    await expect(here.get_by_text("this one")).to_be_visible()


async def test_the_audit_log(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Entries with what became of what; filters are in the address."""
    await invite(page, open_page, "log@example.com", "Log")
    await open_page("/audit")
    entry = page.locator("li", has_text="log@example.com").first
    await expect(entry).to_contain_text("invited")
    await expect(entry).to_contain_text("operator")
    await shoot("audit")
    await page.get_by_label("Name", exact=True).fill("nothing of that name")
    await page.get_by_role("button", name="Filter").click()
    await page.wait_for_url("**/audit?name=nothing+of+that+name")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()
    await page.get_by_role("button", name="Clear").click()
    await page.wait_for_url("**/audit")
    await expect(page.locator("li", has_text="log@example.com").first).to_be_visible()
