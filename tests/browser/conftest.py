"""A served Tieline and a browser on it: one server and one browser for all tests, a new context for each.

A test that names `page` gets a Playwright page, signed in as an owner, that fails the test on any error of the
browser's console, any uncaught error of a script, and any request to a host that is not the server. `open_page` goes
to a path of the studio and waits until it works; `shoot` takes pictures and measures what is in them; `studio` is the
server itself, and `page_as` a page for somebody with another role.

The tests of this tier run on one event loop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)
from playwright.async_api import Error as PlaywrightError

from tests.browser import seed
from tests.browser.looking import nothing_is_cut, nothing_overlaps
from tieline.demo.process import ServerProcess
from tieline.model.user import Role
from tieline.testing.signed_in import sign_in_to

HERE = Path(__file__).parent
SHOTS = HERE.parents[1] / "build" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
]  # fmt: skip

WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 375, "height": 740}
TALLEST = 4000
DRAWER_BELOW = 1024

# Two browsers share the machine with two servers.
expect.set_options(timeout=30_000)

OpenPage = Callable[..., Awaitable[Page]]
Shoot = Callable[..., Awaitable[None]]
PageAs = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for the tier, and chromium for all of it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.needs("chromium"))


class ServedStudio:
    """The running server. `base` is the studio's address, `http` the server's, `database` its file.

    `more` are resources beyond the seed's.
    """

    def __init__(self, folder: Path) -> None:
        self.process = ServerProcess(folder, {"server": {"drain_timeout_s": 1, "max_lag_ms": 0}})
        self.database = folder / "tieline.db"
        self.more = ""

    async def start(self) -> None:
        """Fill the database and serve it."""
        await asyncio.to_thread(seed.apply_resources, self.process, self.more)
        await seed.add_records(self.database)
        self.addresses = await asyncio.to_thread(self.process.start)
        self.http = self.addresses.http
        self.base = f"{self.http}/studio"

    async def cookie(self, role: Role = Role.OWNER, **options: Any) -> dict[str, Any]:
        """A session cookie, as a browser context takes it."""
        email = f"{role.value}{'' if options.get('personal_data', True) else '-blind'}@example.com"
        name = f"{role.value.capitalize()} of the tests"
        made = await asyncio.to_thread(
            sign_in_to, self.database, **{"role": role, "email": email, "name": name, **options}
        )
        cookie, value = made.cookie
        return {"name": cookie, "value": value, "url": self.http}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedStudio]:
    """The server that all tests of the tier share: leave what others look at as it was."""
    served = ServedStudio(tmp_path_factory.mktemp("studio"))
    try:
        await served.start()
        yield served
    finally:
        await asyncio.to_thread(served.process.stop)
        log = served.process.log.read_text(errors="replace") if served.process.log.exists() else ""
    assert "Traceback" not in log, log[-4000:]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


class Complaints:
    """What the browser complained of. A test that provokes one says so before: `complaints.expect("404")`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._expected: list[str] = []
        self.found: list[str] = []

    def expect(self, pattern: str) -> None:
        """Let complaints pass that hold the regular expression."""
        self._expected.append(pattern)

    def watch(self, page: Page) -> None:
        """Note what a page's browser complains of from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))
        page.on("request", self._request)

    def check(self) -> None:
        """Fail on what was not expected."""
        left = [one for one in self.found if not any(re.search(pattern, one) for pattern in self._expected)]
        assert not left, "the browser complained:\n  " + "\n  ".join(left)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob", "about"} and address.netloc != self._host:
            self._note(f"request to another host: {request.url}")

    def _note(self, text: str) -> None:
        self.found.append(text)


@pytest_asyncio.fixture(loop_scope="session")
async def complaints(studio: ServedStudio) -> AsyncIterator[Complaints]:
    """The browser's complaints; those that were not expected fail the test at its end."""
    noted = Complaints(urlsplit(studio.http).netloc)
    yield noted
    noted.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page_as(studio: ServedStudio, browser: Browser, complaints: Complaints) -> AsyncIterator[PageAs]:
    """`await page_as(Role.OPERATOR, personal_data=False)`: a page of a new context; `page_as(None)` of nobody."""
    contexts: list[BrowserContext] = []

    async def make(role: Role | None = Role.OWNER, **options: Any) -> Page:
        context = await browser.new_context(
            viewport=WIDE,  # type: ignore[arg-type]
            color_scheme="light",
            timezone_id="Europe/Berlin",
            locale="en-GB",
        )
        contexts.append(context)
        # As after the first page: without it, a page that draws something in the viewer's zone is drawn twice.
        await context.add_cookies([{"name": "tieline_zone", "value": "Europe/Berlin", "url": studio.http}])
        context.set_default_timeout(30_000)
        if role is not None:
            await context.add_cookies([await studio.cookie(role, **options)])  # type: ignore[list-item]
        made = await context.new_page()
        complaints.watch(made)
        return made

    yield make
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(page_as: PageAs) -> Page:
    """A page of an owner who may see personal data."""
    return await page_as()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(studio: ServedStudio, page: Page) -> OpenPage:
    """`await open_page("/projects")` goes there and waits until the page works; `on=` takes another page."""

    async def go(path: str, *, on: Page | None = None) -> Page:
        looking = on or page
        await _goto(looking, f"{studio.base}{path}")
        await settled(looking)
        return looking

    return go


