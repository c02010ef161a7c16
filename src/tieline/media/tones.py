"""Tones that every media process holds: ringback, and a soft beep for a caller who waits.

They are made in code, are meant to be looped, and begin and end at a zero crossing. `clip_id` of a tone is what
`Play` names.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from tieline.media.g711 import PCMU, SAMPLE_RATE, encode
from tieline.media.messages import PutClip


@dataclass(frozen=True, slots=True)
class Cadence:
    """Sine tones sounding together for `on_s`, then silence for `off_s`. `level` is each one's peak, of 1."""

    frequencies: tuple[int, ...]
    on_s: float
    off_s: float
    level: float


class Tone(Enum):
    """The tones there are, by their clip ids."""

    RINGBACK_US = "tone:ringback-us"
    RINGBACK_EU = "tone:ringback-eu"
    COMFORT = "tone:comfort"

    @property
    def clip_id(self) -> str:
        """The clip's id, the same in every release."""
        return self.value


CADENCES: Final = {
    Tone.RINGBACK_US: Cadence((440, 480), 2.0, 4.0, 0.1),
    Tone.RINGBACK_EU: Cadence((425,), 1.0, 4.0, 0.15),
    Tone.COMFORT: Cadence((425,), 0.2, 4.8, 0.05),
}
"""North America's ringback, that of ITU-T E.180 as most of Europe has it, and a beep every five seconds."""


def ringback_of(number: str | None) -> Tone:
    """The ringback that is usual where an E.164 number is at home."""
    return Tone.RINGBACK_US if number is not None and number.startswith("+1") else Tone.RINGBACK_EU


@lru_cache(maxsize=len(Tone))
def audio_of(tone: Tone) -> bytes:
    """One turn of the cadence as 8 kHz µ-law."""
    cadence = CADENCES[tone]
    peak = cadence.level * 32767
    sound = array(
        "h",
        (
            round(peak * sum(math.sin(math.tau * each * n / SAMPLE_RATE) for each in cadence.frequencies))
            for n in range(round(cadence.on_s * SAMPLE_RATE))
        ),
    )
    sound.extend([0] * round(cadence.off_s * SAMPLE_RATE))
    return encode(sound.tobytes(), PCMU)


def tone_clips() -> Iterator[PutClip]:
    """The commands that give every tone to the media processes."""
    for tone in Tone:
        yield PutClip(tone.clip_id, audio_of(tone))
