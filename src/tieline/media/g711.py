"""G.711: µ-law and A-law to and from 16-bit PCM, 8 kHz mono (ITU-T G.711, RFC 3551 section 4.5.14).

`audioop` does the work at about a microsecond a frame; from Python 3.13 the package audioop-lts provides it.
PCM is signed, native-endian, two bytes a sample.
"""

from __future__ import annotations

import warnings
from typing import Final

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

PCMU: Final = 0
PCMA: Final = 8
G711: Final = (PCMU, PCMA)
SAMPLE_RATE: Final = 8000
FRAME_MS: Final = 20
FRAME_BYTES: Final = SAMPLE_RATE * FRAME_MS // 1000
SILENCE: Final = {PCMU: b"\xff" * FRAME_BYTES, PCMA: b"\xd5" * FRAME_BYTES}


def decode(payload: bytes | memoryview, payload_type: int) -> bytes:
    """G.711 to PCM; any payload type but PCMA is read as µ-law."""
    return audioop.alaw2lin(payload, 2) if payload_type == PCMA else audioop.ulaw2lin(payload, 2)


def encode(pcm: bytes, payload_type: int) -> bytes:
    """PCM to G.711; any payload type but PCMA is written as µ-law. An odd last byte is left out."""
    whole = pcm[: len(pcm) & ~1]
    return audioop.lin2alaw(whole, 2) if payload_type == PCMA else audioop.lin2ulaw(whole, 2)


def ulaw_to_alaw(pcmu: bytes) -> bytes:
    """Transcode µ-law to A-law, by way of PCM."""
    return audioop.lin2alaw(audioop.ulaw2lin(pcmu, 2), 2)


def peak(pcm: bytes) -> int:
    """The largest magnitude in PCM, 0 to 32768."""
    return audioop.max(pcm, 2)


_EVERY_BYTE: Final = bytes(range(256))
# From the codec to the other one, as tables for `bytes.translate`.
TRANSCODED: Final = {
    PCMU: encode(decode(_EVERY_BYTE, PCMU), PCMA),
    PCMA: encode(decode(_EVERY_BYTE, PCMA), PCMU),
}
