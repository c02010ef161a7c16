"""The hearing half of a leg: datagrams in, digits and figures out.

Any bytes may come from anywhere: what is not RTP of the negotiated session, or not from the leg's source, is
counted and dropped. Audio is decoded to PCM, of which the level is kept: a call whose caller was never heard
shows it in its figures.
"""

from __future__ import annotations

from typing import Final

from tieline.media.dtmf import EventReceiver
from tieline.media.g711 import G711, SAMPLE_RATE, decode, peak
from tieline.media.latch import Address, SourceLatch
from tieline.media.reception import Reception
from tieline.media.rtp import Packet, parse

_COMFORT_NOISE: Final = 13
# Nobody presses keys faster than this; what exceeds it is an attack on whoever counts digits.
_MAX_DIGITS_PER_S: Final = 20
_LEVEL_MASK: Final = 7


class Receiver:
    """State of one leg's incoming RTP. Times are monotonic seconds.

    `accepted` is the packet that `receive` was given last, when it is new audio or part of a key press, and None
    otherwise; its payload is valid as long as the datagram. While `relaying`, the level of every eighth packet is
    enough.
    """

    __slots__ = (
        "_digit_second",
        "_digits_in_second",
        "_dtmf_payload_type",
        "_events",
        "accepted",
        "digits",
        "heard_at",
        "latch",
        "loudest",
        "reception",
        "refused",
        "relaying",
        "started",
    )

    def __init__(self) -> None:
        self.latch = SourceLatch()
        self.reception = Reception()
        self.refused = 0
        self.digits = 0
        self.loudest = 0
        self.heard_at = 0.0
        self.started = False
        self.accepted: Packet | None = None
        self.relaying = False
        self._dtmf_payload_type = -1
        self._events = EventReceiver()
        self._digit_second = 0
        self._digits_in_second = 0

    def connect(self, remote: Address, dtmf_payload_type: int | None, now: float) -> None:
        """Take what was negotiated; the wait for the peer's audio starts anew."""
        self.latch.announce(remote)
        self._dtmf_payload_type = -1 if dtmf_payload_type is None else dtmf_payload_type
        self.heard_at = now

    def receive(self, datagram: bytes | memoryview, source: Address, now: float) -> str | None:
        """Take one datagram; gives a digit when it begins a key press."""
        self.accepted = None
        packet = parse(datagram)
        if packet is None:
            self.refused += 1
            return None
        kind, marker, sequence, timestamp, ssrc, payload = packet
        is_audio = kind in G711
        if not is_audio and kind not in (self._dtmf_payload_type, _COMFORT_NOISE):
            self.refused += 1
            return None
        if not self.latch.admit(source, ssrc, now - self.heard_at):
            self.refused += 1
            return None
        self.heard_at = now
        self.started = True
        reception = self.reception
        if ssrc != reception.ssrc:
            self._events = EventReceiver()
        if not reception.receive(sequence, ssrc):
            return None
        if is_audio:
            self.accepted = packet
            reception.measure(timestamp, int(now * SAMPLE_RATE))
            if not (self.relaying and sequence & _LEVEL_MASK):
                level = peak(decode(payload, kind))
                self.loudest = max(self.loudest, level)
            return None
        if kind == _COMFORT_NOISE:
            return None
        self.accepted = packet
        digit = self._events.receive(payload, timestamp, sequence, marker=marker)
        return None if digit is None else self._count_digit(digit, now)

    def _count_digit(self, digit: str, now: float) -> str | None:
        second = int(now)
        if second != self._digit_second:
            self._digit_second, self._digits_in_second = second, 0
        self._digits_in_second += 1
        if self._digits_in_second > _MAX_DIGITS_PER_S:
            self.refused += 1
            return None
        self.digits += 1
        return digit
