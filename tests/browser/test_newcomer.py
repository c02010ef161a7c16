"""One person's first hour, in one story: from an empty folder to calls, a Twilio account and a file of it all.

The pictures that it takes on the way are those of the tutorial (`tools/pictures.py`), which tells the same walk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.conftest import SHOTS, Complaints, at_rest, settled
from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer, twilio_api
from tieline.demo.process import Addresses, ServerProcess
from tieline.softphone.phone import CallFailed, Softphone

pytestmark = pytest.mark.needs("node", "prism")

PASSWORD = "seven green bottles"
SOON_MS = 20_000
SIZE = {"width": 1280, "height": 800}


class Newcomer:
    """Somebody with an empty folder, a browser, and no idea: `page` is theirs, `studio` the address they were told."""

    def __init__(self, process: ServerProcess, addresses: Addresses, page: Page) -> None:
        self.process = process
        self.addresses = addresses
        self.page = page
        self.key = ""

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    async def menu(self, entry: str, *, on: Page | None = None) -> None:
        """Follow an entry of the menu."""
        page = on or self.page
        await page.locator(".q-drawer").get_by_role("link", name=entry, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(entry)
        await settled(page)

    async def step(self, title: str) -> None:
        """Follow a step of the first page's checklist."""
        await self.menu("Overview")
        await self.page.locator(".tl-steps").get_by_role("link", name=title).click()
        await self.page.wait_for_url(lambda url: not url.endswith("/studio/"))
        await settled(self.page)

    async def step_is_done(self, title: str) -> None:
        """The checklist has ticked a step off."""
        await self.menu("Overview")
        line = self.page.locator(".tl-step", has=self.page.get_by_role("link", name=title))
        await expect(line).to_contain_text("done")

    async def choose(self, label: str, option: str) -> None:
        """Choose in a select of the dialog."""
        await self.dialog.get_by_label(label, exact=True).click()
        await self.page.get_by_role("option", name=option, exact=True).click()

    async def picture(self, name: str, *, on: Page | None = None) -> None:
        """Take one of the tutorial's pictures."""
        page = on or self.page
        await page.mouse.move(0, 0)
        await at_rest(page)
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / f"newcomer-{name}.png", animations="disabled")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwilioApiServer]:
    """The account at Twilio."""
    with twilio_api(tmp_path_factory.mktemp("twilio")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def newcomer(tmp_path: Path, browser: Browser, account: TwilioApiServer) -> AsyncIterator[Newcomer]:
    """`tieline serve` in an empty folder: free ports and Twilio's stand-in are all that is set."""
    process = ServerProcess(
        tmp_path, {"server": {"drain_timeout_s": 1, "max_lag_ms": 0}, "twilio": {"api_url": account.url}}
    )
    addresses = await asyncio.to_thread(process.start)
    context = await browser.new_context(
        viewport=SIZE,  # type: ignore[arg-type]
        color_scheme="light", locale="en-GB", timezone_id="Europe/Berlin",
    )  # fmt: skip
    context.set_default_timeout(15_000)
    page = await context.new_page()
    complaints = Complaints(addresses.http.partition("//")[2])
    complaints.watch(page)
    context.on("page", complaints.watch)
    try:
        yield Newcomer(process, addresses, page)
        complaints.check()
    finally:
        await page.screenshot(path=SHOTS / "newcomer-end.png")
        await context.close()
        await asyncio.to_thread(process.stop)
    log = process.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-4000:]
    assert TOKEN not in log


async def test_a_newcomer_gets_all_the_way(
    newcomer: Newcomer, account: TwilioApiServer, tmp_path: Path
) -> None:
    """The story; each part begins where the one before ended."""
    await becomes_owner(newcomer)
    await makes_a_project(newcomer)
    await connects_a_trunk(newcomer)
    await makes_a_pool(newcomer)
    await adds_a_handoff(newcomer)
    await makes_a_key_and_reserves(newcomer)
    call = await calls_from_the_browser(newcomer)
    await reads_why_it_ended(newcomer, call)
    await reads_why_a_call_was_refused(newcomer)
    await connects_twilio(newcomer, account)
    await writes_a_text_message(newcomer)
    await takes_it_home_as_a_file(newcomer, tmp_path)
    await signs_out_and_in(newcomer)


