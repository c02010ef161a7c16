"""Call Handoffs: cards, the form with its warnings, the menu of each card."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role

EMPTY = "/handoffs?project=trunk-test"


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def choose(page: Page, label: str, option: str) -> None:
    """Choose in a select by its label."""
    await page.get_by_role("dialog").get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def act(page: Page, name: str, action: str) -> None:
    """Take an entry of a card's menu."""
    await page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    await page.get_by_role("menuitem", name=action).click()


async def test_what_there_is_shows_as_cards(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Those of the folder beside those of the resources; hostile text is text; what gets lost is counted."""
    await open_page("/handoffs?project=front-desk")
    await expect(card(page, "night_service")).to_contain_text("SIP REFER")
    await expect(card(page, "supervisor")).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(card(page, "contact_centre")).to_contain_text("agent's folder")
    await shoot("handoffs")


async def test_the_first_one_with_its_headers(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Add the first, be warned while typing, complete a variable; it becomes the default; delete it again."""
    await open_page(EMPTY)
    await expect(page.get_by_text("No handoff yet")).to_be_visible()
    await shoot("handoffs-empty")
    await page.get_by_role("button", name="Add Handoff").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("Billing")
    await dialog.get_by_label("Description").fill("Questions about bills")
    await expect(dialog.get_by_label("Encryption")).to_be_hidden()
    await dialog.get_by_label("Extension / Number").fill("+15550123")
    await expect(dialog.get_by_text("five9 refuses REFER").first).to_be_visible()
    await dialog.get_by_role("button", name="Add SIP Header").click()
    await dialog.get_by_label("Header name").fill("Reason-Code")
    await expect(dialog.get_by_text("Without X- in front")).to_be_visible()
    await expect(dialog.get_by_text("Name it X-Reason-Code.").first).to_be_visible()
    value = dialog.get_by_label("Value")
    await value.click()
    await value.press_sequentially("id $conv")
    await expect(page.get_by_role("option")).to_have_text(["$conversation_idevery call"])
    await value.press("Enter")
    await expect(value).to_have_value("id $conversation_id")
    await shoot("handoffs-add")
    await dialog.get_by_label("Header name").fill("X-Reason-Code")
    await expect(dialog.get_by_text("Without X- in front")).to_have_count(0)
    await choose(page, "When it fails", "These steps")
    await choose(page, "How", "SIP BYE")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_have_count(0)
    await expect(card(page, "Billing")).to_contain_text("default")
    await expect(card(page, "Billing")).to_contain_text("X-Reason-Code")
    await expect(card(page, "Billing")).to_contain_text("SIP BYE")
    await delete(page, "Billing")
    await expect(page.get_by_text("No handoff yet")).to_be_visible()


async def test_the_menu_of_a_card(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Set the default, duplicate, edit, delete by typing the name; a BYE has no route, an INVITE has more fields."""
    await open_page(EMPTY)
    dialog = page.get_by_role("dialog")
    for name in ("Night", "Give back"):
        await page.get_by_role("button", name="Add Handoff").first.click()
        await dialog.get_by_label("Name", exact=True).fill(name)
        await choose(page, "Method", "SIP BYE")
        await expect(dialog.get_by_label("Extension / Number")).to_be_hidden()
        await dialog.get_by_role("button", name="Add", exact=True).click()
        await expect(card(page, name)).to_contain_text("back to where the call came from")
    await act(page, "Give back", "Set as default")
    await expect(card(page, "Give back").get_by_text("default", exact=True)).to_be_visible()
    await expect(card(page, "Night").get_by_text("default", exact=True)).to_have_count(0)
    await act(page, "Night", "Duplicate")
    await expect(card(page, "Night copy")).to_be_visible()
    await act(page, "Night copy", "Edit")
    await dialog.get_by_label("Name", exact=True).fill("Accounts")
    await choose(page, "Method", "SIP INVITE")
    await choose(page, "Encryption", "UDP/RTP")
    await choose(page, "Trunk that carries the call", "genesys")
    await choose(page, "Route", "SIP URI")
    await dialog.get_by_label("SIP URI", exact=True).fill("accounts@pbx.example.com")
    await dialog.get_by_label("Whisper").fill("A caller with a bill")
    await shoot("handoffs-invite")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(card(page, "Accounts")).to_contain_text("sip:accounts@pbx.example.com")
    await expect(card(page, "Night copy")).to_have_count(0)
    for name in ("Accounts", "Give back", "Night"):
        await delete(page, name)


async def delete(page: Page, name: str) -> None:
    """Delete by typing the name."""
    await act(page, name, "Delete")
    dialog = page.get_by_role("dialog")
    remove = dialog.get_by_role("button", name="Delete", exact=True)
    await expect(remove).to_be_disabled()
    await dialog.get_by_label(f"Type {name} to confirm").fill(name)
    await remove.click()
    await expect(card(page, name)).to_have_count(0)


async def test_faults_stand_at_their_fields(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """What is wrong is said where it is, and nothing is saved."""
    await open_page(EMPTY)
    await page.get_by_role("button", name="Add Handoff").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Add SIP Header").click()
    await dialog.get_by_label("Header name").fill("Via")
    await dialog.get_by_label("Value").fill("x")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    name = dialog.locator(".q-field", has=page.get_by_label("Name", exact=True)).first
    await expect(name).to_contain_text("is empty")
    header = dialog.locator(".q-field", has=page.get_by_label("Header name")).first
    await expect(header).to_contain_text("reserved")
    await shoot("handoffs-faults")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)


async def test_the_folders_own_is_laid_over_and_given_back(page: Page, open_page: OpenPage) -> None:
    """A change to a destination of the agent's folder is a copy laid over it."""
    await open_page("/handoffs?project=front-desk")
    await act(page, "contact_centre", "Lay a change over it")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Description").fill("Other people")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(card(page, "contact_centre")).to_contain_text("laid over the agent's folder")
    await expect(card(page, "contact_centre")).to_contain_text("Differs from the folder's in description")
    await act(page, "contact_centre", "Go back to the folder's")
    await dialog.get_by_label("Type contact_centre to confirm").fill("contact_centre")
    await dialog.get_by_role("button", name="Go back", exact=True).click()
    await expect(card(page, "contact_centre")).not_to_contain_text("laid over")


async def test_who_may_not_build_sees_cards_alone(page_as: PageAs, open_page: OpenPage) -> None:
    """Operators look."""
    page = await open_page("/handoffs?project=front-desk", on=await page_as(Role.OPERATOR))
    await expect(card(page, "night_service")).to_be_visible()
    await expect(page.get_by_role("button", name="Add Handoff")).to_have_count(0)
    await expect(page.get_by_role("button", name="Actions for night_service")).to_have_count(0)
