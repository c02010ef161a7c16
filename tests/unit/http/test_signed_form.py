"""Twilio's webhooks: what is signed is taken, and nothing else reaches what takes it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from twilio.request_validator import RequestValidator

from tieline.errors import InvalidInput
from tieline.http.signed_form import MAX_BODY, SignedForm, SignedForms
from tieline.http.sms import SmsRoutes
from tieline.http.voice import VoiceRoutes
from tieline.model.twilio import TwilioConnection
from tieline.observe.metrics import Metrics

ACCOUNT, TOKEN, PUBLIC = "AC" + "0a" * 16, "a-token", "https://tieline.example"
CONNECTION = TwilioConnection(name="main", account="ws-1", account_sid=ACCOUNT, auth_token=TOKEN)


class Hook:
    """One webhook, `/sms/inbound`; `fault` is raised by what takes it."""

    def __init__(self) -> None:
        self.taken: list[SignedForm] = []
        self.fault: Exception | None = None
        self.metrics = Metrics()
        app = FastAPI()
        forms = SignedForms(lambda: (CONNECTION,), PUBLIC, self.metrics)
        answer = forms.guard("inbound", self.take, "tieline_sms_webhooks_total")
        app.add_route("/sms/inbound", answer, methods=["POST"])
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def take(self, form: SignedForm) -> str:
        self.taken.append(form)
        if self.fault is not None:
            raise self.fault
        return "<Response/>"

    async def post(
        self, form: dict[str, str], query: str = "", token: str | None = TOKEN, url: str = PUBLIC
    ) -> httpx.Response:
        headers = {}
        if token is not None:
            signed = RequestValidator(token).compute_signature(f"{url}/sms/inbound{query}", form)
            headers["X-Twilio-Signature"] = str(signed)
        return await self.client.post(f"/sms/inbound{query}", data=form, headers=headers)

    def counted(self) -> list[str]:
        text = self.metrics.render().decode()
        return [
            one.split('result="')[1].split('"')[0]
            for one in text.splitlines()
            if one.startswith("tieline_sms_webhooks_total{") and not one.endswith(" 0.0")
        ]


@pytest.fixture
def hook() -> Hook:
    return Hook()


async def test_what_is_signed_is_taken(hook: Hook) -> None:
    answer = await hook.post({"AccountSid": ACCOUNT, "Body": "Hello"}, "?message=m1")
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert answer.headers["content-type"].startswith("text/xml")
    (form,) = hook.taken
    assert (form.connection, form.fields["Body"], form.query["message"]) == (CONNECTION, "Hello", "m1")
    assert hook.counted() == ["taken"]


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ({"AccountSid": ACCOUNT}, {"token": None}),
        ({"AccountSid": ACCOUNT}, {"token": "another"}),
        ({"AccountSid": ACCOUNT}, {"url": "http://127.0.0.1"}),
        ({"AccountSid": "AC" + "0b" * 16}, {}),
        ({}, {}),
    ],
)
async def test_nothing_else_is(hook: Hook, form: dict[str, str], more: dict[str, Any]) -> None:
    answer = await hook.post(form, **more)
    assert (answer.status_code, hook.taken, hook.counted()) == (403, [], ["refused"])
    assert ACCOUNT not in answer.text


async def test_bodies_that_cannot_be_read(hook: Hook) -> None:
    large = await hook.post({"AccountSid": ACCOUNT, "Body": "x" * MAX_BODY})
    assert (large.status_code, large.headers["connection"]) == (413, "close")
    fields = "&".join(f"a{index}=1" for index in range(300))
    sent = {"content-type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "x"}
    many = await hook.client.post("/sms/inbound", content=fields, headers=sent)
    binary = await hook.client.post(
        "/sms/inbound", content=b"\xff\xfe", headers={**sent, "content-type": "application/json"}
    )
    assert (many.status_code, binary.status_code, hook.taken) == (400, 400, [])


async def test_a_body_that_is_no_form_is_signed_by_its_hash(hook: Hook) -> None:
    body = json.dumps({"a": 1})
    query = f"?AccountSid={ACCOUNT}&bodySHA256={sha256(body.encode()).hexdigest()}"
    signed = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/sms/inbound{query}", {})
    headers = {"X-Twilio-Signature": str(signed), "content-type": "application/json"}
    answer = await hook.client.post(f"/sms/inbound{query}", content=body, headers=headers)
    assert (answer.status_code, hook.taken[0].fields["AccountSid"]) == (200, ACCOUNT)
    other = await hook.client.post(f"/sms/inbound{query}", content=f"{body} ", headers=headers)
    assert other.status_code == 403


async def test_what_cannot_be_taken_is_said(hook: Hook) -> None:
    hook.fault = InvalidInput("there is no CallSid")
    answer = await hook.post({"AccountSid": ACCOUNT})
    assert (answer.status_code, answer.text, hook.counted()) == (400, "there is no CallSid", ["failed"])


VOICE = ("call", "status", "fallback", "progress", "screen", "next")


@pytest.mark.parametrize("path", ["/sms/inbound", "/sms/status", *(f"/voice/{name}" for name in VOICE)])
async def test_a_defect_is_logged_and_tells_nothing_of_the_inside(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr("tieline.http.signed_form.log.exception", lambda text, **_: logged.append(text))
    broken: Any = None  # whatever is asked of it fails
    app, metrics = FastAPI(), Metrics()
    forms = SignedForms(lambda: (CONNECTION,), PUBLIC, metrics)
    VoiceRoutes(broken, forms, metrics).mount(app)
    SmsRoutes(broken, forms).mount(app)
    form = {"AccountSid": ACCOUNT}
    signed = str(RequestValidator(TOKEN).compute_signature(f"{PUBLIC}{path}", form))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://tieline"
    ) as client:
        answer = await client.post(path, data=form, headers={"X-Twilio-Signature": signed})
    assert answer.status_code == 500
    assert "NoneType" not in answer.text
    assert logged == ["a webhook failed"]
