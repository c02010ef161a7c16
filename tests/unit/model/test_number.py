"""Numbers in whatever form they come."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import InvalidInput
from tieline.model.number import MAX_RANGE, caller, canonical, dialled, expand


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        ("+12345", None, "+12345"),
        ("+15550100001", "GB", "+15550100001"),
        ("0044 20 7946 0000", None, "+442079460000"),
        ("0044 20 7946 0000", "US", "+442079460000"),
        ("+44 (0)20 7946 0000", None, "+442079460000"),
        ("+44-20.7946/0000", None, "+442079460000"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("020 7946 0000", "gb", "+442079460000"),
        ("020 7946 0000", None, "02079460000"),
        ("(555) 010-0001", "US", "+15550100001"),
        ("15550100001", None, "+15550100001"),
        ("5550100001", None, "5550100001"),
        ("99999999999", None, "99999999999"),
        ("1001", None, "1001"),
        ("1001", "GB", "1001"),
        ("1", "US", "1"),
        ("+１５５５０１００００１", None, "+15550100001"),
        ("＋15550100001", None, "+15550100001"),
        ("+1 555\u00a0010\u20110001", None, "+15550100001"),
        ("٠٠٤٤٢٠٧٩٤٦٠٠٠٠", None, "+442079460000"),
        ("+1234", None, None),
        ("+0123456", None, None),
        ("+1234567890123456", None, None),
        ("", None, None),
        ("+", None, None),
        ("alice", None, None),
        ("12a34", "US", None),
        ("1" * 21, None, None),
        ("+" + " " * 300 + "15550100001", None, None),
        ("12345678901", "XX", "+12345678901"),
    ],
)
def test_canonical(raw: str, region: str | None, number: str | None) -> None:
    assert canonical(raw, region) == number


@pytest.mark.parametrize(
    "text",
    [
        "sip:+15550100001@h;user=phone",
        "sip:15550100001@h",
        "SIPS:+15550100001@[2001:db8::1]:5061;transport=tls",
        "<sip:+1-555-010-0001;npdi;rn=+1555@h:5060;x=y>;tag=1",
        '"Desk <1>" <sip:+15550100001@h>'.replace("<1>", "1"),
        "tel:+1-555-010-0001;ext=5",
        "tel:010-0001;phone-context=+1555",
        "sip:%2B15550100001:secret@h",
        "+15550100001",
        "+15550100001@h",
        "< sip:+15550100001@h >",
    ],
)
def test_dialled_forms_of_one_number(text: str) -> None:
    assert dialled(text) == "+15550100001"
    assert caller(text) == "+15550100001"


@pytest.mark.parametrize("text", ["sip:host", "sip:host;lr", "sip:alice@h", "tel:", "", "x" * 300])
def test_dialled_without_a_number(text: str) -> None:
    assert dialled(text) is None
    assert caller(text) is None


def test_dialled_extension() -> None:
    assert dialled("sip:1001@pbx") == "1001"
    assert dialled("tel:1001;phone-context=pbx.example.com") == "1001"
    assert dialled("sip:5550100001@h", "US") == "+15550100001"


@pytest.mark.parametrize(
    "text",
    [
        '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
        "<sip:+15550100001@anonymous.invalid>",
        "<sip:+15550100001@ANONYMOUS.invalid:5060;x=y>",
        "sip:Restricted@carrier",
        "sip:unavailable@unknown.invalid",
        "<sip:private@h>",
        "unknown",
        "anonymous",
        "sip:@h",
        "",
    ],
)
def test_withheld_callers_are_unknown(text: str) -> None:
    assert caller(text) is None


@pytest.mark.parametrize("written", ["0044 20 7946 0000", "+44 (0)20 7946-0000", "tel:+44-20-7946-0000"])
def test_a_caller_equal_but_for_format(written: str) -> None:
    assert caller(written) == canonical("+442079460000")


@given(st.text(max_size=300))
def test_no_text_upsets_them(text: str) -> None:
    for number in (canonical(text), dialled(text), caller(text), canonical(text, "DE")):
        assert number is None or canonical(number) == number


@given(st.integers(10_000, 10**15 - 1))
def test_a_canonical_number_stays_as_it_is(value: int) -> None:
    number = f"+{value}"
    assert canonical(number) == number
    assert dialled(f"sip:{number}@h;user=phone") == number


def test_a_range_stands_for_its_numbers() -> None:
    assert expand("+15550100008-+15550100011") == (
        "+15550100008",
        "+15550100009",
        "+15550100010",
        "+15550100011",
    )
    assert expand(" +1 555 010 0008 - +1 555 010 0009 ") == ("+15550100008", "+15550100009")
    assert expand("+1-555-010-0008") == ("+15550100008",)
    assert expand("1001") == ("1001",)
    assert len(expand("+15550000000-+15550199999")) == MAX_RANGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "+15550100009-+15550100008",
        "+15550100009-+155501000100",
        "+15550100000-+",
        "+1-+15550100001",
        "+15550000000-+15550200000",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        expand(text)


def test_canonical_numbers_need_no_metadata() -> None:
    """The numbering plans take long to load; a call that brings E.164 numbers does not wait for them."""
    code = (
        "import sys; from tieline.model.number import canonical, caller, dialled\n"
        "canonical('+15550100001'); dialled('sip:+15550100001@h'); caller('<sip:anonymous@anonymous.invalid>')\n"
        "print('phonenumbers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
