"""Recordings: the encodings we read, the rates, and everything that is wrong with a file."""

from __future__ import annotations

import array
import contextlib
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.media.g711 import PCMU, decode, encode, peak, ulaw_to_alaw
from tieline.media.rate import resample
from tieline.media.wav import MAX_BYTES, WavError, read_wav


def tone(hertz: float, rate: int, seconds: float = 0.5, amplitude: int = 10000) -> bytes:
    count = int(rate * seconds)
    return array.array(
        "h", (int(amplitude * math.sin(2 * math.pi * hertz * n / rate)) for n in range(count))
    ).tobytes()


def wav(
    samples: bytes,
    *,
    encoding: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    extra: bytes = b"",
) -> bytes:
    width = channels * bits // 8
    header = struct.pack("<HHIIHH", encoding, channels, rate, rate * width, width, bits) + extra
    chunks = b"LIST" + struct.pack("<I", 3) + b"odd\x00"
    chunks += b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def level(pcm: bytes) -> float:
    samples = array.array("h", pcm)[200:-200]
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def test_telephone_audio_is_taken_as_it_is() -> None:
    assert read_wav(wav(bytes(range(256)), encoding=7, bits=8)) == bytes(range(256))


def test_a_law_is_transcoded() -> None:
    pcmu = encode(tone(440, 8000), PCMU)
    assert decode(read_wav(wav(ulaw_to_alaw(pcmu), encoding=6, bits=8)), PCMU) != b""
    assert level(decode(read_wav(wav(ulaw_to_alaw(pcmu), encoding=6, bits=8)), PCMU)) == pytest.approx(
        7071, rel=0.03
    )


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000])
def test_any_rate_keeps_length_and_level(rate: int) -> None:
    pcmu = read_wav(wav(tone(700, rate), rate=rate))
    assert len(pcmu) == pytest.approx(4000, abs=2)
    assert level(decode(pcmu, PCMU)) == pytest.approx(7071, rel=0.05)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_what_8_khz_cannot_hold_is_taken_away(rate: int) -> None:
    assert level(resample(tone(5200, rate), rate, 8000)) < 50
    assert level(resample(tone(3000, rate), rate, 8000)) > 6000


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_any_width(bits: int) -> None:
    pcm = array.array("h", tone(500, 8000))
    if bits == 8:
        samples = bytes((sample >> 8) + 128 for sample in pcm)
    else:
        samples = b"".join(
            (sample << (bits - 16)).to_bytes(bits // 8, "little", signed=True) for sample in pcm
        )
    assert level(decode(read_wav(wav(samples, bits=bits)), PCMU)) == pytest.approx(7071, rel=0.05)


def test_stereo_is_mixed() -> None:
    left = array.array("h", tone(500, 8000))
    both = array.array("h", (value for sample in left for value in (sample, 0)))
    assert level(decode(read_wav(wav(both.tobytes(), channels=2)), PCMU)) == pytest.approx(7071 / 2, rel=0.05)


def test_stereo_of_either_law_is_mixed() -> None:
    samples = bytes([0x80, 0x80] * 400)
    assert len(read_wav(wav(samples, encoding=7, channels=2, bits=8))) == 400


def test_the_extensible_header() -> None:
    extra = struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    assert len(read_wav(wav(tone(500, 8000), encoding=0xFFFE, extra=extra))) == 4000


def test_a_file_that_is_cut_short_is_played_as_far_as_it_goes() -> None:
    assert len(read_wav(wav(tone(500, 8000))[:-1001])) == 4000 - 501


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a WAV"),
        (b"ID3\x03" + bytes(20), "not a WAV"),
        (b"RIFF\x00\x00\x00\x00WAVE", "no samples"),
        (wav(b"", encoding=3, bits=32), "encoding 3 with 32 bits"),
        (wav(b"", bits=12), "encoding 1 with 12 bits"),
        (wav(b"", encoding=0xFFFE), "encoding 65534"),
        (wav(b"", channels=6), "6 channels"),
        (wav(b"", rate=4000), "4000 Hz"),
        (wav(b"", rate=200000), "200000 Hz"),
        (wav(b"").replace(b"fmt ", b"fmx "), "before their format"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \x04\x00\x00\x00abcd", "cut short"),
        (b"RIFF" + bytes(MAX_BYTES), "limit"),
    ],
)
def test_refuses_with_a_message(content: bytes, message: str) -> None:
    with pytest.raises(WavError, match=message):
        read_wav(content)


@given(st.binary(max_size=80).map(lambda rest: b"RIFF\x00\x00\x00\x00WAVE" + rest) | st.binary(max_size=60))
def test_garbage_raises_nothing_else(content: bytes) -> None:
    with contextlib.suppress(WavError):
        read_wav(content)


@given(
    st.sampled_from([1, 6, 7]),
    st.sampled_from([8, 16, 24, 32]),
    st.integers(1, 2),
    st.integers(8000, 96000),
    st.binary(max_size=200),
)
def test_any_samples_are_read(encoding: int, bits: int, channels: int, rate: int, samples: bytes) -> None:
    content = wav(samples, encoding=encoding, bits=bits, channels=channels, rate=rate)
    if encoding != 1 and bits != 8:
        with pytest.raises(WavError):
            read_wav(content)
    else:
        assert len(read_wav(content)) <= len(samples)


def test_resampling_nothing_gives_nothing() -> None:
    assert resample(b"", 22050, 8000) == b""
    assert resample(b"\x01", 22050, 8000) == b""
    assert resample(b"\x01\x02\x03", 8000, 8000) == b"\x01\x02"


def test_resampling_upwards() -> None:
    assert len(resample(tone(500, 8000), 8000, 16000)) == pytest.approx(16000, abs=4)


def test_an_odd_last_byte_is_not_encoded() -> None:
    assert len(encode(b"\x00\x00\x01", PCMU)) == 1
    assert peak(b"\x00\x80") == 32768
