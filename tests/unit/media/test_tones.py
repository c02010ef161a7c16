"""Ringback and the comfort tone: pitch, cadence, level."""

from __future__ import annotations

import math

import pytest

from tieline.media.g711 import PCMU, decode, peak
from tieline.media.tones import CADENCES, Tone, audio_of, ringback_of, tone_clips


def power_at(samples: memoryview, frequency: float) -> float:
    turns = [math.tau * frequency * n / 8000 for n in range(len(samples))]
    real = sum(sample * math.cos(turn) for sample, turn in zip(samples, turns, strict=True))
    imaginary = sum(sample * math.sin(turn) for sample, turn in zip(samples, turns, strict=True))
    return (real**2 + imaginary**2) / len(samples) ** 2


@pytest.mark.parametrize(
    ("tone", "frequencies", "on_s", "whole_s"),
    [
        (Tone.RINGBACK_US, (440, 480), 2.0, 6.0),
        (Tone.RINGBACK_EU, (425,), 1.0, 5.0),
        (Tone.COMFORT, (425,), 0.2, 5.0),
    ],
)
def test_each_tone(tone: Tone, frequencies: tuple[int, ...], on_s: float, whole_s: float) -> None:
    audio = audio_of(tone)
    assert len(audio) == whole_s * 8000
    assert len(audio) % 160 == 0
    sounding = memoryview(decode(audio[: int(on_s * 8000)], PCMU)).cast("h")
    assert peak(decode(audio[int(on_s * 8000) :], PCMU)) <= 8
    level = (CADENCES[tone].level * 32767) ** 2 / 4
    for frequency in frequencies:
        assert power_at(sounding, frequency) == pytest.approx(level, rel=0.05)
    assert power_at(sounding, 600) < level / 100
    assert max(abs(sounding[0]), abs(sounding[-1])) < 0.5 * peak(bytes(sounding))


def test_the_ringback_follows_the_number() -> None:
    assert ringback_of("+15551234567") is Tone.RINGBACK_US
    assert ringback_of("+4930123456") is Tone.RINGBACK_EU
    assert ringback_of(None) is Tone.RINGBACK_EU


def test_every_tone_is_given_to_the_media_processes() -> None:
    assert {clip.clip_id for clip in tone_clips()} == {tone.clip_id for tone in Tone}
    assert all(clip.pcmu for clip in tone_clips())
