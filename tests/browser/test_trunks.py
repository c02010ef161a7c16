"""Trunks: the list with live states, one trunk with what to enter at the other side, and the form."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, Shoot
from tieline.model.user import Role


async def test_all_trunks_with_their_states(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """What is watched has a state, what is limited a limit; a row leads to the trunk."""
    await open_page("/trunks")
    await expect(page.get_by_role("row", name="five9")).to_contain_text("not watched")
    await expect(page.get_by_role("row", name="five9")).to_contain_text("50")
    await expect(page.get_by_role("row", name="genesys")).to_contain_text("small")
    await shoot("trunks")
    await page.get_by_role("link", name="five9").click()
    await expect(page.get_by_role("heading", name="five9", exact=True)).to_be_visible()


async def test_one_trunk_says_what_to_enter_at_the_other_side(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """Our address, the ports, the token's header; what the profile forbids; no secret anywhere."""
    await open_page("/trunks/carrier")
    await expect(page.get_by_label("SIP address by UDP")).to_contain_text("sip:127.0.0.1:")
    await expect(page.get_by_label("RTP ports by UDP")).to_contain_text("20000-29999")
    await expect(page.get_by_label("Header that chooses the project")).to_contain_text(
        "X-PolyAi-Auth-Token: <token>"
    )
    await expect(page.get_by_text("The headers of a BYE are read by nobody")).to_be_visible()
    assert "correct horse" not in await page.content()
    await shoot("trunk")


async def test_a_trunk_is_added_changed_and_deleted(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """From the choice of a profile to typing the name; faults unfold the part that they are in."""
    await open_page("/trunks")
    await page.get_by_role("button", name="Add trunk").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What is at the other end").click()
    await page.get_by_role("option", name="Five9", exact=True).click()
    await expect(dialog.get_by_text("REFER is refused: hand over by INVITE or BYE")).to_be_visible()
    await shoot("trunks-add")
    await dialog.get_by_label("Name", exact=True).fill("second-five9")
    await dialog.get_by_label("Addresses that its calls come from").fill("192.0.2.300")
    await dialog.get_by_role("button", name="How we reach it").click()
    await dialog.get_by_label("Our user name").fill("tieline")
    await dialog.get_by_role("button", name="How we reach it").click()
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_text("is not an address or network")).to_be_visible()
    await dialog.get_by_label("Addresses that its calls come from").fill("198.18.0.1\n198.18.1.0/24")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_text("goes with `password`")).to_be_visible()
    await shoot("trunks-faults")
    await dialog.get_by_label("Our password").fill("hush hush")
    await dialog.get_by_label("Target", exact=True).fill("127.0.0.3")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("heading", name="second-five9", exact=True)).to_be_visible()
    await expect(page.get_by_text("198.18.1.0/24")).to_be_visible()
    await page.get_by_role("button", name="Edit").click()
    await expect(dialog.get_by_label("Our password")).to_have_value("")
    await expect(dialog.get_by_text("There is one; leave this empty to keep it")).to_be_visible()
    await dialog.get_by_label("Most calls at one time").fill("7")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("0 of at most 7 calls up")).to_be_visible()
    assert "hush hush" not in await page.content()
    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_label("Type second-five9 to confirm").fill("second-five9")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Trunks", exact=True)).to_be_visible()
    await expect(page.get_by_role("row", name="second-five9")).to_have_count(0)


async def test_one_that_is_needed_is_not_deleted(page: Page, open_page: OpenPage) -> None:
    """What names it is said."""
    await open_page("/trunks/contact-centre")
    await page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Type contact-centre to confirm").fill("contact-centre")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(dialog.get_by_role("alert")).to_contain_text(
        "pool front-desk names the trunk contact-centre"
    )


async def test_who_may_not_change_looks(page_as: PageAs, open_page: OpenPage, complaints: Complaints) -> None:
    """Operators see trunks, and no button that changes one; an unknown trunk is not found."""
    page = await open_page("/trunks/five9", on=await page_as(Role.OPERATOR))
    await expect(page.get_by_label("SIP address by UDP")).to_be_visible()
    await expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    complaints.expect("404")
    await open_page("/trunks/nobody", on=page)
    await expect(page.get_by_text("Not found")).to_be_visible()
