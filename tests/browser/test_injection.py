"""What peers, callers, receivers and other users wrote is only ever shown: no page makes markup or script of it.

A server of its own holds hostile text in every kind of record. Every page of the studio is opened, everything on it
that opens something is opened, and nothing may run: no dialog, no flag on the window, no element, no foreign request.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Dialog, Error, Page

from tests.browser import seed
from tests.browser.conftest import WIDE, Complaints, ServedStudio, settled
from tieline.model.audit import AuditChange, AuditEntry
from tieline.model.call import Termination, TerminationReason
from tieline.model.context import ContextOrigin, ContextValue
from tieline.model.conversation import ConversationClosed, ConversationOpened, Outcome, RefusedCall, Turn
from tieline.model.facts import trial_event
from tieline.model.handoff import HandoffMethod
from tieline.model.principal import PrincipalKind
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Retry, Step
from tieline.model.reservation import ReserveRequest
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.model.trunk import Refusal, RefusalReason, RuleResult
from tieline.model.user import Role
from tieline.model.webhook import DeliveryAttempt, DeliveryState
from tieline.store.sqlite import SqliteStore
from tieline.studio import pages
from tieline.studio.menu import PAGES

MARKER = "evil-text"
"""Stands in every hostile text, so that a page can be asked whether it shows one at all."""

EVIL = (
    f"{MARKER}\"'><img src=//evil.example/a.png onerror=window.pwned=1><svg onload=alert(1)>"
    "<script>window.pwned=1</script></script><script>alert(1)</script><a href=javascript:alert(1)>x</a>"
    "{{constructor.constructor('window.pwned=1')()}}${window.pwned=1}"
    "`\\\" onfocus=window.pwned=1 autofocus :x=alert(1) ')"
)
"""Ends attributes, elements, scripts, templates and quoted strings, and asks another host for a picture."""

RESOURCES = f"""
accounts: [{{slug: acme, name: {msgspec.json.encode(EVIL[:60]).decode()}}}]
projects:
  - slug: desk
    account: acme
    name: NAME
    path: FOLDER
    numbers: ["200"]
    secrets: {{SECRET_NAME: a secret that nobody sees}}
    handoffs:
      - name: desk
        description: TEXT
        sip_config: {{method: refer, phone_number: "+15550177"}}
        sip_headers: [{{key: X-Note, value: TEXT}}]
    sms_templates: [{{name: order, content: TEXT}}]
    handoff_api: {{state_keys: [TEXT], aliases: {{TEXT: ALIAS}}}}
