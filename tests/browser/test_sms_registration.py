"""Build, SMS, Registration of a connected account: every sender with its state, and what to do next."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, ServedStudio, Shoot
from tieline.demo.process import ServerProcess

DESK, SHOP = "MG" + "0a" * 16, "MG" + "0b" * 16
US, PENDING, ALONE, FREE, LONDON = (
    "+12025550143",
    "+12025550144",
    "+12025550145",
    "+18005550199",
    "+442071838750",
)
NUMBERS = ", ".join(
    f'{{number: "{one}", sid: PN{at:032x}, project: front-desk}}'
    for at, one in enumerate((US, PENDING, ALONE, FREE, LONDON))
)
TWILIO = f"""
twilio:
  - {{name: main, account: northwind, account_sid: AC{"0a" * 16}, auth_token: a token, numbers: [{NUMBERS}]}}
"""


def _campaign(status: str, *codes: int) -> dict[str, Any]:
    errors = [{"error_code": code, "description": "as the carriers have it"} for code in codes]
    return {"compliance": [{"campaign_status": status, "brand_registration_sid": "BN1", "errors": errors}]}


PAGES: dict[str, dict[str, Any]] = {
    "/v1/Services": {
        "services": [{"sid": DESK, "friendly_name": "Desk"}, {"sid": SHOP, "friendly_name": "Shop"}]
    },
    f"/v1/Services/{DESK}/PhoneNumbers": {"phone_numbers": [{"phone_number": US, "sid": "PN1"}]},
    f"/v1/Services/{SHOP}/PhoneNumbers": {"phone_numbers": [{"phone_number": PENDING, "sid": "PN2"}]},
    f"/v1/Services/{DESK}/Compliance/Usa2p": _campaign("FAILED", 30908),
    f"/v1/Services/{SHOP}/Compliance/Usa2p": _campaign("IN_PROGRESS"),
    "/v1/a2p/BrandRegistrations": {"data": [{"sid": "BN1", "status": "APPROVED"}]},
}


class _Account(BaseHTTPRequestHandler):
    """What the account's Messaging API says; toll-free verifications may not be read."""

    def do_GET(self) -> None:
        found = PAGES.get(self.path.partition("?")[0])
        status, answer = 403, {"code": 20403, "message": "no", "status": 403}
        if found is not None:
            (key,) = found
            status, answer = 200, {**found, "meta": {"key": key, "next_page_url": None}}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Account)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory, api: str) -> AsyncIterator[ServedStudio]:
    """A server whose account at Twilio has senders."""
    folder = tmp_path_factory.mktemp("studio-registration")
    served = ServedStudio(folder)
    served.more = TWILIO
    settings: dict[str, dict[str, Any]] = {
        "server": {"drain_timeout_s": 1, "max_lag_ms": 0},
        "twilio": {"api_url": api},
    }
    served.process = ServerProcess(folder, settings)
    await served.start()
    yield served
    await asyncio.to_thread(served.process.stop)


async def test_every_sender_says_its_state_and_the_next_step(
    page: Page, open_page: OpenPage, shoot: Shoot
) -> None:
    """A campaign that failed and why, one in review, a number outside of any, toll-free, and one that needs nothing."""
    await open_page("/sms?tab=registration")
    for number, words in (
        (US, "privacy policy"), (PENDING, "Shop"), (ALONE, "Messaging Service"), (LONDON, "not needed"),
        (FREE, "unknown"),
    ):  # fmt: skip
        await expect(page.get_by_role("region", name=number)).to_contain_text(words)
    await expect(page.get_by_text("toll-free verifications")).to_be_visible()
    await shoot("sms-registration")
