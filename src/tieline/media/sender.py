"""The speaking half of a leg: one RTP packet every 20 ms, of a clip, of a digit, or of silence.

The RTP timestamp follows the clock, also while nothing is sent; the sequence number counts what is sent. The
marker is set on the first packet of each stretch of speech (RFC 3551 section 4.1). Digits go before clips, which
wait for them.
"""

from __future__ import annotations

from tieline.media.dtmf import EventSender
from tieline.media.g711 import FRAME_BYTES, PCMU
from tieline.media.playout import Playout
from tieline.media.rtp import HEADER_BYTES, build, write_header


class Sender:
    """State of one leg's outgoing RTP. `ssrc`, `sequence` and `timestamp` are random starting values."""

    __slots__ = (
        "_buffer",
        "_dtmf_payload_type",
        "_quiet",
        "_sequence",
        "_ssrc",
        "_timestamp",
        "digits",
        "playout",
    )

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.playout = Playout(PCMU)
        self.digits = EventSender()
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._dtmf_payload_type: int | None = None
        self._quiet = True
        self._buffer = bytearray(HEADER_BYTES + FRAME_BYTES)

    def connect(self, payload_type: int, dtmf_payload_type: int | None) -> None:
        """Take what was negotiated."""
        self.playout.set_payload_type(payload_type)
        self._dtmf_payload_type = dtmf_payload_type

    def send_digits(self, digits: str) -> None:
        """Queue digits; nothing when telephone-event was not negotiated."""
        if self._dtmf_payload_type is not None:
            self.digits.enqueue(digits)

    def skip(self, frames: int) -> None:
        """Let media time pass without sending."""
        self._timestamp = (self._timestamp + frames * FRAME_BYTES) & 0xFFFFFFFF
        self._quiet = True

    def packet(self, frames: int) -> bytes | bytearray:
        """The packet due now, `frames` frames after the last one. Valid until the next call."""
        timestamp = self._timestamp = (self._timestamp + frames * FRAME_BYTES) & 0xFFFFFFFF
        sequence = self._sequence = (self._sequence + 1) & 0xFFFF
        frame = None
        if self.digits:
            event = self.digits.step(timestamp)
            self._quiet = True
            if event is not None and self._dtmf_payload_type is not None:
                return build(
                    event.payload,
                    payload_type=self._dtmf_payload_type,
                    sequence=sequence,
                    timestamp=event.timestamp,
                    ssrc=self._ssrc,
                    marker=event.marker,
                )
        else:
            frame = self.playout.frame()
        buffer = self._buffer
        if frame is None:
            write_header(buffer, self.playout.payload_type, False, sequence, timestamp, self._ssrc)
            buffer[HEADER_BYTES:] = self.playout.silence
            self._quiet = True
        else:
            write_header(buffer, self.playout.payload_type, self._quiet, sequence, timestamp, self._ssrc)
            buffer[HEADER_BYTES:] = frame
            self._quiet = False
        return buffer