pools: [{{name: desk, project: desk, numbers: ["+15550100-+15550109"], trunks: [carrier]}}]
trunks: [{{name: carrier, account: acme, networks: [127.0.0.1/32]}}]
webhooks: [{{name: hook, account: acme, url: "https://hook.example/a?b='%22%3E%3Cscript%3E"}}]
"""
ACTS = ("Sign", "Hang up", "Call by microphone", "Talk by text")
"""Buttons that are not pressed here: they leave, or do not open anything."""

pages.register()


def resources_of(folder: Path) -> str:
    """The resource file, with hostile text where free text may stand."""
    quoted = msgspec.json.encode(EVIL).decode()
    named = msgspec.json.encode(EVIL[:100]).decode()
    words = {"SECRET_NAME": "A_SECRET", "NAME": named, "TEXT": quoted, "ALIAS": quoted, "FOLDER": str(folder)}
    text = RESOURCES
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def write_project(folder: Path) -> None:
    """The example with hostile source."""
    shutil.copytree(
        seed.FRONT_DESK, folder, ignore=shutil.ignore_patterns("__pycache__", "tests", "resources.yaml")
    )
    for name in ("start_function", "menu"):
        file = folder / "functions" / f"{name}.py"
        file.write_text(f"{file.read_text()}\n# {EVIL}\n")


async def add_call(store: SqliteStore, account: str, project: str, at: datetime) -> None:
    """One call with hostile text in every field that others write."""
    await store.open_conversation(
        ConversationOpened(
            id="call-evil", account=account, project=project, env="live", channel_type="sip.polyai", trunk=EVIL,
            sip_call_id=EVIL, from_tag=EVIL, caller_number=EVIL, callee_number=EVIL, reservation_id=EVIL,
            shared_id=EVIL, attributes_json=msgspec.json.encode({EVIL: {EVIL: EVIL}}).decode(),
            sip_headers={"From": f'"{EVIL}" <sip:{EVIL}@x>', "User-to-User": EVIL, "Reason": EVIL, f"X-{EVIL}": EVIL},
            rules=({"rule": EVIL, "held": False, "detail": EVIL},), late=False, started_at=at,
            context=(ContextValue(key=EVIL, value=EVIL, origin=ContextOrigin.HEADER, name=EVIL),),
        )
    )  # fmt: skip
    await store.mark_answered("call-evil", at)
    run = {"name": EVIL, "duration_ms": 2.4, "error": EVIL}
    log = {"level": EVIL, "content": EVIL, "is_pii": False, "fields": {EVIL: EVIL}}
    for index, channel in enumerate(("start", "keypad", EVIL)):
        await store.save_turn(
            "call-evil",
            Turn(
                index=index, at=at, channel=channel, user_input=EVIL, utterance=EVIL, function_runs=(run,), logs=(log,),
                state_json=msgspec.json.encode({EVIL: EVIL}).decode(),
            ),
        )  # fmt: skip
    handoff = {
        "method": "refer", "destination": EVIL, "reason": EVIL, "utterance": EVIL, "route": EVIL,
        "headers": [[f"X-{EVIL}", EVIL]], "config": {"method": "refer", EVIL: EVIL},
    }  # fmt: skip
    await store.save_outcome(
        Outcome(
            conversation_id="call-evil",
            shared_id=EVIL,
            handed_off=True,
            data={EVIL: EVIL},
            handoff=handoff,
            saved_at=at,
        )
    )
    step = ReceiptStep(
        step=Step.FAILED, at=at, rung=0, method=HandoffMethod.REFER, destination=EVIL, status=603, evidence=EVIL,
        failure=HandoffFailure.DECLINED, retry=Retry.OTHER_DESTINATION, detail=EVIL,
    )  # fmt: skip
    await store.save_receipt("call-evil", 0, Receipt(state=ReceiptState.FAILED, steps=(step,)))
    lines = (
        f"SIP/2.0 486 {EVIL}",
        f'From: "{EVIL}" <sip:a@b>',
        f"X-{EVIL}: {EVIL}",
        f"Reason: {EVIL}",
        "",
        f"s={EVIL}",
    )
    head = "\r\n".join(lines)
    entry = {"at_ms": 0.0, "direction": "in", "peer": EVIL, "leg": EVIL, "text": head}
    await store.close_conversation(
        ConversationClosed(
            conversation_id="call-evil", termination=Termination.of(TerminationReason.HANDED_OFF, EVIL), answered_at=at,
            ended_at=at + timedelta(seconds=9), ladder=(entry, {**entry, "text": f"INVITE sip:{EVIL} SIP/2.0\r\n\r\n"}),
            media={"packets_received": 1}, metrics=({"name": EVIL, "value": EVIL},), peer_bye_headers={"Reason": EVIL},
        )
    )  # fmt: skip


async def add_others(store: SqliteStore, account: str, project: str, at: datetime) -> str:
    """A refused call, a reservation, messages, audit entries, a delivery, whose id is returned."""
    refusal = Refusal(
        status=403, phrase=EVIL, reason=RefusalReason.UNKNOWN_TRUNK,
        rules=(RuleResult(rule=EVIL, held=False, detail=EVIL),),
    )  # fmt: skip
    await store.record_refusal(
        RefusedCall(
            id="refused",
            at=at,
            source=EVIL,
            trunk=None,
            sip_call_id=EVIL,
            caller=EVIL,
            callee=EVIL,
            refusal=refusal,
        )
    )
    attributes = msgspec.json.encode({EVIL: EVIL}).decode()
    await store.reserve(
        ReserveRequest(project=project, attributes_json=attributes, expected_caller=EVIL, ttl_s=3600),
        "desk",
        at,
    )
    message = SmsMessage(
        id="sms-evil", account=account, project=project, conversation_id="call-evil", to=EVIL, from_=EVIL, content=EVIL,
        template=EVIL, provider_sid=EVIL, detail=EVIL, state=SmsState.FAILED, error_code=30007, created_at=at,
        changed_at=at, service=EVIL,
    )  # fmt: skip
    incoming = msgspec.structs.replace(
        message, id="sms-in", inbound=True, state=SmsState.RECEIVED, provider_sid="SM1", error_code=None
    )
    await store.add_sms([message, incoming])
    await store.opt_out(OptOut(account=account, recipient=EVIL, sender=EVIL, at=at, keyword=EVIL))
    change = AuditChange(field=EVIL, before=EVIL, after=EVIL)
    await store.add_audit(
        [
            AuditEntry(
                at=at, actor_kind=PrincipalKind.USER, actor=EVIL, address=EVIL, account=account, action=EVIL, kind=EVIL,
                name=EVIL, changes=(change,),
            )
        ]
    )  # fmt: skip
    hook = (await store.resources()).webhooks[0]
    delivery = await store.send_event(trial_event(hook, EVIL, at), hook.name, at)
    attempt = DeliveryAttempt(at=at, status=500, error=EVIL, duration_ms=1.0, answer=EVIL)
    await store.save_attempt(delivery, attempt, DeliveryState.FAILED, None)
    return delivery


class HostileStudio(ServedStudio):
    """The server with hostile records; `places` fills the parameters of paths."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.places = {"slug": "desk", "call_id": "call-evil", "message_id": "sms-evil"}

    async def start(self) -> None:
        """Fill the database and serve it."""
        project = self.process.folder / "project"
        write_project(project)
        file = self.process.folder / "resources.yaml"
        file.write_text(resources_of(project))
        done = self.process.command("apply", "-f", str(file))
        assert done.returncode == 0, done.stderr
        now = datetime.now(UTC).replace(microsecond=0)
        store = SqliteStore(self.database)
        await store.open(now)
        try:
            found = (await store.resources()).projects[0]
            await add_call(store, found.account, found.id, now - timedelta(minutes=5))
            self.places["delivery_id"] = await add_others(store, found.account, found.id, now)
        finally:
            await store.close()
        self.addresses = self.process.start()
        self.http = self.addresses.http
        self.base = f"{self.http}/studio"

    def path(self, pattern: str) -> str:
        """A page's path with what is there."""
        for name, value in self.places.items():
            pattern = pattern.replace(f"{{{name}}}", value)
        return pattern.replace("{name}", "hook" if "webhooks" in pattern else "desk")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hostile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostileStudio]:
    served = HostileStudio(tmp_path_factory.mktemp("hostile"))
    try:
        await served.start()
        yield served
    finally:
        served.process.stop()


