"""Numbers & Pools: making a pool, filling it from a file, lending its numbers, taking them out of service."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, Shoot
from tieline.model.user import Role


async def _notified(page: Page, text: str) -> None:
    await expect(page.locator(".q-notification", has_text=text).first).to_be_visible()


async def test_pools_at_a_glance(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """A card for each pool says how full it is."""
    await open_page("/pools")
    card = page.get_by_role("link", name=re.compile("front-desk")).filter(has_text="free").first
    await expect(card).to_contain_text("reserved")
    await shoot("pools")
    await card.click()
    await expect(page.get_by_role("heading", name="front-desk", level=1)).to_be_visible()


async def _fill(page: Page, shoot: Shoot) -> None:
    """Add numbers from a file with a fault in it, then typed."""
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Add numbers").click()
    await dialog.locator("input[type=file]").set_input_files(
        {
            "name": "dnis.csv",
            "mimeType": "text/csv",
            "buffer": b"dni;site\n+15550130;a\n+15550131;b\nnone;c\n",
        }
    )
    await expect(dialog.get_by_text("2 new numbers: +15550130 to +15550131")).to_be_visible()
    await expect(dialog.get_by_text("Line 4: not a phone number")).to_be_visible()
    await shoot("pool-add-numbers")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_text("Correct the lines named below")).to_be_visible()
    await dialog.get_by_label("Numbers").fill("+15550130-+15550133")
    await expect(dialog.get_by_text("4 new numbers")).to_be_visible()
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("row", name=re.compile(r"\+15550133"))).to_be_visible()


async def _try(page: Page, shoot: Shoot) -> None:
    """Reserve a number, with attributes that are none first."""
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Try it").click()
    await dialog.get_by_label("Attributes").fill("{broken")
    await dialog.get_by_role("button", name="Reserve a number").click()
    await expect(dialog.get_by_text("The attributes are not JSON")).to_be_visible()
    await dialog.get_by_label("Attributes").fill('{"shared_id": "s-1"}')
    await dialog.get_by_role("button", name="Reserve a number").click()
    await expect(dialog.get_by_text("+15550130 is yours for")).to_be_visible()
    await expect(dialog.get_by_label("Dial string")).to_contain_text("sip:+15550130@")
    await expect(dialog.get_by_label("Request")).to_contain_text("dni-reservation")
    await shoot("pool-try-it")
    await dialog.get_by_role("button", name="Cancel").click()
    reservations = page.locator(".tl-card", has=page.get_by_role("heading", name="Reservations"))
    await expect(reservations.get_by_role("cell", name="+15550130")).to_be_visible()
    await reservations.get_by_role("button", name="Attributes").first.click()
    await expect(page.get_by_role("dialog").get_by_text('"shared_id":"s-1"')).to_be_visible()
    await page.get_by_role("dialog").get_by_role("button", name="Close").click()


async def _take_out(page: Page) -> None:
    """Drain a number and look at its history."""
    await page.get_by_role("row", name=re.compile(r"\+15550132")).get_by_role("button", name="Drain").click()
    await page.get_by_role("dialog").get_by_role("button", name="Go on").click()
    await _notified(page, "+15550132 is draining")
    await page.get_by_label("Search digits").fill("0132")
    await expect(page.get_by_role("row", name=re.compile(r"\+15550132.*draining"))).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile(r"\+15550133"))).to_have_count(0)
    await (
        page.get_by_role("row", name=re.compile(r"\+15550132")).get_by_role("button", name="History").click()
    )
    await expect(page.get_by_role("dialog").get_by_text("Never lent")).to_be_visible()
    await page.get_by_role("dialog").get_by_role("button", name="Close").click()


async def test_a_pool_is_made_filled_used_and_deleted(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """The whole life of a pool, faults included."""
    await open_page("/pools")
    await page.get_by_role("button", name="Add pool").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("spare pool")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_contain_text("is not a name")
    await shoot("pool-add-fault")
    await dialog.get_by_label("Name", exact=True).fill("spare")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("heading", name="spare", level=1)).to_be_visible()
    await expect(page.get_by_text("No numbers here")).to_be_visible()
    await shoot("pool-empty")
    await _fill(page, shoot)
    await _try(page, shoot)
    await _take_out(page)
    await expect(dialog).to_have_count(0)
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("dialog").get_by_label("Type spare to confirm").fill("spare")
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Numbers & Pools", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile("spare"))).to_have_count(0)


async def test_one_pool_looks_right(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Gauges, the last hour, forecast, numbers, reservations and terms."""
    await open_page("/pools/front-desk")
    await expect(page.get_by_role("img", name="Numbers in use over the last hour")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile(r"\+15550100 ")).first).to_be_visible()
    await shoot("pool")
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name="Edit terms").click()
    await expect(page.get_by_role("dialog").get_by_label("Lifetime", exact=True)).to_have_value("180")
    await shoot("pool-terms")
    await page.get_by_role("dialog").get_by_label("Longest lifetime").fill("10")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_contain_text("is not between min_ttl_s")


async def test_a_reader_changes_nothing_and_sees_no_attributes(page_as: PageAs, open_page: OpenPage) -> None:
    """Buttons that would be refused are not there; personal data is hidden."""
    reader = await page_as(Role.READ_ONLY, personal_data=False)
    await open_page("/pools/front-desk", on=reader)
    await expect(reader.get_by_role("row", name=re.compile(r"\+15550100 ")).first).to_be_visible()
    for name in ("Try it", "Add numbers", "Drain: give it out no more", "Give it up"):
        await expect(reader.get_by_role("button", name=name)).to_have_count(0)
    await reader.get_by_role("button", name="Attributes").first.click()
    await expect(reader.get_by_role("dialog").get_by_text("Attributes are hidden")).to_be_visible()


async def test_a_pool_that_is_not_there(page: Page, open_page: OpenPage, complaints: Complaints) -> None:
    """Says so, and leads back."""
    complaints.expect("404")
    await open_page("/pools/none")
    await expect(page.get_by_text("There is no pool none")).to_be_visible()
