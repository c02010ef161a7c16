"""Analyze: conversations, one call, refused calls and dashboards."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Complaints, OpenPage, PageAs, ServedStudio, Shoot
from tieline.model.sms import SmsMessage, SmsState
from tieline.model.user import Role
from tieline.model.webhook import DeliveryAttempt, DeliveryState, EventType, WebhookEvent
from tieline.softphone.phone import Softphone
from tieline.store.sqlite import SqliteStore

CALL = "/conversations/seed-call-02"


def table_of(page: Page, name: str) -> Locator:
    """The table with that label."""
    return page.locator(f'.tl-table[aria-label="{name}"]')


async def test_conversations_are_listed_and_searched(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """The list, a search that the address carries, and the way to one call."""
    await open_page("/conversations")
    rows = table_of(page, "Calls").locator("tbody tr")
    await expect(rows).to_have_count(24)
    await shoot("conversations")
    await page.get_by_label("Number, shared id, SIP Call-ID or call id").fill("+1 555 019 02")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/conversations?q=*")
    await expect(rows).to_have_count(1)
    await open_page("/conversations?q=shared-0005")
    await expect(rows).to_have_count(1)
    await page.get_by_role("link", name="+155501905").click()
    await page.wait_for_url("**/conversations/seed-call-05")
    await open_page("/conversations?ended=agent_failed")
    await expect(rows).to_have_count(4)
    await open_page("/conversations?ended=nonsense")
    await expect(page.get_by_text("This cannot be searched for")).to_be_visible()
    await open_page("/conversations?q=nobody")
    await expect(page.get_by_text("No call matches")).to_be_visible()
    await shoot("conversations-empty")


async def test_times_are_entered_in_the_viewers_zone(page: Page, studio: ServedStudio) -> None:
    """Summer and winter; the address has the offset, and means the same elsewhere."""
    await page.context.clear_cookies(name="tieline_zone")  # the browser's first page: it tells its zone
    await page.goto(f"{studio.base}/conversations?start=2030-07-01T08:30Z")
    start = page.get_by_label("From", exact=True)
    await expect(start).to_have_value("2030-07-01T10:30")
    await start.fill("2030-01-01T10:30")
    await start.press("Enter")
    await page.wait_for_url("**/conversations?start=2030-01-01T10%3A30%2B01%3A00")
    await expect(start).to_have_value("2030-01-01T10:30")
    await page.get_by_label("Until", exact=True).fill("2030-07-01T10:30")
    await page.get_by_label("Until", exact=True).press("Enter")
    await page.wait_for_url("**end=2030-07-01T10%3A30%2B02%3A00")
    await expect(page.get_by_label("From", exact=True)).to_have_value("2030-01-01T10:30")


async def test_pages_of_calls_go_on_and_back(page: Page, open_page: OpenPage) -> None:
    """Older and newer lead to the neighbouring pages; filters stay."""
    await open_page("/conversations?ended=handed-off")
    await expect(table_of(page, "Calls").locator("tbody tr")).to_have_count(8)
    await expect(page.get_by_role("button", name="Older")).to_have_count(0)


async def test_a_call_shows_everything(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """A handoff that failed first: words, rules, transcript, receipt, ladder, sound; hostile text is text."""
    await open_page(CALL)
    await expect(page.get_by_text("Handed off", exact=True)).to_be_visible()
    await expect(page.get_by_text("Order 4711 is on its way.")).to_be_visible()
    await expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    await expect(page.get_by_text("603 Decline").first).to_be_visible()
    await expect(table_of(page, "Audio of each leg")).to_contain_text("jitter", ignore_case=True)
    arrows = page.locator("tl-ladder .arrow")
    assert await arrows.count() >= 6
    await shoot("call")
    await arrows.first.click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("INVITE sip:+15550140@127.0.0.1 SIP/2.0")
    await shoot("call-message")
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    await arrows.nth(2).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("SIP/2.0 200 OK")


async def test_a_call_shows_what_it_sent(
    page: Page, open_page: OpenPage, shoot: Shoot, studio: ServedStudio
) -> None:
    """Events that were told to webhooks, and text messages."""
    now = datetime.now(UTC)
    store = SqliteStore(studio.database)
    await store.open(now)
    call = await store.conversation("seed-call-03")
    assert call is not None
    told = WebhookEvent(
        id="evt-1", type=EventType.CALL_ENDED, at=now, account=call.opened.account, project=call.opened.project,
        subject="seed-call-03", data={},
    )  # fmt: skip
    sent = SmsMessage(
        id="sms-1", account=call.opened.account, project=call.opened.project, conversation_id="seed-call-03",
        to="+15550177", from_="+15550100", content="Your order is on its way.", state=SmsState.UNDELIVERED,
        detail="the carrier took it for spam", created_at=now, changed_at=now,
    )  # fmt: skip
    try:
        delivery = await store.send_event(told, "crm", now)
        attempt = DeliveryAttempt(at=now, status=503, error=None, duration_ms=12.0)
        await store.save_attempt(delivery, attempt, DeliveryState.FAILED, None)
        await store.add_sms([sent])
    finally:
        await store.close()
    await open_page("/conversations/seed-call-03")
    await expect(table_of(page, "Told to webhooks")).to_contain_text("503")
    await expect(table_of(page, "Text messages")).to_contain_text("the carrier took it for spam")
    await shoot("call-sent")


async def test_an_export_is_downloaded(page: Page, open_page: OpenPage, tmp_path: Path) -> None:
    """Without personal data, and with them."""
    for choice, there in (("Without personal data", False), ("With personal data", True)):
        await open_page(CALL)
        await page.get_by_role("button", name="Export").click()
        async with page.expect_download() as downloading:
            await page.get_by_role("menuitem", name=choice).click()
        download = await downloading.value
        path = tmp_path / "call.zip"
        await download.save_as(path)
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            assert set(archive.namelist()) == {"call.json", "ladder.pcap", "about.txt"}
            assert (b"15550140" in archive.read("ladder.pcap")) is there
            assert (b"is on its way" in archive.read("call.json")) is there


async def test_personal_data_are_hidden_without_the_right(
    page_as: PageAs, open_page: OpenPage, shoot: Shoot
) -> None:
    """Masked numbers, no transcript, no message bodies, no export with personal data."""
    page = await page_as(Role.OPERATOR, personal_data=False, email="o@example.com")
    await open_page(CALL, on=page)
    await expect(page.get_by_text("Personal data are hidden")).to_be_visible()
    await shoot("call-hidden", on=page)
    body = await page.locator("body").inner_text()
    for personal in ("on its way", "4711", "+155501902", "gold", "spring"):
        assert personal not in body, personal
    await page.locator("tl-ladder .arrow").first.click()
    await expect(page.get_by_role("dialog")).to_contain_text("X-Note: (hidden)")
    await expect(page.get_by_role("dialog")).not_to_contain_text("15550140")
    await open_page(CALL, on=page)
    await page.get_by_role("button", name="Export").click()
    await expect(page.get_by_role("menuitem", name="Without personal data")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="With personal data", exact=True)).to_have_count(0)
    await open_page("/conversations", on=page)
    assert "+155501902" not in await page.locator("body").inner_text()


async def test_a_call_that_is_not_there(page: Page, open_page: OpenPage, complaints: Complaints) -> None:
    """Says so."""
    complaints.expect("404")
    await open_page("/conversations/nobody")
    await expect(page.get_by_text("Not found")).to_be_visible()


async def test_refused_calls_say_what_to_do(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Each with its rules and the fix; by reason and by trunk."""
    await open_page("/refused")
    await expect(page.get_by_text("Nobody knows this sender").first).to_be_visible()
    await expect(page.get_by_text("add its address to a trunk", exact=False).first).to_be_visible()
    await shoot("refused")
    await page.get_by_label("Trunk").click()
    await page.get_by_role("option", name="five9").click()
    await expect(page.get_by_role("heading", name="The trunk is full")).to_be_visible()
    await expect(page.get_by_role("heading", name="Nobody knows this sender")).to_have_count(0)
    await page.get_by_label("Source address").fill("192.0.2.77")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No refused call matches")).to_be_visible()