async def becomes_owner(one: Newcomer) -> None:
    """The console has a link; it asks for a name and a password, and leads to the checklist."""
    link = one.process.owner_link()
    assert link is not None, "the console shows no link"
    page = one.page
    await page.goto(link)
    await page.get_by_label("Your name").fill("Ada Lovelace")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Once more").fill(PASSWORD)
    await page.get_by_role("button").click()
    await settled(page)
    await expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    await expect(page.locator(".tl-steps .tl-badge", has_text="done")).to_have_count(0)
    await one.picture("overview")


async def makes_a_project(one: Newcomer) -> None:
    """The example agent, checked before it is taken; its account is made with it."""
    await one.step("Make a project")
    await one.page.get_by_role("button", name="Add project").first.click()
    await one.dialog.get_by_role("button", name="Fill in the example").click()
    await expect(one.dialog.get_by_label("Agent's folder")).to_have_value(re.compile("examples/front_desk$"))
    await one.dialog.get_by_label("Account").fill("northwind")
    folder = one.dialog.get_by_label("Agent's folder")
    there = await folder.input_value()
    await folder.evaluate("(field) => { field.value = '/opt/tieline/examples/front_desk'; }")
    await one.picture("project")
    await folder.evaluate("(field, value) => { field.value = value; }", there)
    await one.dialog.get_by_role("button", name="Add", exact=True).click()
    await one.page.wait_for_url("**/projects/front-desk", timeout=SOON_MS)
    await one.step_is_done("Make a project")


async def connects_a_trunk(one: Newcomer) -> None:
    """From a profile; the page says what to enter at the other side."""
    await one.step("Connect a trunk")
    await one.page.get_by_role("button", name="Add trunk").first.click()
    await one.choose("What is at the other end", "Five9")
    await expect(one.dialog.get_by_text("REFER is refused")).to_be_visible()
    await one.dialog.get_by_label("Name", exact=True).fill("contact-centre")
    await one.dialog.get_by_label("Addresses that its calls come from").fill("127.0.0.1")
    await one.picture("trunk")
    await one.dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(one.page.get_by_role("heading", name="contact-centre", exact=True)).to_be_visible()
    await expect(one.page.get_by_label("SIP address by UDP")).to_contain_text(":")
    await one.step_is_done("Connect a trunk")


async def makes_a_pool(one: Newcomer) -> None:
    """A range typed, the rest from a CSV file."""
    await one.step("Add a pool")
    await one.page.get_by_role("button", name="Add pool").first.click()
    await one.dialog.get_by_label("Name", exact=True).fill("front-desk")
    await one.dialog.get_by_label("Numbers").fill("+15550100-+15550107")
    await one.choose("Trunks", "contact-centre")
    await one.page.keyboard.press("Escape")
    await one.dialog.get_by_role("button", name="Add", exact=True).click()
    await one.page.wait_for_url("**/pools/front-desk")
    await one.page.get_by_role("button", name="Add numbers").first.click()
    await one.dialog.locator("input[type=file]").set_input_files(
        {"name": "dids.csv", "mimeType": "text/csv", "buffer": b"number,site\n+15550108,a\n+15550109,b\n"}
    )
    await expect(one.dialog.get_by_text("2 new numbers: +15550108 to +15550109")).to_be_visible()
    await one.dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(one.page.get_by_role("row", name=re.compile(r"\+15550109"))).to_be_visible()
    await one.step_is_done("Add a pool")