class Watched:
    """A page on which nothing hostile may happen."""

    def __init__(self, page: Page, host: str) -> None:
        self.page = page
        self.complaints = Complaints(host)
        self.complaints.watch(page)
        self.dialogs: list[str] = []
        page.on("dialog", self._dialog)

    async def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def check(self) -> None:
        """Nothing ran, nothing was asked of others, and nothing became an element."""
        try:
            await self._check()
        except Error as error:
            if "navigation" not in error.message:
                raise
            await settled(self.page)  # what was pressed leads to another page, a moment later
            await self._check()

    async def _check(self) -> None:
        assert await self.page.evaluate("window.pwned") is None
        assert not self.dialogs
        self.complaints.check()
        found = await self.page.evaluate(
            """() => [...document.querySelectorAll('[onerror], [onload], [onfocus], a[href], form[action], img[src]')]
                .map(one => one.getAttribute('href') || one.getAttribute('src') || one.outerHTML.slice(0, 200))
                .filter(one => /^\\s*(javascript|data:text|vbscript):/i.test(one)
                    || /evil\\.example|onerror|onload|onfocus/.test(one)
                    || (/^[a-z]*:?\\/\\//i.test(one) && !one.startsWith(location.origin)))"""
        )
        assert found == []


@pytest_asyncio.fixture(loop_scope="session")
async def watched(hostile: HostileStudio, browser: Browser) -> AsyncIterator[Watched]:
    context = await browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    name = EVIL[:100]
    await context.add_cookies([await hostile.cookie(Role.OWNER, name=name)])  # type: ignore[list-item]
    yield Watched(await context.new_page(), urlsplit(hostile.http).netloc)
    await context.close()