@pytest_asyncio.fixture(loop_scope="session")
async def shoot(page: Page) -> Shoot:
    """`await shoot("projects")` takes the page light, dark and at phone width, and checks that nothing is cut or
    overlaps; the pictures are in build/screenshots. `measure=False` takes them only."""

    async def take(name: str, *, on: Page | None = None, measure: bool = True) -> None:
        looking = on or page
        for kind, scheme, size in (
            ("light", "light", WIDE),
            ("dark", "dark", WIDE),
            ("phone", "light", PHONE),
        ):
            await looking.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await _whole(looking, size)
            SHOTS.mkdir(parents=True, exist_ok=True)
            await looking.screenshot(path=SHOTS / f"{name}-{kind}.png", animations="disabled")
            if measure:
                await nothing_is_cut(looking)
                await nothing_overlaps(looking)
        await looking.emulate_media(color_scheme="light")
        await _whole(looking, WIDE)  # with the menu beside the page again, also behind an open dialog
        await looking.set_viewport_size(WIDE)  # type: ignore[arg-type]

    return take


async def _goto(page: Page, url: str) -> None:
    """Go there, also when what was done last on the page makes it load itself anew in this very moment."""
    try:
        await page.goto(url)
    except PlaywrightError as error:
        if "ERR_ABORTED" not in error.message:
            raise
        await page.wait_for_load_state()
        await page.goto(url)


async def settled(page: Page) -> None:
    """Wait until the page is connected to the server and what moves has come to rest."""
    await page.wait_for_function("() => window.did_handshake && document.querySelector('h1')")
    await page.evaluate("document.fonts.ready")
    await at_rest(page)


async def at_rest(page: Page) -> None:
    """Wait until no transition runs."""
    await page.wait_for_function(
        """() => document.getAnimations().every(one => one.playState !== 'running'
                  || one.effect.getComputedTiming().iterations === Infinity)"""
    )


async def _whole(page: Page, size: dict[str, int]) -> None:
    """Make the window as high as the page, so that a picture shows it whole.

    While a dialog is open, Quasar leaves the layout behind it as it was, unless it is told that none is.
    """
    prevented = await page.evaluate(
        "() => { const was = document.qScrollPrevented; document.qScrollPrevented = false; return was; }"
    )
    await page.set_viewport_size(size)  # type: ignore[arg-type]
    await page.mouse.move(0, 0)
    # The menu goes to the side, or out of the way, a moment after the window has its width.
    await page.wait_for_function(
        """(narrow) => { const page = document.querySelector('.q-page-container');
           if (!page || !document.querySelector('.q-drawer')) return true;  // a page without a menu
           return (parseFloat(getComputedStyle(page).paddingLeft) > 0) !== narrow; }""",
        arg=size["width"] < DRAWER_BELOW,
    )
    await at_rest(page)
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size(
        {"width": size["width"], "height": min(max(size["height"], height), TALLEST)}
    )
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await at_rest(page)
    await page.evaluate("(was) => { document.qScrollPrevented = was; }", prevented)