async def adds_a_handoff(one: Newcomer) -> None:
    """REFER is what the form begins with; the trunk refuses it, and the form says so, with what to do."""
    await one.step("Add a handoff")
    await one.page.get_by_role("button", name="Add Handoff").first.click()
    dialog = one.dialog
    await dialog.get_by_label("Name", exact=True).fill("Billing")
    await dialog.get_by_label("Description").fill("Questions about bills")
    await dialog.get_by_label("Extension / Number").fill("+15550177")
    await expect(dialog.get_by_text("five9 refuses REFER").first).to_be_visible()
    await dialog.get_by_role("button", name="Add SIP Header").click()
    await dialog.get_by_label("Header name").fill("Reason")
    await dialog.get_by_label("Header name").fill("Order-Number")
    await expect(dialog.get_by_text("Name it X-Order-Number.").first).to_be_visible()
    await dialog.get_by_label("Header name").fill("X-Shared-Id")
    value = dialog.get_by_label("Value")
    await value.click()
    await value.press_sequentially("$shar")
    await expect(one.page.get_by_role("option").first).to_contain_text("$shared_id")
    await one.picture("handoff")
    await value.press("Enter")
    await expect(value).to_have_value("$shared_id")
    await one.choose("Method", "SIP BYE")
    await expect(dialog.get_by_text("five9 refuses REFER")).to_have_count(0)
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_have_count(0)
    card = one.page.get_by_role("region", name="Billing", exact=True)
    await expect(card).to_contain_text("X-Shared-Id")
    await one.step_is_done("Add a handoff")


async def makes_a_key_and_reserves(one: Newcomer) -> None:
    """The key is shown once; what a client reserves with it is on the pool's page at once."""
    await one.step("Make an API key")
    await one.page.get_by_role("button", name="Create API key").first.click()
    await one.dialog.get_by_label("Name", exact=True).fill("crm")
    await one.dialog.get_by_role("checkbox", name="dni:reserve").click()
    await one.dialog.get_by_role("checkbox", name="handoff:read").click()
    await one.choose("Project", "Front desk")
    await one.dialog.get_by_role("button", name="Create", exact=True).click()
    one.key = await one.page.get_by_label("API key", exact=True).inner_text()
    await one.picture("key")
    await one.page.get_by_role("button", name="I have copied it").click()
    await expect(one.page.get_by_text(one.key)).to_have_count(0)
    await one.step_is_done("Make an API key")
    watched = await one.page.context.new_page()
    await watched.goto(f"{one.addresses.http}/studio/pools/front-desk")
    await settled(watched)
    number = await reserve(one)
    reservations = watched.locator(".tl-card", has=watched.get_by_role("heading", name="Reservations"))
    await expect(reservations.get_by_role("cell", name=number)).to_be_visible()
    await one.picture("pool", on=watched)
    await watched.close()


async def reserve(one: Newcomer) -> str:
    """Reserve a number as a client does; the number."""
    async with httpx.AsyncClient(headers={"x-api-key": one.key}) as client:
        made = await client.post(
            f"{one.addresses.http}/v1/conversations/dni-reservation",
            json={"attributes": {"shared_id": "case-1", "customer": {"first_name": "Maria"}}},
        )
    assert made.status_code == 200, made.text
    return str(made.json()["dni"])


async def calls_from_the_browser(one: Newcomer) -> str:
    """By microphone, with a key pressed; a second tab sees it live. The call's path."""
    await one.step("Place a test call")
    page = one.page
    await page.get_by_label("Caller's number").fill("+15557654321")
    await page.get_by_label("Attributes").fill('{"customer": {"first_name": "Maria"}, "shared_id": "case-2"}')
    await page.get_by_role("button", name="Call by microphone").click()
    transcript = page.get_by_role("log")
    await expect(transcript).to_contain_text("Hello Maria", timeout=SOON_MS)
    live = await page.context.new_page()
    await live.goto(f"{one.addresses.http}/studio/live")
    await settled(live)
    await expect(live.get_by_text("+15557654321").first).to_be_visible(timeout=SOON_MS)
    await one.picture("live", on=live)
    await page.bring_to_front()
    await page.get_by_role("button", name="Key 9", exact=True).click()
    await expect(transcript).to_contain_text("Caller, keypad", timeout=SOON_MS)
    await one.picture("test-call")
    await page.get_by_role("button", name="Key 0", exact=True).click()
    await expect(page.get_by_text("handed off").first).to_be_visible(timeout=2 * SOON_MS)
    await live.bring_to_front()
    await expect(live.get_by_text("+15557654321")).to_have_count(0, timeout=SOON_MS)
    await live.close()
    path = await page.get_by_role("link", name="Call page").get_attribute("href")
    assert path is not None
    await one.menu("Overview")
    await expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
    return path


