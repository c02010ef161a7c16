"""Relaying: packets of one side renumbered for the other.

A relayed packet leaves when it arrives. It gets the SSRC that the hearing side knows, and numbers that go on from
what was last sent there (RFC 3550 section 7.1): sequence numbers and timestamps are moved by a fixed step each, so
loss and reordering stay visible to the hearer, whose business they are. The steps are chosen anew when we have
sent something of our own in between, when the source changes, and when its clock jumps.
"""

from __future__ import annotations

from typing import Final

from tieline.media.dtmf import KEYS
from tieline.media.g711 import G711, TRANSCODED
from tieline.media.rtp import HEADER_BYTES, Packet, write_header
from tieline.media.sender import Sender

# A jump of the sequence number by more than this is a new stream rather than loss (RFC 3550 appendix A.1).
_MAX_DROPOUT: Final = 3000
# Audio this far from our clock (two seconds) comes from a clock that was set, or that stood still on hold.
_MAX_DRIFT: Final = 16000
# A key press carries the time it began at, up to 65,535 samples ago.
_MAX_EVENT_AGE: Final = 0x10000 + _MAX_DRIFT
_EVENT_BYTES: Final = 4


class Relay:
    """Writes what comes from the other side as packets of `sender`, the half of a leg that is to send them."""

    __slots__ = (
        "_event",
        "_event_at",
        "_highest",
        "_sender",
        "_sequence_step",
        "_span",
        "_ssrc",
        "_timestamp_step",
    )

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._ssrc = -1
        self._highest = 0
        self._span = 0
        self._sequence_step = 0
        self._timestamp_step = 0
        self._event = -1
        self._event_at = 0

    def restart(self) -> None:
        """Another side begins to be heard: none of the old numbers count."""
        self._ssrc = -1
        self._event = -1

    def write(self, packet: Packet, buffer: memoryview) -> int:
        """Write `packet` for the hearing side to the start of `buffer`; the bytes to send, 0 when it hears nothing.

        The payload of `packet` may lie in `buffer`. Audio is transcoded where the codecs differ; a key press is
        left out where the hearing side has not agreed on telephone-events.
        """
        kind, marker, sequence, timestamp, ssrc, payload = packet
        sender = self._sender
        is_audio = kind in G711
        wanted = sender.playout.payload_type if is_audio else sender.dtmf_payload_type
        if wanted is None or not (is_audio or _is_key(payload)):
            return 0
        ahead = (sequence - self._highest) & 0xFFFF
        if ssrc != self._ssrc or not sender.relaying or _MAX_DROPOUT < ahead < 0x10000 - _MAX_DROPOUT:
            self._begin(sequence, timestamp, ssrc)
            marker = marker or is_audio
            ahead = 0
        elif ahead < 0x8000:
            self._highest = sequence
            self._span += ahead
        elif 0x10000 - ahead > self._span:
            return 0  # from before our own packets or another clock: its number has been used, or its time is unknown
        number = (sequence + self._sequence_step) & 0xFFFF
        size = len(payload)
        if is_audio:
            moved = (timestamp + self._timestamp_step) & 0xFFFFFFFF
            if ahead < 0x8000:
                if not _near(moved, sender.timestamp, _MAX_DRIFT):
                    moved, marker = sender.next_timestamp(), True
                    self._timestamp_step = moved - timestamp
                    self._span = 0
                sender.sequence, sender.sent_until = number, moved + size
            elif _near(moved + size, sender.sent_until + _MAX_DRIFT, _MAX_DRIFT):
                sender.sent_until = (
                    moved + size
                )  # late, and yet the newest audio: what came between were keys
        else:
            moved = self._place_event(timestamp)
            if ahead < 0x8000:
                sender.sequence = number
        end = HEADER_BYTES + size
        buffer[HEADER_BYTES:end] = (
            bytes(payload).translate(TRANSCODED[kind]) if is_audio and kind != wanted else payload
        )
        write_header(buffer, wanted, marker, number, moved, sender.ssrc)
        return end

    def _begin(self, sequence: int, timestamp: int, ssrc: int) -> None:
        """Go on from what was last sent to the hearing side."""
        sender = self._sender
        self._ssrc = ssrc
        self._highest = sequence
        self._span = 0
        self._sequence_step = sender.sequence + 1 - sequence
        self._timestamp_step = sender.next_timestamp() - timestamp
        sender.relaying = True

    def _place_event(self, timestamp: int) -> int:
        """The time at which a key press began; one and the same for all packets of the press."""
        if timestamp != self._event:
            moved = (timestamp + self._timestamp_step) & 0xFFFFFFFF
            if not _near(moved, self._sender.timestamp, _MAX_EVENT_AGE):
                moved = self._sender.next_timestamp()
            self._event, self._event_at = timestamp, moved
        return self._event_at


def _is_key(payload: memoryview) -> bool:
    return len(payload) >= _EVENT_BYTES and payload[0] < len(KEYS)


def _near(timestamp: int, clock: int, most: int) -> bool:
    return (timestamp - clock + most) & 0xFFFFFFFF <= 2 * most
