"""Short numbers and extensions that begin with noughts are what they are, not international numbers."""

import pytest

from tieline.model.number import canonical, dialled


@pytest.mark.parametrize("digits", ["0002", "00", "001", "00123", "001234567"])
def test_a_short_number_keeps_its_leading_noughts(digits: str) -> None:
    assert canonical(digits) == digits
    assert dialled(f"sip:{digits}@pbx") == digits


@pytest.mark.parametrize(
    ("written", "number"), [("0044 20 7946 0018", "+442079460018"), ("0012345678", "+12345678")]
)
def test_two_noughts_before_a_number_are_the_international_prefix(written: str, number: str) -> None:
    assert canonical(written) == number


def test_two_noughts_before_what_cannot_be_a_number_make_none() -> None:
    assert canonical("0000000000") is None
