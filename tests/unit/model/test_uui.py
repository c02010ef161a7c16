"""User-to-User information, in the ways that it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.model.context import ContextOrigin, ContextValue, of_reservation
from tieline.model.profile import UuiEncoding
from tieline.model.uui import MAX_UUI, Uui, UuiFault, decode_uui, pairs_of

HEX, ASCII = UuiEncoding.HEX, UuiEncoding.ASCII


@pytest.mark.parametrize(
    ("value", "text", "encoding", "discriminator"),
    [
        ("003132333435;encoding=hex", "12345", HEX, "00"),
        ("0431323334;encoding=hex;purpose=isdn-uui;content=isdn-uui", "1234", HEX, "04"),
        ("3132333435;pd=00;encoding=hex", "12345", HEX, "00"),
        ("3132333435 ; Encoding = HEX", "12345", HEX, None),
        ("616D617A6f6e5f6368696d65;encoding=hex", "amazon_chime", HEX, None),
        ("00C3A9;encoding=hex", "é", HEX, "00"),
        ("00E9;encoding=hex", "é", HEX, "00"),
        ("0061623D63", "ab=c", HEX, "00"),
        ("12345;encoding=ascii", "12345", ASCII, None),
        ("12345678", "12345678", ASCII, None),
        ("hello", "hello", ASCII, None),
        ('"a;b=\\"c\\"";encoding=ascii', 'a;b="c"', ASCII, None),
        ("a%3Db%20c;encoding=ascii", "a=b c", ASCII, None),
        ("id=7;name=Ada;encoding=ascii", "id=7;name=Ada", ASCII, None),
        ('x;pd="00";encoding=ascii', "x", ASCII, "00"),
        ("a\udcff%20b", "a\ufffd b", ASCII, None),  # a byte that is no UTF-8, as a header holds it
    ],
)
def test_fields_that_can_be_read(
    value: str, text: str, encoding: UuiEncoding, discriminator: str | None
) -> None:
    assert decode_uui(value) == Uui(text=text, encoding=encoding, discriminator=discriminator)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "it is empty"),
        (";encoding=hex", "it is empty"),
        ("313;encoding=hex", "is not"),
        ("zz;encoding=hex", "is not"),
        ("000102;encoding=hex", "no readable text"),
        ("abc;encoding=base64", "'base64' is not known"),
        ("a\x01b;encoding=ascii", "control characters"),
        ("x" * (MAX_UUI + 1), "longer than"),
    ],
)
def test_fields_that_cannot(value: str, words: str) -> None:
    found = decode_uui(value)
    assert isinstance(found, UuiFault)
    assert words in found.detail


@given(st.text(max_size=100))
def test_nothing_raises(value: str) -> None:
    assert isinstance(decode_uui(value), Uui | UuiFault)
    pairs_of(value)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1", {"a": "1"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        ("a=1|b=2;3", {"a": "1", "b": "2;3"}),
        ("a = 1 & b=", {"a": "1", "b": ""}),
        ("a=1,b=2", {"a": "1", "b": "2"}),
        ("a=1;b", {"a": "1;b"}),
        ("https://example.com/?a=1", {}),
        ("", {}),
    ],
)
def test_lists_of_names_and_values(text: str, pairs: dict[str, str]) -> None:
    assert pairs_of(text) == pairs


def test_attributes_are_context_under_their_own_names() -> None:
    value = {"deep": [1]}
    assert of_reservation({"customer": value}) == (
        ContextValue(key="customer", value=value, origin=ContextOrigin.RESERVATION, name="customer"),
    )
