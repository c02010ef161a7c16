"""People in front of the studio, as a program of its own: chromium, driven by Playwright.

    python -m bench.studio_browser '{"base": "http://127.0.0.1:8080/studio", "cookie": ["tieline", "..."],
                                     "work": "open", "pages": [["Overview", "/"]], "rounds": 3}'

`open` opens each page so many times and prints what it took, as a line of JSON. `live` keeps the Live page open in so
many browsers, `browse` one page after another in one, and `elsewhere` keeps one at work on a page that asks no server
for anything; these print `ready` when they have begun, go on until their standard input ends, and then print what
they have seen.

A page is usable when its heading is drawn, its connection to the server is up, and every table and chart is drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any, Literal

import msgspec
from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Playwright,
    TimeoutError,  # noqa: A004
    WebSocket,
    async_playwright,
)

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync",
    "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
STALE_MS = 30_000

USABLE = """(() => {
  const drawn = (outer, inner) => [...document.querySelectorAll(outer)].every(
    one => one.offsetParent === null || one.querySelector(inner));
  window.missing = () => [
    ['a connection', window.did_handshake], ['a heading', document.querySelector('h1')],
    ['a grid', drawn('.tl-live', '.ag-root')], ['a chart', drawn('.tl-chart', 'canvas, svg')],
    ['a table', drawn('.q-table__container', 'table')],
  ].filter(([, there]) => !there).map(([what]) => what);
  const look = () => {
    if (window.missing().length) requestAnimationFrame(look);
    else window.usableAt = performance.now();
  };
  requestAnimationFrame(look);
})();"""

TIMES = """() => {
  const [page] = performance.getEntriesByType('navigation');
  const files = performance.getEntriesByType('resource');
  return {html_ms: page.responseEnd - page.requestStart, html_bytes: page.encodedBodySize,
          page_bytes: page.decodedBodySize, usable_ms: window.usableAt,
          file_bytes: files.reduce((sum, one) => sum + one.transferSize, 0)};
}"""

WATCH = """() => {
  window.watched = {frames: [], updates: [], since: performance.now()};
  const run = window.runMethod;
  window.runMethod = function (...args) {
    const begun = performance.now();
    const answer = run.apply(this, args);
    window.watched.updates.push(performance.now() - begun);
    return answer;
  };
  let last = performance.now();
  const frame = (now) => { window.watched.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""

WATCHED = """() => ({...window.watched, seconds: (performance.now() - window.watched.since) / 1000,
                     calls: document.querySelector('.tl-figure')?.textContent})"""


ELSEWHERE = """<h1>Elsewhere</h1><table></table><script>
const table = document.querySelector('table');
const draw = (now) => {
  const rows = Array.from({length: 500}, (_, row) => `<tr><td>${row}<td>${now * row}<td>${Math.sin(now)}`);
  table.innerHTML = rows.join('');
  requestAnimationFrame(draw);
};
requestAnimationFrame(draw);
</script>"""


class Plan(msgspec.Struct, frozen=True):
    """What to do. `pages` are names and paths below `base`; `cookie` is the session's name and value."""

    base: str
    cookie: tuple[str, str]
    work: Literal["open", "live", "browse", "elsewhere"]
    pages: list[tuple[str, str]] = []
    rounds: int = 3
    browsers: int = 2


class Opened(msgspec.Struct):
    """One opening of a page: milliseconds and bytes. `status` is that of the HTML."""

    name: str
    status: int
    html_ms: float
    usable_ms: float
    html_bytes: int
    page_bytes: int
    file_bytes: int


class Watched(msgspec.Struct):
    """What one browser saw on the Live page: messages and bytes a second, and milliseconds of updates and of frames.

    `frame` is how long the page took from one drawn frame to the next; `calls` is how many it showed at the end.
    """

    messages: float
    bytes: float
    updates: float
    update_p50: float
    update_most: float
    frame_p50: float
    frame_p99: float
    frame_most: float
    calls: int


class Unusable(Exception):
    """A page did not become usable; the text says which and why."""


async def launch(playwright: Playwright, plan: Plan) -> tuple[Browser, BrowserContext]:
    """A browser with the session's cookie."""
    browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    context = await browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(STALE_MS)
    await context.add_init_script(USABLE)
    host = plan.base.rpartition("/")[0]
    await context.add_cookies([{"name": plan.cookie[0], "value": plan.cookie[1], "url": host}])
    return browser, context


async def open_page(page: Page, base: str, name: str, path: str) -> Opened:
    """Go to a page and wait until it is usable."""
    answer = await page.goto(f"{base}{path}", wait_until="commit")
    try:
        await page.wait_for_function("() => window.usableAt")
    except TimeoutError as error:
        missing = await page.evaluate("missing()")
        raise Unusable(
            f"{name} is not usable after {STALE_MS / 1000:g} s; it lacks: {', '.join(missing)}"
        ) from error
    times: dict[str, Any] = await page.evaluate(TIMES)
    return Opened(name=name, status=answer.status if answer is not None else 0, **times)


async def open_all(playwright: Playwright, plan: Plan) -> dict[str, Any]:
    """Each page so many times; `cold` is the first page of all, in a browser that has nothing yet."""
    browser, context = await launch(playwright, plan)
    page = await context.new_page()
    cold = await open_page(page, plan.base, *plan.pages[0])
    opened: list[Opened] = []
    for _ in range(plan.rounds):
        for name, path in plan.pages:
            opened.append(await open_page(page, plan.base, name, path))
    await browser.close()
    return {"cold": cold, "opened": opened}


async def stopped() -> None:
    """Wait for the end of standard input."""
    await asyncio.to_thread(sys.stdin.read)


async def browse(playwright: Playwright, plan: Plan) -> dict[str, Any]:
    """One page after another, as fast as they open, until told to stop."""
    browser, context = await launch(playwright, plan)
    page = await context.new_page()
    await open_page(page, plan.base, *plan.pages[0])
    print("ready", flush=True)
    opened: list[Opened] = []
    end = asyncio.create_task(stopped())
    begun = time.monotonic()
    for name, path in cycle(plan.pages):
        opened.append(await open_page(page, plan.base, name, path))
        if end.done():
            break
    seconds = time.monotonic() - begun
    await browser.close()
    return {"opened": opened, "seconds": seconds}


async def work_elsewhere(playwright: Playwright, plan: Plan) -> dict[str, Any]:
    """A browser that draws and draws, and has nothing to do with us, until told to stop."""
    browser, context = await launch(playwright, plan)
    page = await context.new_page()
    await page.set_content(ELSEWHERE)
    print("ready", flush=True)
    await stopped()
    await browser.close()
    return {}


async def watch_live(playwright: Playwright, plan: Plan) -> dict[str, Any]:
    """The Live page in so many browsers, until told to stop."""
    received = [[0, 0] for _ in range(plan.browsers)]
    opened: list[Opened] = []
    pages: list[tuple[Browser, Page]] = []
    for count in received:
        browser, context = await launch(playwright, plan)
        page = await context.new_page()
        page.on("websocket", counting(count))
        opened.append(await open_page(page, plan.base, "Live", "/live"))
        pages.append((browser, page))
    for count, (_, page) in zip(received, pages, strict=True):
        await page.evaluate(WATCH)
        count[:] = [0, 0]
    print("ready", flush=True)
    await stopped()
    seen = [await seen_by(page, count) for count, (_, page) in zip(received, pages, strict=True)]
    for browser, _ in pages:
        await browser.close()
    return {"opened": opened, "seen": seen}


def counting(count: list[int]) -> Callable[[WebSocket], None]:
    """What counts messages, and their bytes, that the server sends to a page."""

    def note(payload: str | bytes) -> None:
        count[0] += 1
        count[1] += len(payload)

    return lambda socket: socket.on("framereceived", note)


async def seen_by(page: Page, count: list[int]) -> Watched:
    """The figures of one browser."""
    found: dict[str, Any] = await page.evaluate(WATCHED)
    seconds, updates, frames = found["seconds"], sorted(found["updates"]), sorted(found["frames"])

    def share(values: list[float], of: float) -> float:
        return round(values[min(len(values) - 1, int(of * len(values)))], 1) if values else 0.0

    return Watched(
        messages=round(count[0] / seconds, 1),
        bytes=round(count[1] / seconds),
        updates=round(len(updates) / seconds, 2),
        update_p50=share(updates, 0.5),
        update_most=share(updates, 1),
        frame_p50=share(frames, 0.5),
        frame_p99=share(frames, 0.99),
        frame_most=share(frames, 1),
        calls=int(found["calls"] or 0),
    )


async def play(plan: Plan) -> dict[str, Any]:
    """Do what the plan says."""
    works = {"open": open_all, "live": watch_live, "browse": browse, "elsewhere": work_elsewhere}
    async with async_playwright() as playwright:
        return await works[plan.work](playwright, plan)


def main() -> int:
    """Play what the argument says and print what came of it."""
    if len(sys.argv) != 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        return 0 if len(sys.argv) == 2 else 2
    plan = msgspec.convert(json.loads(sys.argv[1]), Plan)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            print(msgspec.json.encode(asyncio.run(play(plan))).decode(), flush=True)
        except (Error, Unusable) as error:
            print(f"the browser failed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
