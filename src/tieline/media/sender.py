"""The speaking half of a leg: one RTP packet every 20 ms, of a clip, of a digit, or of silence.

Relayed packets (`tieline.media.relay`) are sent in between and share the numbers of the stream.

The RTP timestamp follows the clock, also while nothing is sent; the sequence number counts what is sent. The
marker is set on the first packet of each stretch of speech (RFC 3551 section 4.1). Digits go before clips, which
wait for them.
"""

from __future__ import annotations

from typing import Final

from tieline.media.dtmf import EventSender
from tieline.media.g711 import FRAME_BYTES, PCMU
from tieline.media.playout import Playout
from tieline.media.rtp import HEADER_BYTES, build, write_header

# Relayed audio is ahead of our clock by less than this; what seems further ahead lies in the past.
_MAX_OVERRUN: Final = 0x10000


class Sender:
    """State of one leg's outgoing RTP. `ssrc`, `sequence` and `timestamp` are random starting values.

    `sequence` is the newest number sent and `timestamp` the time of the frame. `relaying` is true while the newest
    packet was a relayed one; `sent_until` is where the audio sent so far ends.
    """

    __slots__ = (
        "_buffer",
        "_quiet",
        "digits",
        "dtmf_payload_type",
        "playout",
        "relaying",
        "sent_until",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.playout = Playout(PCMU)
        self.digits = EventSender()
        self.ssrc = ssrc
        self.sequence = sequence
        self.timestamp = timestamp
        self.dtmf_payload_type: int | None = None
        self.relaying = False
        self.sent_until = timestamp
        self._quiet = True
        self._buffer = bytearray(HEADER_BYTES + FRAME_BYTES)

    def connect(self, payload_type: int, dtmf_payload_type: int | None) -> None:
        """Take what was negotiated."""
        self.playout.set_payload_type(payload_type)
        self.dtmf_payload_type = dtmf_payload_type

    def send_digits(self, digits: str) -> None:
        """Queue digits; nothing when telephone-event was not negotiated."""
        if self.dtmf_payload_type is not None:
            self.digits.enqueue(digits)

    def skip(self, frames: int) -> None:
        """Let media time pass without sending."""
        self.timestamp = (self.timestamp + frames * FRAME_BYTES) & 0xFFFFFFFF
        self._quiet = True

    def packet(self, frames: int) -> bytes | bytearray:
        """The packet due now, `frames` frames after the last one. Valid until the next call."""
        timestamp = self.timestamp = (self.timestamp + frames * FRAME_BYTES) & 0xFFFFFFFF
        if self.relaying:
            timestamp = self._take_over()
        self.sent_until = timestamp + FRAME_BYTES
        sequence = self.sequence = (self.sequence + 1) & 0xFFFF
        frame = None
        if self.digits:
            event = self.digits.step(timestamp)
            self._quiet = True
            if event is not None and self.dtmf_payload_type is not None:
                return build(
                    event.payload,
                    payload_type=self.dtmf_payload_type,
                    sequence=sequence,
                    timestamp=event.timestamp,
                    ssrc=self.ssrc,
                    marker=event.marker,
                )
        else:
            frame = self.playout.frame()
        buffer = self._buffer
        if frame is None:
            write_header(buffer, self.playout.payload_type, False, sequence, timestamp, self.ssrc)
            buffer[HEADER_BYTES:] = self.playout.silence
            self._quiet = True
        else:
            write_header(buffer, self.playout.payload_type, self._quiet, sequence, timestamp, self.ssrc)
            buffer[HEADER_BYTES:] = frame
            self._quiet = False
        return buffer

    def next_timestamp(self) -> int:
        """The time of what is sent next: that of this frame, or the end of what was sent when that is later."""
        overrun = (self.sent_until - self.timestamp) & 0xFFFFFFFF
        return self.sent_until & 0xFFFFFFFF if overrun < _MAX_OVERRUN else self.timestamp

    def _take_over(self) -> int:
        """Speak again after relayed packets: our clock is moved on where they were ahead of it."""
        self.relaying = False
        self.timestamp = self.next_timestamp()
        return self.timestamp
