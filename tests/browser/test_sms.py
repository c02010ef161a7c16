"""Build, SMS: templates measured while one types, messages with their errors explained, opt-outs, registration."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, PageAs, Shoot
from tieline.model.user import Role


async def test_templates_show_their_length_and_senders(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Those of the resources, with what forces the long encoding."""
    await open_page("/sms?project=front-desk")
    thanks = page.get_by_role("region", name="thanks", exact=True)
    await expect(thanks).to_contain_text("UCS-2")
    await expect(thanks).to_contain_text("— 😀")
    await expect(page.get_by_role("region", name="order_ready")).to_contain_text("+12025550143")
    await shoot("sms-templates")


async def test_a_template_is_written_and_counted_and_deleted(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """The counter and the preview follow the keys, a token is completed, faults stand at their fields."""
    await open_page("/sms?project=trunk-test")
    await expect(page.get_by_text("No template yet")).to_be_visible()
    await shoot("sms-templates-empty")
    await page.get_by_role("button", name="Add template").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("code")
    text = dialog.get_by_label("Text", exact=True)
    await text.click()
    await text.press_sequentially("Call $caller")
    await expect(page.get_by_role("option")).to_have_text(["$caller_numberevery call"])
    await text.press("Enter")
    await expect(text).to_have_value("Call $caller_number")
    await expect(dialog.get_by_label("Preview")).to_have_text("Call ‹caller_number›")
    await expect(dialog.get_by_role("status")).to_contain_text("GSM-7 · 1 segment")
    await text.press_sequentially(" “now”")
    await expect(dialog.get_by_role("status")).to_contain_text("UCS-2")
    await expect(dialog.get_by_role("status")).to_contain_text("“ ”")
    await dialog.get_by_label("Live").fill("nobody in particular")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog.get_by_text("SMS sender")).to_be_visible()
    await shoot("sms-template-form")
    await dialog.get_by_label("Live").fill("+12025550143")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("region", name="code", exact=True)).to_contain_text("+12025550143")
    await page.get_by_role("button", name="Actions for code").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await dialog.get_by_label("Type code to confirm").fill("code")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No template yet")).to_be_visible()


async def test_messages_say_what_went_wrong(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """The list, and one message with its history, the error in words and the fix."""
    await open_page("/sms?project=front-desk&tab=messages")
    table = page.get_by_role("table").first
    await expect(table).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(table).to_contain_text("belongs to no registered campaign")
    await shoot("sms-messages")
    unregistered = table.get_by_role("row").filter(has_text="belongs to no registered campaign")
    await unregistered.get_by_text("undelivered").first.click()
    await expect(page.get_by_text("Twilio's error 30034")).to_be_visible()
    await expect(page.get_by_role("button", name="Send again")).to_be_visible()
    await shoot("sms-message")
    await open_page("/sms?project=front-desk&tab=messages&state=delivered")
    await expect(page.get_by_role("table").first.get_by_role("row")).to_have_count(2)


async def test_people_are_masked_without_the_right(open_page: OpenPage, page_as: PageAs) -> None:
    """An operator without the right sees neither numbers nor texts, and takes no opt-out back."""
    operator = await page_as(Role.OPERATOR, personal_data=False)
    await open_page("/sms?project=front-desk&tab=messages", on=operator)
    await expect(operator.get_by_text("(hidden)").first).to_be_visible()
    await expect(operator.get_by_text("+12025550140")).to_have_count(0)
    await open_page("/sms?tab=opt-outs", on=operator)
    await expect(operator.get_by_text("•••••••••49")).to_be_visible()
    await expect(operator.get_by_role("button", name="Take the opt-out back")).to_have_count(0)


async def test_a_message_by_hand_is_checked(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """What can never be sent is said at the fields; without an account the message is refused, in words."""
    await open_page("/sms?project=front-desk&tab=messages")
    await page.get_by_role("button", name="Send a message").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("To", exact=True).fill("4711")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await expect(dialog.get_by_text("must be an E.164 number")).to_be_visible()
    await expect(dialog.get_by_text("the content of an SMS must be text")).to_be_visible()
    await shoot("sms-send")


async def test_a_template_is_filled_by_hand(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Every token has its field, the preview follows, and the project's picker keeps the tab."""
    await open_page("/sms?project=front-desk&tab=messages")
    await page.get_by_role("button", name="Send a message").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("To", exact=True).fill("+12025550155")
    await dialog.get_by_label("Template").click()
    await page.get_by_role("option", name="order_ready").click()
    await dialog.get_by_label("customer_name").fill("Ann")
    await expect(dialog.get_by_label("Preview")).to_contain_text("Hi Ann, your order ‹order.id› is ready")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await expect(dialog.get_by_text("there is no value for {{attr:order.id}}")).to_be_visible()
    await shoot("sms-send-template")
    await dialog.get_by_label("order.id").fill("4711")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("table").first).to_contain_text("Hi Ann, your order 4711 is ready")
    await page.get_by_label("Project", exact=True).click()
    await page.get_by_role("option", name="trunk-test").click()
    await expect(page.get_by_role("button", name="Messages")).to_have_attribute("aria-current", "page")
    await expect(page).to_have_url(re.compile(r"project=trunk-test&tab=messages"))


async def test_an_opt_out_asks_for_a_reason(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """It is not taken back without one."""
    await open_page("/sms?tab=opt-outs")
    await expect(page.get_by_text("+12025550149")).to_be_visible()
    await shoot("sms-opt-outs")
    await page.get_by_role("button", name="Take the opt-out back").click()
    await page.get_by_role("button", name="Take it back", exact=True).click()
    await expect(page.get_by_text("say why: they asked for no more messages")).to_be_visible()
    await shoot("sms-opt-out-end")


async def test_registration_says_what_it_needs(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Without an account there is nothing to show, and what to do."""
    await open_page("/sms?tab=registration")
    await expect(page.get_by_text("No Twilio account is connected")).to_be_visible()
    await shoot("sms-registration-empty")
