"""Keypad digits: telephone-events in RTP (RFC 4733 section 2), and the two SIP INFO bodies in use.

A key press is a run of packets that share one RTP timestamp. The receiver reports a press at the first packet of
it that arrives, whichever that is: neither the marker bit, nor the first packets, nor the three end packets need
to come. Everything that follows in the same run is recognised and ignored, and so are these habits of peers:
duplicated and reordered packets, a press cut into segments because it outlasts the duration field, and a
timestamp that moves on with every packet.
"""

from __future__ import annotations

import re
import struct
from typing import Final

KEYS: Final = "0123456789*#ABCD"
_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_FULL_VOLUME: Final = 10
_FRAME: Final = 160

# A tone lasts 40 ms and a pause 40 ms at least, so two presses of one key start more than 50 ms apart.
_SAME_PRESS: Final = 400
# A packet up to two seconds older than the newest press belongs to the past, not to a restarted clock.
_STALE: Final = 16000
# A press longer than the 16-bit duration goes on with the timestamp moved by about that much (section 2.5.1.3).
_SEGMENT_MIN: Final = 0xFFFF - 480
_SEGMENT_MAX: Final = 0xFFFF + 480


class EventReceiver:
    """Turns the telephone-event packets of one RTP source into one digit per key press."""

    __slots__ = ("_duration", "_ended", "_event", "_first", "_last", "_sequence")

    def __init__(self) -> None:
        self._event = -1
        self._first = 0
        self._last = 0
        self._duration = 0
        self._sequence = -1
        self._ended = False

    def receive(
        self, payload: bytes | memoryview, timestamp: int, sequence: int, *, marker: bool = False
    ) -> str | None:
        """Take one packet; gives the digit when the packet is the first of a press, else None."""
        if len(payload) < _EVENT.size:
            return None
        event, flags, duration = _EVENT.unpack_from(payload)
        if event >= len(KEYS):
            return None
        ended = bool(flags & _END)
        if self._event >= 0 and self._belongs(event, duration, ended, timestamp, sequence, marker):
            return None
        self._event, self._first, self._sequence = event, timestamp, sequence
        self._last, self._duration, self._ended = timestamp, duration, ended
        return KEYS[event]

    def _belongs(
        self, event: int, duration: int, ended: bool, timestamp: int, sequence: int, marker: bool
    ) -> bool:
        """Whether the packet is part of the press already reported (or of one before it); remembers it if so."""
        newer = 0 < (sequence - self._sequence) & 0xFFFF < 0x8000
        ahead = (timestamp - self._last) & 0xFFFFFFFF
        if ahead >= 0x80000000:
            return 0x100000000 - ahead <= _STALE
        if event != self._event:
            return ahead == 0 and not newer
        if ahead == 0:
            # A sender whose clock stands still: only a fresh start after an end can be told from more of the same.
            restarted = marker and self._ended and newer and duration < self._duration
            if restarted:
                return False
        elif (marker and ahead > _FRAME) or (ahead > _SAME_PRESS and not self._continues(timestamp)):
            return False
        if newer:
            self._sequence, self._last, self._duration = sequence, timestamp, duration
            self._ended = ended or self._ended
        return True

    def _continues(self, timestamp: int) -> bool:
        """Whether `timestamp` is the next segment of a press that has filled its duration field."""
        moved = (timestamp - self._first) & 0xFFFFFFFF
        if self._ended or self._duration < _SEGMENT_MIN - 8000 or not _SEGMENT_MIN <= moved <= _SEGMENT_MAX:
            return False
        self._first = timestamp
        return True


class EventPacket:
    """One telephone-event packet to send now: payload, marker, and the RTP timestamp its press began at."""

    __slots__ = ("marker", "payload", "timestamp")

    def __init__(self, payload: bytes, timestamp: int, marker: bool) -> None:
        self.payload = payload
        self.timestamp = timestamp
        self.marker = marker


class EventSender:
    """Plays digits as telephone-events, one step every 20 ms: a press of 160 ms, then a pause of 80 ms.

    The marker is on the first packet of a press and its last state is sent three times (section 2.5.1.4).
    """

    PRESS_FRAMES: Final = 8
    END_PACKETS: Final = 3
    PAUSE_FRAMES: Final = 2

    __slots__ = ("_digits", "_frame", "_start")

    def __init__(self) -> None:
        self._digits: list[int] = []
        self._frame = 0
        self._start = 0

    def __bool__(self) -> bool:
        """Whether digits are waiting or under way."""
        return bool(self._digits)

    def enqueue(self, digits: str) -> None:
        """Send `digits` after those already queued; characters that are no key are left out."""
        self._digits += [KEYS.index(key) for key in digits.upper() if key in KEYS]

    def step(self, timestamp: int) -> EventPacket | None:
        """The packet of this frame, whose media time is `timestamp`; None in a pause or when nothing is queued."""
        if not self._digits:
            return None
        frame = self._frame
        if frame == 0:
            self._start = timestamp
        self._frame += 1
        sending = self.PRESS_FRAMES + self.END_PACKETS - 1
        if frame >= sending:
            if self._frame == sending + self.PAUSE_FRAMES:
                del self._digits[0]
                self._frame = 0
            return None
        duration = min(frame + 1, self.PRESS_FRAMES) * _FRAME
        end = _END if frame + 1 >= self.PRESS_FRAMES else 0
        return EventPacket(
            _EVENT.pack(self._digits[0], end | _FULL_VOLUME, duration), self._start, frame == 0
        )


_SIGNAL = re.compile(
    rb"^[ \t]*signal[ \t]*=[ \t]*([0-9*#a-d]|1[0-5])[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_INFO_BYTES: Final = 512


def digits_of_info(content_type: str, body: bytes) -> str:
    """The digit told by a SIP INFO body, `application/dtmf-relay` or `application/dtmf`; "" when there is none.

    Some peers send the event's number instead of its key: 10 is `*`, 11 is `#`, 12 to 15 are A to D.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if len(body) > _INFO_BYTES:
        return ""
    if kind == "application/dtmf":
        return _read_key(body)
    signal = _SIGNAL.search(body) if kind == "application/dtmf-relay" else None
    return "" if signal is None else _read_key(signal[1])


def _read_key(text: bytes) -> str:
    key = text.strip().decode("latin-1").upper()
    if key.isascii() and key.isdigit() and len(key) == 2 and int(key) < len(KEYS):
        return KEYS[int(key)]
    return key if len(key) == 1 and key in KEYS else ""
