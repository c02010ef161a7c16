"""Settings: values with their sources, the server's state, and the resources as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role

FILE = """
accounts: [{slug: northwind, name: Northwind Traders & Sons}]
sip_tokens: [{name: made-here, project: front-desk}]
"""


async def test_settings_say_where_they_come_from(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Values, defaults and sources; search and what differs from the default."""
    await open_page("/settings")
    await expect(page.get_by_text("takes calls")).to_be_visible()
    await shoot("settings")
    await page.get_by_label("Search").fill("drain_timeout")
    row = page.get_by_role("row", name="server.drain_timeout_s")
    await expect(row).to_contain_text("tieline.toml:")
    await expect(row).to_contain_text("default: ")
    await page.get_by_label("Search").fill("no such thing")
    await expect(page.get_by_text("No such setting")).to_be_visible()


async def test_resources_are_exported(page: Page, open_page: OpenPage) -> None:
    """The file has the resources and no secret."""
    await open_page("/settings")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export as YAML").click()
    file = Path(await (await download.value).path())
    text = await asyncio.to_thread(file.read_text)
    assert "slug: front-desk" in text
    assert "correct horse" not in text


async def test_file_is_looked_at_before_it_is_applied(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """First the changes, then the deed; a token that is made is shown once; faults are told with their lines."""
    await open_page("/settings")
    await page.get_by_role("button", name="Apply a YAML").click()
    dialog = page.get_by_role("dialog")
    async with page.expect_file_chooser() as chooser:
        await dialog.get_by_role("button", name="Choose a file").click()
    given = {"name": "given.yaml", "mimeType": "application/yaml", "buffer": b"accounts: []"}
    await (await chooser.value).set_files(given)  # type: ignore[arg-type]
    text = dialog.get_by_label("YAML")
    await expect(text).to_have_value("accounts: []")
    await text.fill("accounts: [{slug: northwind, nmae: x}]")
    await dialog.get_by_role("button", name="Show what changes").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("nmae")
    await text.fill(FILE)
    await dialog.get_by_role("button", name="Show what changes").click()
    await expect(dialog.get_by_text("2 resources change")).to_be_visible()
    await expect(dialog.get_by_text("sip tokens / made-here")).to_be_visible()
    await shoot("settings-apply")
    await dialog.get_by_role("button", name="Apply", exact=True).click()
    await expect(dialog.get_by_text("2 changes were made.")).to_be_visible()
    await expect(dialog.locator("[data-copied]")).to_contain_text("tlt_")


async def test_reader_may_not_apply(page_as: PageAs, open_page: OpenPage) -> None:
    """Somebody who may only look sees settings and cannot apply a file."""
    page = await page_as(Role.READ_ONLY)
    await open_page("/settings", on=page)
    await expect(page.get_by_role("button", name="Apply a YAML")).to_have_count(0)


async def test_tenant_may_not_see_settings(
    page_as: PageAs, open_page: OpenPage, shoot: Shoot, complaints: object
) -> None:
    """Settings concern everybody: somebody of one account is told so."""
    complaints.expect("403")  # type: ignore[attr-defined]
    page = await page_as(Role.OWNER, account="ACCOUNT-lakeside", email="lakeside@example.com")
    await open_page("/settings", on=page)
    await expect(page.get_by_text("You may not see this")).to_be_visible()
    await shoot("not-allowed", on=page)