async def reads_why_it_ended(one: Newcomer, path: str) -> None:
    """The call's page, found under Conversations: the end in words, what was said, the receipt, the messages."""
    await one.menu("Conversations")
    page = one.page
    await page.get_by_role("link", name="+15557654321").first.click()
    await page.wait_for_url(f"**{path}")
    await settled(page)
    await expect(page.get_by_text("Handed off", exact=True).first).to_be_visible()
    await expect(page.get_by_text("Hello Maria").first).to_be_visible()
    receipt = page.locator(".tl-card", has=page.get_by_role("heading", name="Handoff receipt"))
    await expect(receipt.locator(".tl-badge", has_text="done").first).to_be_visible()
    await one.picture("call")
    arrows = page.locator("tl-ladder .arrow")
    await arrows.first.scroll_into_view_if_needed()
    await arrows.first.click()
    await expect(one.dialog).to_contain_text("INVITE sip:")
    await one.picture("ladder")
    await one.dialog.get_by_role("button", name="Close").click()


async def reads_why_a_call_was_refused(one: Newcomer) -> None:
    """A real INVITE to a number that leads nowhere, and what to do about it."""
    host, port = one.addresses.sip_udp
    async with Softphone() as phone:
        with pytest.raises(CallFailed) as refused:
            await phone.dial(f"sip:+15550999@{host}:{port}", caller="+15550190")
    assert refused.value.status == 404
    await one.menu("Refused calls")
    await expect(one.page.get_by_text("no project has the number +15550999")).to_be_visible()
    await expect(one.page.get_by_text("What to do", exact=True)).to_be_visible()
    await expect(one.page.get_by_text("add it to a project or pool")).to_be_visible()
    await one.picture("refused")


async def connects_twilio(one: Newcomer, account: TwilioApiServer) -> None:
    """The account's numbers are there; the last, optional step is ticked off."""
    await one.menu("Twilio")
    await one.page.get_by_role("button", name="Connect").first.click()
    await one.dialog.get_by_label("Account SID").fill(ACCOUNT)
    await one.dialog.get_by_label("Auth Token").fill(TOKEN)
    await one.dialog.get_by_role("button", name="Check and connect").click()
    await expect(one.page.get_by_text("+15555550101")).to_be_visible(timeout=SOON_MS)
    assert TOKEN not in await one.page.content()
    row = one.page.get_by_role("row").filter(has_text="+15555550101")
    await row.get_by_role("button", name="Choose where it goes").click()
    await one.dialog.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("comes here")
    assert account.number(1)["voice_url"].endswith("/voice/call")
    await one.picture("twilio")


async def writes_a_text_message(one: Newcomer) -> None:
    """A template whose length shows while it is typed."""
    await one.menu("SMS")
    await one.page.get_by_role("button", name="Add template").first.click()
    await one.dialog.get_by_label("Name", exact=True).fill("order_ready")
    await one.dialog.get_by_label("Text", exact=True).fill("Your order is ready. Reply STOP to opt out.")
    await expect(one.dialog.get_by_role("status")).to_contain_text("GSM-7 · 1 segment")
    await one.dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(one.page.get_by_role("region", name="order_ready", exact=True)).to_be_visible()


async def takes_it_home_as_a_file(one: Newcomer, folder: Path) -> None:
    """What was clicked together is a file, which changes nothing when it is applied."""
    await one.menu("Settings")
    async with one.page.expect_download() as download:
        await one.page.get_by_role("button", name="Export as YAML").click()
    file = folder / "resources.yaml"
    await (await download.value).save_as(file)
    text = file.read_text()
    for made in ("front-desk", "contact-centre", "Billing", "X-Shared-Id", "order_ready", "crm"):
        assert made in text, made
    assert TOKEN not in text
    assert one.key not in text
    assert "#   TWILIO_MAIN_AUTH_TOKEN" in text
    secrets = {"TWILIO_MAIN_AUTH_TOKEN": TOKEN}
    applied = await asyncio.to_thread(one.process.command, "apply", "-f", str(file), env=secrets)
    assert applied.returncode == 0, applied.stderr
    assert "nothing to change" in applied.stdout, applied.stdout


async def signs_out_and_in(one: Newcomer) -> None:
    """Out, and in again with the password that was chosen."""
    page = one.page
    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/sign-in**")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await settled(page)
