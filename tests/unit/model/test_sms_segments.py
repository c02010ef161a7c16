"""How texts are measured: the alphabet, the limits, and what is never cut in half."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.model.sms_segments import GSM_BASIC, GSM_EXTENSION, PART, SINGLE, Encoding, measure

GSM = st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENSION)), max_size=500)


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "room"),
    [
        ("", Encoding.GSM_7, 0, 160),
        ("a" * 160, Encoding.GSM_7, 1, 0),
        ("a" * 161, Encoding.GSM_7, 2, 145),
        ("a" * 306, Encoding.GSM_7, 2, 0),
        ("a" * 307, Encoding.GSM_7, 3, 152),
        ("€" * 80, Encoding.GSM_7, 1, 0),
        ("€" * 81, Encoding.GSM_7, 2, 153 - 10),
        ("ж" * 70, Encoding.UCS_2, 1, 0),
        ("ж" * 71, Encoding.UCS_2, 2, 63),
        ("ж" * 134, Encoding.UCS_2, 2, 0),
        ("😀" * 35, Encoding.UCS_2, 1, 0),
        ("😀" * 36, Encoding.UCS_2, 2, 67 - 6),
        ("É" * 160, Encoding.GSM_7, 1, 0),
        ("ç", Encoding.UCS_2, 1, 69),
    ],
)
def test_lengths_and_what_they_take(text: str, encoding: Encoding, segments: int, room: int) -> None:
    size = measure(text)
    assert (size.encoding, size.segments, size.room) == (encoding, segments, room)
    assert size.characters == len(text)


def test_a_pair_is_not_cut_in_half() -> None:
    size = measure("a" * 152 + "€" + "b" * 152)
    assert (size.units, size.segments) == (306, 3)
    assert measure("a" * 153 + "€" + "b" * 151).segments == 2


def test_what_forces_ucs_2_is_told_once_each_in_order() -> None:
    assert measure("It’s 5 ° — it’s “cold”").forced_by == ("’", "°", "—", "“", "”")
    assert measure("It's 5 {} [cold] ~ | \\ ^ €").forced_by == ()


def test_the_alphabet_has_as_many_characters_as_the_standard_says() -> None:
    assert (len(GSM_BASIC), len(GSM_EXTENSION)) == (127, 10)


@given(GSM)
def test_gsm_text_stays_gsm_and_one_other_character_makes_it_ucs_2(text: str) -> None:
    assert measure(text).encoding is Encoding.GSM_7
    size = measure(f"{text}☃")
    assert (size.encoding, size.forced_by) == (Encoding.UCS_2, ("☃",))


@given(st.text(max_size=700))
def test_segments_hold_the_text_and_are_no_more_than_needed(text: str) -> None:
    size = measure(text)
    if size.units <= SINGLE[size.encoding]:
        assert size.segments == bool(text)
        assert size.room == SINGLE[size.encoding] - size.units
        return
    part = PART[size.encoding]
    wasted = size.segments * part - size.units - size.room
    assert 0 <= wasted < size.segments
    assert 0 <= size.room < part
    assert size.segments <= -(-size.units // (part - 1))
    assert measure(text + "x").segments >= size.segments
