"""The SDK over our HTTP client: other base URLs, errors in words, credentials chosen. The wire is httpx's own mock."""

from collections.abc import Callable
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest

from tieline.errors import InvalidInput, Unavailable
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.codes import CODES, TwilioRefused, in_words
from tieline.model.twilio import TwilioConnection

SID = "AC" + "0a" * 16
NUMBER = {
    "sid": "PN" + "0b" * 16,
    "phone_number": "+15550150",
    "friendly_name": "(555) 0150",
    "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
    "voice_url": "https://old.example/voice",
    "voice_method": "GET",
    "voice_fallback_url": "",
    "voice_fallback_method": "POST",
    "status_callback": "",
    "status_callback_method": "POST",
    "voice_application_sid": None,
    "trunk_sid": None,
    "sms_url": "",
    "sms_method": "POST",
    "sms_application_sid": "",
}


def connection(**more: str | None) -> TwilioConnection:
    fields = {"name": "main", "account": "ws", "account_sid": SID, "auth_token": "t", **more}
    return msgspec.convert(fields, TwilioConnection)


def api_at(answer: Callable[[httpx.Request], httpx.Response], **more: str | None) -> TwilioApi:
    api = TwilioApi(connection(**more), "http://twilio.test/base/")
    api._http._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return api


def answering(body: object, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(status, json=body)


@pytest.mark.parametrize(("body", "code"), [({"code": 20003}, 20003), ({"code": "x"}, None), ([], None)])
async def test_a_list_that_is_refused_says_why(body: object, code: int | None) -> None:
    api = api_at(answering(body, 401))
    with pytest.raises(TwilioRefused, match="does not accept these credentials") as refused:
        await api.numbers()
    assert (refused.value.status, refused.value.twilio_code) == (401, code)
    await api.close()


async def test_the_account_by_account_sid_and_token() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            200, json={"sid": SID, "friendly_name": "Northwind", "status": "active", "type": "Full"}
        )

    api = api_at(answer)
    found = await api.account()
    await api.close()
    assert (found.name, found.status, found.type) == ("Northwind", "active", "Full")
    assert str(seen[0].url) == f"http://twilio.test/base/2010-04-01/Accounts/{SID}.json"
    assert httpx.BasicAuth(SID, "t")._auth_header == seen[0].headers["authorization"]


async def test_an_api_key_is_used_where_there_is_one() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            200, json={"incoming_phone_numbers": [NUMBER], "uri": "", "next_page_uri": None}
        )

    api = api_at(answer, api_key_sid="SK" + "0" * 32, api_key_secret="s")
    (number,) = await api.numbers()
    await api.close()
    assert (number.number, number.voice, number.sms) == ("+15550150", True, True)
    assert number.settings["voice_method"] == "GET"
    assert number.settings["trunk_sid"] == ""
    assert httpx.BasicAuth("SK" + "0" * 32, "s")._auth_header == seen[0].headers["authorization"]


async def test_a_number_is_changed_and_cleared() -> None:
    sent: list[dict[str, list[str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(parse_qs(request.content.decode(), keep_blank_values=True))
        return httpx.Response(200, json=NUMBER)

    api = api_at(answer)
    await api.change_number(
        "PN1", {"voice_url": "", "voice_method": "", "sms_url": "https://a.example", "sms_method": "POST"}
    )
    await api.close()
    assert sent == [{"VoiceUrl": [""], "SmsUrl": ["https://a.example"], "SmsMethod": ["POST"]}]


async def test_calls_are_redirected_and_ended() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.content.decode())
        return httpx.Response(200, json={"sid": "CA1"})

    api = api_at(answer)
    await api.redirect_call("CA1", "<Response/>")
    await api.end_call("CA1")
    await api.close()
    assert sent == ["Twiml=%3CResponse%2F%3E", "Status=completed"]


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (401, {"code": 20003, "message": "Authenticate", "status": 401}, 20003, CODES[20003]),
        (401, {"message": "no"}, None, CODES[20003]),
        (400, {"code": 99999, "message": "Something\nnew"}, 99999, "Something new"),
        (404, {"code": 20404, "message": "x"}, 20404, CODES[20404]),
    ],
)
async def test_refusals_are_told_in_words(status: int, body: object, code: int | None, words: str) -> None:
    api = api_at(answering(body, status))
    with pytest.raises(TwilioRefused) as refused:
        await api.account()
    await api.close()
    assert refused.value.twilio_code == code
    assert words in refused.value.message


async def test_a_twilio_that_is_out_of_order_is_unavailable() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    for answer, words in (
        (broken, "cannot be reached"),
        (slow, "did not answer in time"),
        (answering({"message": "oops"}, 500), "HTTP 500"),
        (lambda request: httpx.Response(200, text="<html>"), "cannot be read"),
        (answering([]), "cannot be read"),
    ):
        api = api_at(answer)
        with pytest.raises(Unavailable) as failed:
            await api.account()
        await api.close()
        assert words in failed.value.message


def test_a_connection_without_secrets_is_refused() -> None:
    with pytest.raises(InvalidInput):
        TwilioApi(connection(auth_token=None))


def test_every_code_is_a_sentence_without_an_end() -> None:
    for code, words in CODES.items():
        assert 10000 < code < 99999
        assert words.strip() == words
        assert not words.endswith(".")
    assert in_words(None, 418) == "Twilio answered 418"