async def test_dashboards_show_figures_as_charts_and_tables(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """The last day and the last week, of a project and of one that has no calls."""
    await open_page("/dashboards?days=7")
    await expect(table_of(page, "Calls by time").locator("tbody tr").first).to_be_visible()
    await expect(table_of(page, "Handoffs by method")).to_contain_text("REFER")
    await expect(page.locator(".tl-chart canvas, .tl-chart svg")).to_have_count(2)
    await shoot("dashboards")
    await page.get_by_role("combobox", name="Project").click()
    await page.get_by_role("option", name="trunk-test").click()
    await page.wait_for_url("**project=*")


async def test_nobody_is_on_the_line(page: Page, open_page: OpenPage, shoot: Shoot) -> None:
    """Live without calls."""
    await open_page("/live")
    await expect(page.get_by_text("No call is up")).to_be_visible()
    await shoot("live-empty")


async def test_a_call_is_followed_live_and_hung_up(
    page: Page, open_page: OpenPage, shoot: Shoot, studio: ServedStudio
) -> None:
    """It appears by itself, its page grows as it goes on, and an operator ends it."""
    await open_page("/live")
    await expect(page.get_by_text("No call is up")).to_be_visible()
    assert studio.addresses.sip_udp is not None
    port = studio.addresses.sip_udp[1]
    async with Softphone() as phone:
        calling = await phone.dial(f"sip:+15550140@127.0.0.1:{port}", caller="+15550188")
        link = page.get_by_role("link", name="+15550188")
        await expect(link).to_be_visible()
        await expect(page.get_by_text("No call is up")).to_be_hidden()
        await expect(page.locator(".tl-live .tl-badge")).to_have_text("good")
        await expect(page.locator(".tl-count", has_text="contact-centre")).to_contain_text("1")
        await shoot("live")
        await page.get_by_label("Filter").fill("nobody")
        await expect(link).to_have_count(0)
        await page.get_by_label("Filter").fill("front-desk")
        await link.click()
        await page.wait_for_url("**/conversations/*")
        turns = page.get_by_role("log", name="Transcript").locator(".tl-turn")
        await expect(turns.first).to_be_visible()
        await expect(page.get_by_role("button", name="Export")).to_have_count(0)
        await expect(page.locator("tl-ladder .arrow").first).to_be_visible()
        await expect(table_of(page, "Audio of each leg")).to_contain_text("PCMU")
        await shoot("call-live")
        await calling.audio.speech_ended()
        await calling.press("1")
        await expect(turns.get_by_text(re.compile(r"Caller \(.*\): 1$"))).to_be_visible()
        await page.get_by_role("button", name="Hang up").click()
        await page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
        ending = await calling.ended
        assert ending.by == "them"
        await expect(page.get_by_text("Ended by an operator")).to_be_visible()
        await expect(page.locator("tl-ladder .arrow").first).to_be_visible()
        await expect(page.get_by_role("button", name="Hang up")).to_have_count(0)
    await open_page("/live")
    await expect(page.get_by_text("No call is up")).to_be_visible()
