"""Messages over the official SDK: what goes out, and what each answer means. The wire is httpx's own mock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from tests.unit.integrations.twilio.test_client import SID, answering, api_at
from tieline.integrations.sms_provider import SmsAnswerLost, SmsNotTaken, SmsRejected
from tieline.integrations.twilio.sms import TwilioSms, is_service, read_status, reply
from tieline.integrations.twilio.sms_codes import SMS_ERRORS, explain
from tieline.model.sms import SmsState
from tieline.testing.store_contract_sms import message

SERVICE = "MG" + "0a" * 16
AT = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)


def resource(sid: str = "SM1", **changes: Any) -> dict[str, Any]:
    return {
        "sid": sid, "account_sid": SID, "body": "Hello", "to": "+15550100", "from": "+15550199", "status": "queued",
        "messaging_service_sid": None, "num_segments": "1", "direction": "outbound-api", "error_code": None,
        "date_created": "Sat, 21 Nov 2026 16:00:00 +0000", **changes,
    }  # fmt: skip


def refusing(status: int, code: int | None) -> Callable[[httpx.Request], httpx.Response]:
    body = {"code": code, "message": "told by Twilio", "status": status}
    return answering(body if code is not None else {"message": "x"}, status)


async def test_a_message_goes_out_from_a_number_with_a_callback() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=resource(num_segments="2"))

    taken = await TwilioSms(api_at(answer)).send(message(), "https://t.example/sms/status?message=m1")
    assert (taken.sid, taken.state, taken.segments) == ("SM1", SmsState.ACCEPTED, 2)
    assert seen[0].url.path.endswith(f"/Accounts/{SID}/Messages.json")
    assert parse_qs(seen[0].content.decode()) == {
        "To": ["+15550100"], "From": ["+15550199"], "Body": ["Hello"],
        "StatusCallback": ["https://t.example/sms/status?message=m1"],
    }  # fmt: skip


async def test_a_message_goes_out_through_a_messaging_service() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={**resource(num_segments="0", status="accepted"), "from": None})

    taken = await TwilioSms(api_at(answer)).send(message(from_=SERVICE), None)
    assert taken.segments is None
    assert parse_qs(seen[0].content.decode())["MessagingServiceSid"] == [SERVICE]
    assert b"From=" not in seen[0].content
    assert b"StatusCallback" not in seen[0].content


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (refusing(400, 21610), SmsRejected, "The recipient has opted out of messages from this sender."),
        (refusing(401, 20003), SmsRejected, "does not accept these credentials"),
        (refusing(400, 29999), SmsRejected, "told by Twilio"),
        (refusing(429, 20429), SmsNotTaken, "too many requests"),
        (refusing(503, 20503), SmsNotTaken, "not available"),
        (refusing(500, 20500), SmsAnswerLost, "an error of its own"),
        (refusing(502, None), SmsAnswerLost, "HTTP 502"),
    ],
)
async def test_refusals_and_lost_answers_are_told_apart(
    answer: Callable[[httpx.Request], httpx.Response], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await TwilioSms(api_at(answer)).send(message(), None)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (httpx.ConnectError("refused"), SmsNotTaken),
        (httpx.ConnectTimeout("slow"), SmsNotTaken),
        (httpx.ReadTimeout("slow"), SmsAnswerLost),
        (httpx.RemoteProtocolError("cut"), SmsAnswerLost),
        (httpx.WriteError("cut"), SmsAnswerLost),
    ],
)
async def test_only_a_connection_that_was_not_made_is_sure(raised: Exception, error: type[Exception]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise raised

    with pytest.raises(error):
        await TwilioSms(api_at(answer)).send(message(), None)


async def test_a_lost_message_is_found_among_those_of_its_recipient() -> None:
    listed = [
        resource("SM6", body="Other"),
        resource("SM5", direction="inbound"),
        {**resource("SM4"), "from": "+15550000"},
        resource("SM3", status="delivered"),
        resource("SM2", date_created="Sat, 21 Nov 2026 15:59:58 +0000"),
        resource("SM1", date_created=None),
    ]
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            200, json={"messages": listed, "next_page_uri": None, "page": 0, "page_size": 50}
        )

    found = await TwilioSms(api_at(answer)).find(message(), AT + timedelta(milliseconds=900))
    assert [(one.sid, one.state) for one in found] == [("SM3", SmsState.DELIVERED)]
    assert dict(seen[0].url.params)["To"] == "+15550100"
    listed[3]["messaging_service_sid"] = SERVICE
    assert [one.sid for one in await TwilioSms(api_at(answer)).find(message(from_=SERVICE), AT)] == ["SM3"]


async def test_looking_up_may_fail() -> None:
    with pytest.raises(SmsAnswerLost):
        await TwilioSms(api_at(refusing(500, None))).find(message(), AT)


def test_forms_are_read_with_care() -> None:
    assert read_status({}) is None
    news = read_status({"SmsSid": "SM1", "SmsStatus": "failed", "ErrorCode": "30007"})
    assert news is not None
    assert (news.sid, news.state, news.error_code) == ("SM1", SmsState.FAILED, 30007)
    odd = read_status({"MessageSid": "SM1", "MessageStatus": "dancing", "ErrorCode": "12345678"})
    assert odd is not None
    assert (odd.state, odd.error_code) == (None, None)


def test_answers_are_escaped() -> None:
    assert "<Message" not in reply(None)
    assert "a &lt; b &amp; c" in reply("a < b & c")
    assert is_service(SERVICE)
    assert not is_service("MGM Resorts")


def test_codes_are_explained() -> None:
    for code, error in SMS_ERRORS.items():
        assert error.meaning.endswith("."), code
        assert error.fix.endswith("."), code
        assert explain(code) == f"{error.meaning} {error.fix}"
    for code in (30034, 30035, 30007, 30908, 30932, 30933, 21610, 21211, 21408, 21608, 21614, 30003, 30450):
        assert code in SMS_ERRORS
    assert explain(20429).startswith("Twilio has had too many requests")
    assert explain(None) == "Twilio gave no reason."
    assert explain(99999) == "Twilio's error 99999."
    assert explain(99999, " told \n twice ") == "told twice"
