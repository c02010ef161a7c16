"""Signatures: what is signed, by whom, and what a receiver lets through."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.model.webhook import WebhookEndpoint
from tieline.webhooks.signing import sign, valid_secrets, verify

NOW = datetime(2030, 1, 1, tzinfo=UTC)
AT = 1_900_000_000
BODY = b'{"id":"evt_1"}'


def endpoint(**fields: object) -> WebhookEndpoint:
    return WebhookEndpoint(name="e", account="a", url="https://example.com", secret="new", **fields)  # type: ignore[arg-type]


def test_the_signature_is_of_time_dot_body() -> None:
    expected = hmac.new(b"secret", b"1900000000." + BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, ["secret"], AT) == f"t=1900000000,v1={expected}"


@given(body=st.binary(max_size=200), secret=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_what_is_signed_is_verified(body: bytes, secret: str) -> None:
    header = sign(body, [secret, "other"], AT)
    assert verify(header, body, secret, AT)
    assert verify(header, body, "other", AT)
    assert not verify(header, body + b" ", secret, AT)
    assert not verify(header, body, secret + "x", AT)


@pytest.mark.parametrize(
    ("off", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_an_old_signature_is_refused(off: int, taken: bool) -> None:
    assert verify(sign(BODY, ["s"], AT), BODY, "s", AT + off) is taken


def test_another_time_is_another_signature() -> None:
    later = sign(BODY, ["s"], AT).replace(f"t={AT}", f"t={AT + 1}")
    assert not verify(later, BODY, "s", AT)


@pytest.mark.parametrize(
    "header",
    [
        "", "v1=abc", "t=,v1=abc", "t=1,t=1,v1=abc", "t=x,v1=abc", "t=٣,v1=abc", "t=1900000000", "t=1900000000,v1=",
        "t=1900000000,v1=\udce9", "t=1900000000,v2=abc", "," * 1000, "t=" + "9" * 4000 + ",v1=a", "t=-5,v1=a",
    ],
)  # fmt: skip
def test_what_is_no_signature_is_refused(header: str) -> None:
    assert not verify(header, BODY, "s", AT)


def test_the_old_secret_signs_until_its_time() -> None:
    rotated = endpoint(previous_secret="old", previous_until=NOW + timedelta(hours=1))
    assert valid_secrets(rotated, NOW) == ("new", "old")
    assert valid_secrets(rotated, NOW + timedelta(hours=1)) == ("new",)
    assert valid_secrets(endpoint(), NOW) == ("new",)
    assert valid_secrets(endpoint(previous_secret="old"), NOW) == ("new",)
