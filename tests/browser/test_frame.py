"""What every page has around it, and the parts that pages are made of."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, ServedStudio, Shoot
from tieline.studio.failing import broken_page


async def test_parts_look_right(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Every part, light, dark and at phone width; nothing overlaps, nothing is cut, hostile names are text."""
    await open_page("/parts")
    await expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    await shoot("parts")


async def test_an_address_without_a_page_has_the_frame(
    page: Page, open_page: OpenPage, shoot: Shoot, complaints: Complaints
) -> None:
    """Signed in: the menu is there and leads on."""
    complaints.expect("404")
    await open_page("/nowhere/<b>at</b>/all")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(page.get_by_text("there is no page at this address", exact=False)).to_be_visible()
    await shoot("unknown")
    await open_page("/sign-out")
    await page.get_by_role("button", name="To the overview").click()
    await page.wait_for_url("**/studio/")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_an_address_without_a_page_tells_strangers_nothing(
    page_as: PageAs, studio: ServedStudio
) -> None:
    """Whoever is not signed in is to do that first, whether there is such a page or not."""
    stranger = await page_as(None)
    for path in ("/nowhere", "/users"):
        await stranger.goto(f"{studio.base}{path}")
        await expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_defect_looks_like_the_sign_in(page: Page, shoot: Shoot) -> None:
    """It stands alone: what draws the frame may be what has failed."""
    await page.set_content(bytes(broken_page("/studio/").body).decode())
    await expect(page.get_by_role("link", name="To the overview")).to_be_visible()
    await shoot("broken")


async def test_menu_is_a_drawer_on_a_phone(page: Page, open_page: OpenPage) -> None:
    """The menu is beside the page on a wide screen, and behind a button on a narrow one."""
    await open_page("/")
    menu = page.get_by_role("navigation", name="Studio")
    await expect(menu).to_be_in_viewport()
    await expect(page.get_by_role("link", name="Overview", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    await page.set_viewport_size({"width": 375, "height": 740})
    await expect(menu).not_to_be_in_viewport()
    await page.get_by_role("button", name="Menu").click()
    await expect(menu).to_be_in_viewport()


async def test_theme_is_remembered(page: Page, open_page: OpenPage) -> None:
    """The page follows the system until somebody chooses; the choice holds on the next page."""
    await open_page("/")
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("body.body--dark")).to_have_count(1)
    await page.get_by_role("button", name="Light or dark").click()
    await page.get_by_role("menuitem", name="Light", exact=True).click()
    await expect(page.locator("body.body--light")).to_have_count(1)
    await open_page("/parts")
    await expect(page.locator("body.body--light")).to_have_count(1)


async def test_skip_link_comes_first(page: Page, open_page: OpenPage) -> None:
    """The first Tab reaches a link past the menu."""
    await open_page("/")
    await page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    await expect(link).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".tl-page")).to_be_focused()


async def test_variables_are_completed(page: Page, open_page: OpenPage) -> None:
    """After a `$` names are offered; Enter takes one, by the keyboard alone."""
    await open_page("/parts")
    field = page.get_by_label("Value")
    await field.click()
    await field.press_sequentially("id=$c")
    await expect(page.get_by_role("option")).to_have_text(
        ["$caller_numberwho calls", "$called_numberwhat was dialled"]
    )
    await field.press("ArrowDown")
    await field.press("Enter")
    await expect(field).to_have_value("id=$called_number")
    await expect(page.get_by_role("listbox", name="Variables")).to_have_count(0)


async def test_faults_stand_at_their_fields(page: Page, open_page: OpenPage) -> None:
    """A fault is shown at the field that it is about; one about nothing in particular on top."""
    await open_page("/parts")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".q-field", has=page.get_by_label("Name", exact=True)).first).to_contain_text(
        "is longer than 40 characters"
    )
    await expect(page.locator(".q-field", has=page.get_by_label("Numbers"))).to_contain_text(
        "is in pool desk already"
    )
    await expect(page.get_by_role("alert").filter(has_text="The account is not yours")).to_be_visible()


async def test_name_is_typed_before_deleting(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """The button of a deletion works when the name has been typed."""
    await open_page("/parts")
    await page.get_by_role("button", name="Delete").last.scroll_into_view_if_needed()
    await page.locator(".tl-card", has_text="Dialogs").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    action = dialog.get_by_role("button", name="Delete")
    await expect(action).to_be_disabled()
    await dialog.get_by_label("Type desk to confirm").fill("desk")
    await expect(action).to_be_enabled()
    await shoot("confirm-by-name")
    await action.click()
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_text("deleted")).to_be_visible()


async def test_refresh_stops_when_nobody_looks(page: Page, open_page: OpenPage) -> None:
    """What is kept up to date rests while the page is hidden."""
    await open_page("/parts")
    shown = page.locator(".tl-card", has_text="Refreshes").locator(".tl-figure")
    await expect(shown).not_to_have_text("0")
    await page.evaluate("emitEvent('tieline_visible', false)")
    await page.wait_for_timeout(300)
    before = await shown.inner_text()
    await page.wait_for_timeout(2200)
    assert await shown.inner_text() == before
    await page.evaluate("emitEvent('tieline_visible', true)")
    await expect(shown).not_to_have_text(before)