SHOWS = {
    "/", "/audit", "/conversations", "/conversations/{call_id}", "/functions/{slug}", "/handoff-api", "/handoffs",
    "/projects", "/projects/{slug}", "/refused", "/sms", "/sms/messages/{message_id}", "/users",
    "/webhooks/deliveries/{delivery_id}",
}  # fmt: skip
"""Pages that show hostile text as soon as they are open: proof that the test looks where it means to."""


@pytest.mark.parametrize("pattern", sorted(PAGES))
async def test_nothing_runs(watched: Watched, hostile: HostileStudio, pattern: str) -> None:
    """Each page, and what its buttons, tabs and rows open."""
    page = watched.page
    address = hostile.base + hostile.path(pattern).replace("/pools/hook", "/pools/desk").replace(
        "/trunks/desk", "/trunks/carrier"
    )
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 200
    assert answer.headers["cache-control"].startswith("no-store")
    await settled(page)
    await watched.check()
    if pattern in SHOWS:
        assert MARKER in await page.evaluate("document.body.innerText + document.title")
    # Every button once: menus, dialogs and messages that open hold text, too.
    for index in range(min(12, await page.locator(".tl-page button:visible").count())):
        button = page.locator(".tl-page button:visible").nth(index)
        label = (await button.get_attribute("aria-label") or await button.inner_text()).strip()
        if label.split("\n")[-1].startswith(ACTS) or not await button.is_enabled():
            continue
        await button.click(timeout=5000)
        await _come_to_rest(page)
        await watched.check()
        if page.url != address:
            await page.goto(address)
            await settled(page)
            continue
        for _ in range(2):
            await page.keyboard.press("Escape")
        if await page.locator(".q-dialog, .q-menu").count():
            await page.goto(address)
            await settled(page)


async def _come_to_rest(page: Page) -> None:
    """Wait as `settled` does, on the page that a button may lead to."""
    for _ in range(3):
        try:
            await settled(page)
            return
        except Error as error:
            if "navigation" not in str(error):
                raise
            await page.wait_for_load_state()
    await settled(page)


async def test_messages_of_the_ladder(watched: Watched, hostile: HostileStudio) -> None:
    """Reason phrase, display name and headers of a peer's SIP message, below the arrow and opened."""
    page = watched.page
    await page.goto(f"{hostile.base}/conversations/call-evil")
    await settled(page)
    for index in range(2):
        await page.locator("tl-ladder g.arrow").nth(index).click()
        await page.get_by_role("dialog").get_by_text(MARKER).first.wait_for()
        await watched.check()
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        await page.get_by_role("dialog").wait_for(state="hidden")


@pytest.mark.parametrize(
    "query",
    ["/conversations?q=%s", "/conversations?project=%s", "/dashboards?project=%s", "/audit?actor=%s", "/sms?tab=%s",
     "/handoffs?project=%s", "/test-call?project=%s", "/conversations/%s", "/projects/%s", "/pools/%s",
     "/sms/messages/%s", "/webhooks/%s", "/functions/%s"],
)  # fmt: skip
async def test_addresses(watched: Watched, hostile: HostileStudio, query: str) -> None:
    """A link that somebody was sent."""
    watched.complaints.expect("404|403|400|422|500")
    script = "constructor.constructor('window.pwned%3D1')()"
    text = f"%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E%22'%7B%7B{script}%7D%7D"
    answer = await watched.page.goto(hostile.base + query % text)
    assert answer is not None
    assert answer.status < 500
    await settled(watched.page)
    await watched.check()
