"""Webhooks are let in when the SDK's own signature of the public URL and the fields is on them, and never otherwise."""

import hashlib

import pytest
from twilio.request_validator import RequestValidator

from tieline.errors import InvalidInput
from tieline.integrations.twilio.signature import (
    Form,
    NotFromTwilio,
    check_signature,
    public_request_url,
    read_form,
)
from tieline.model.twilio import TwilioConnection

SID = "AC" + "0a" * 16
TOKEN = "the-auth-token"
URL = "https://voice.example.com/voice/call"


def connection(token: str | None = TOKEN, sid: str = SID, name: str = "main") -> TwilioConnection:
    return TwilioConnection(name=name, account="ws-1", account_sid=sid, auth_token=token)


def form(**fields: str) -> Form:
    return Form({"AccountSid": SID, "CallSid": "CA1", **fields}.items())


def sign(url: str, fields: Form, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


class TestForms:
    def test_a_signed_one_names_its_connection(self) -> None:
        fields = form(From="+15550100", To="+15550150")
        found = check_signature([connection()], URL, fields, sign(URL, fields))
        assert found.name == "main"

    def test_of_several_connections_of_an_account_the_one_whose_token_it_is(self) -> None:
        fields = form()
        ours = [connection(None, name="keys"), connection("other", name="old"), connection()]
        assert check_signature(ours, URL, fields, sign(URL, fields)).name == "main"

    def test_repeated_fields_and_unicode_are_signed_whole(self) -> None:
        fields = read_form(f"AccountSid={SID}&a=1&a=2&Body=caf%C3%A9+%F0%9F%91%8B&empty=".encode())
        assert fields["a"] == "2"
        assert fields.getall("a") == ["1", "2"]
        assert fields["Body"] == "café 👋"
        check_signature([connection()], URL, fields, sign(URL, fields))

    def test_a_port_in_the_public_url_may_be_signed_or_not(self) -> None:
        fields = form()
        with_port = "https://voice.example.com:443/voice/call"
        check_signature([connection()], with_port, fields, sign(URL, fields))
        check_signature([connection()], URL, fields, sign(with_port, fields))

    @pytest.mark.parametrize(
        ("signature", "fields", "why"),
        [
            (None, form(), "no X-Twilio-Signature"),
            ("", form(), "no X-Twilio-Signature"),
            ("AAAA", form(), "wrong"),
            ("é", form(), "wrong"),
            ("AAAA", Form([("CallSid", "CA1")]), "no AccountSid"),
            ("AAAA", Form([("AccountSid", "AC' or 1")]), "no AccountSid"),
            ("AAAA", Form([("AccountSid", "AC" + "ff" * 16)]), "not connected"),
        ],
    )
    def test_what_is_not_signed_is_refused(self, signature: str | None, fields: Form, why: str) -> None:
        with pytest.raises(NotFromTwilio) as refused:
            check_signature([connection()], URL, fields, signature)
        assert why in refused.value.detail
        assert why not in refused.value.message

    def test_a_changed_field_and_another_url_and_another_token_are_refused(self) -> None:
        fields = form(To="+15550150")
        good = sign(URL, fields)
        for url, sent, signature in (
            (URL, form(To="+15550151"), good),
            (f"{URL}?x=1", fields, good),
            ("http://voice.example.com/voice/call", fields, good),
            (URL, fields, sign(URL, fields, "another")),
        ):
            with pytest.raises(NotFromTwilio):
                check_signature([connection()], url, sent, signature)

    def test_without_an_auth_token_nothing_is_taken(self) -> None:
        fields = form()
        with pytest.raises(NotFromTwilio) as refused:
            check_signature([connection(None)], URL, fields, sign(URL, fields, ""))
        assert "has no Auth Token" in refused.value.detail

    @pytest.mark.parametrize("body", [b"a=%FF", b"\xff=1", b"&".join(b"a%d=1" % n for n in range(300))])
    def test_a_body_that_is_no_form_is_a_mistake_in_words(self, body: bytes) -> None:
        with pytest.raises(InvalidInput):
            read_form(body)


class TestJson:
    body = '{"CallSid": "CA1"}'

    def url(self, body: str) -> str:
        return f"{URL}?AccountSid={SID}&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"

    def test_the_hash_of_the_body_is_in_the_signed_url(self) -> None:
        url = self.url(self.body)
        nothing = Form([])
        check_signature([connection()], url, nothing, sign(url, nothing), body=self.body)
        with pytest.raises(NotFromTwilio):
            check_signature([connection()], url, nothing, sign(url, nothing), body=self.body + " ")

    def test_a_body_that_no_hash_covers_is_refused(self) -> None:
        url, nothing = f"{URL}?AccountSid={SID}", Form([])
        with pytest.raises(NotFromTwilio):
            check_signature([connection()], url, nothing, sign(url, nothing), body=self.body)


@pytest.mark.parametrize(
    ("public", "asked", "signed"),
    [
        (None, "http://10.0.0.1:8080/voice/call?a=1", "http://10.0.0.1:8080/voice/call?a=1"),
        ("https://a.example", "http://10.0.0.1:8080/voice/call", "https://a.example/voice/call"),
        ("https://a.example/", "http://10.0.0.1/voice/call?a=1", "https://a.example/voice/call?a=1"),
        (
            "https://a.example:8443/tie/",
            "http://10.0.0.1/voice/call",
            "https://a.example:8443/tie/voice/call",
        ),
    ],
)
def test_behind_a_proxy_the_public_url_is_what_was_signed(
    public: str | None, asked: str, signed: str
) -> None:
    assert public_request_url(public, asked) == signed
