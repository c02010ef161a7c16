"""WAV recordings read into what calls play: 8 kHz mono µ-law.

Reads PCM of 8, 16, 24 and 32 bits and G.711 of either law, mono or stereo, 8 to 96 kHz. Sizes are checked first;
whatever is wrong with a file raises `WavError`.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import Final

from tieline.errors import InvalidInput
from tieline.media.g711 import PCMA, PCMU, SAMPLE_RATE, decode, encode
from tieline.media.rate import resample

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

MAX_BYTES: Final = 32 * 1024 * 1024
_FORMAT: Final = struct.Struct("<HHIIHH")
_CHUNK: Final = struct.Struct("<4sI")
_LINEAR, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE


class WavError(InvalidInput):
    """A file that is no WAV recording we can play; the message says why."""

    code = "bad_recording"


@dataclass(frozen=True, slots=True)
class _Layout:
    encoding: int
    channels: int
    rate: int
    width: int


def read_wav(content: bytes) -> bytes:
    """The recording as 8 kHz mono µ-law. Raises `WavError`."""
    if len(content) > MAX_BYTES:
        raise WavError(f"the file has {len(content)} bytes; the limit is {MAX_BYTES}")
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise WavError("the file is not a WAV recording")
    layout, samples = _find(content)
    if layout == _Layout(_ULAW, 1, SAMPLE_RATE, 1):
        return samples
    pcm = _to_linear(layout, samples)
    if layout.channels == 2:
        pcm = audioop.tomono(pcm[: len(pcm) & ~3], 2, 0.5, 0.5)
    return encode(resample(pcm, layout.rate, SAMPLE_RATE), PCMU)


def _find(content: bytes) -> tuple[_Layout, bytes]:
    """Walk the chunks to the format and the samples. A last chunk that is cut short is taken as far as it goes."""
    layout: _Layout | None = None
    position = 12
    while position + _CHUNK.size <= len(content):
        name, size = _CHUNK.unpack_from(content, position)
        position += _CHUNK.size
        if name == b"fmt ":
            layout = _read_format(content[position : position + size])
        elif name == b"data":
            if layout is None:
                raise WavError("the samples come before their format")
            samples = content[position : position + size]
            return layout, samples[: len(samples) - len(samples) % (layout.width * layout.channels)]
        position += size + size % 2
    raise WavError("the file holds no samples")


def _read_format(chunk: bytes) -> _Layout:
    if len(chunk) < _FORMAT.size:
        raise WavError("the format of the samples is cut short")
    encoding, channels, rate, _, _, bits = _FORMAT.unpack_from(chunk)
    if encoding == _EXTENSIBLE and len(chunk) >= 26:
        encoding = int.from_bytes(chunk[24:26], "little")
    if (encoding, bits) not in {
        (_LINEAR, 8),
        (_LINEAR, 16),
        (_LINEAR, 24),
        (_LINEAR, 32),
        (_ALAW, 8),
        (_ULAW, 8),
    }:
        raise WavError(f"encoding {encoding} with {bits} bits is not read; save as 16-bit PCM")
    if channels not in {1, 2}:
        raise WavError(f"{channels} channels are not read; save as mono or stereo")
    if not 8000 <= rate <= 96000:
        raise WavError(f"a sample rate of {rate} Hz is not read; save with 8,000 to 96,000 Hz")
    return _Layout(encoding, channels, rate, bits // 8)


def _to_linear(layout: _Layout, samples: bytes) -> bytes:
    if layout.encoding == _ALAW:
        return decode(samples, PCMA)
    if layout.encoding == _ULAW:
        return decode(samples, PCMU)
    if layout.width == 1:
        samples = audioop.bias(samples, 1, 128)
    return audioop.lin2lin(samples, layout.width, 2) if layout.width != 2 else samples
