"""How long a text is as an SMS: which encoding it takes, and in how many segments it is sent and charged.

GSM 03.38 (3GPP TS 23.038) packs 160 characters of a small alphabet into one segment; one character outside of it
makes the whole text UCS-2, with 70. A longer text is cut into segments of 153 or 67, for each begins with a header
that says which part of the text it is. What takes two units is never cut in half.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from tieline.model.record import Record

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Characters of one septet."""

GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Characters of two septets: an escape and a character of the extension table."""

_ASTRAL = 0x10000


class Encoding(StrEnum):
    """How the characters of a text are sent."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


SINGLE = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
"""Units of a text that fits into one segment."""

PART = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}
"""Units of one segment of several."""


class SmsSize(Record):
    """A text measured. `units` are septets or UTF-16 code units; `room` are those left in the last segment.

    `forced_by` are the characters, each once, that keep the text from being GSM-7.
    """

    encoding: Encoding
    characters: int
    units: int
    segments: int
    room: int
    forced_by: tuple[str, ...] = ()


def measure(text: str) -> SmsSize:
    """The size of a text; an empty one has no segments."""
    forced_by = tuple(dict.fromkeys(one for one in text if one not in GSM_BASIC and one not in GSM_EXTENSION))
    encoding = Encoding.UCS_2 if forced_by else Encoding.GSM_7
    widths = [_width(one, encoding) for one in text]
    units = sum(widths)
    if units <= SINGLE[encoding]:
        segments, room = (1 if text else 0), SINGLE[encoding] - units
    else:
        segments, room = _fill(widths, PART[encoding])
    return SmsSize(
        encoding=encoding,
        characters=len(text),
        units=units,
        segments=segments,
        room=room,
        forced_by=forced_by,
    )


def _width(character: str, encoding: Encoding) -> int:
    if encoding is Encoding.GSM_7:
        return 2 if character in GSM_EXTENSION else 1
    return 2 if ord(character) >= _ASTRAL else 1


def _fill(widths: Iterable[int], size: int) -> tuple[int, int]:
    """How many segments characters of these widths fill, and the room in the last one."""
    segments, room = 1, size
    for width in widths:
        if width > room:
            segments, room = segments + 1, size
        room -= width
    return segments, room
