"""What arrives from an RTP source, counted as RFC 3550 has it: loss, order, duplicates, jitter, source changes."""

from __future__ import annotations

from typing import Final

# A jump of the sequence number by more than this is a new stream rather than loss (RFC 3550 appendix A.1).
_MAX_DROPOUT: Final = 3000
# How many of the newest sequence numbers are remembered, to tell a late packet from a duplicate.
_WINDOW: Final = 60
_WINDOW_MASK: Final = (1 << _WINDOW) - 1
# A difference of transit times beyond two seconds is a clock that was set, not jitter.
_MAX_SPREAD: Final = 16000


class Reception:
    """Counters of one leg, over every source it has had.

    `late` packets came after a newer one and are still new; `discarded` are duplicates and packets older than
    the last 60.
    """

    __slots__ = (
        "_expected",
        "_highest",
        "_jitter",
        "_seen",
        "_ssrc",
        "_transit",
        "_unique",
        "discarded",
        "late",
        "packets",
        "sources",
    )

    def __init__(self) -> None:
        self.packets = 0
        self.discarded = 0
        self.late = 0
        self.sources = 0
        self._ssrc = -1
        self._highest = 0
        self._expected = 0
        self._unique = 0
        self._seen = 0
        self._transit: int | None = None
        self._jitter = 0.0

    @property
    def ssrc(self) -> int:
        """The present source, or -1 before the first packet."""
        return self._ssrc

    @property
    def lost(self) -> int:
        """Packets that were numbered and never came."""
        return self._expected - self._unique

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter (RFC 3550 section 6.4.1) in milliseconds of the 8 kHz clock."""
        return self._jitter / 8

    def receive(self, sequence: int, ssrc: int) -> bool:
        """Count one packet; false when it is a duplicate or too old to use."""
        self.packets += 1
        ahead = (sequence - self._highest) & 0xFFFF
        if ssrc != self._ssrc:
            self.sources += 1
            self._ssrc = ssrc
            return self._begin(sequence)
        if ahead == 1:
            self._highest = sequence
            self._seen = (self._seen << 1 | 1) & _WINDOW_MASK
            self._expected += 1
        elif 0 < ahead < _MAX_DROPOUT:
            self._highest = sequence
            self._seen = (self._seen << ahead | 1) & _WINDOW_MASK if ahead < _WINDOW else 1
            self._expected += ahead
        elif ahead == 0 or ahead > 0x10000 - _MAX_DROPOUT:
            return self._receive_old(-ahead & 0xFFFF)
        else:
            return self._begin(sequence)
        self._unique += 1
        return True

    def measure(self, timestamp: int, arrival: int) -> None:
        """Take the transit time of an audio packet into the jitter; both times in samples of 8 kHz."""
        transit = arrival - timestamp
        if self._transit is not None:
            difference = transit - self._transit
            if -_MAX_SPREAD < difference < _MAX_SPREAD:
                self._jitter += (abs(difference) - self._jitter) / 16
        self._transit = transit

    def _begin(self, sequence: int) -> bool:
        self._highest = sequence
        self._seen = 1
        self._expected += 1
        self._unique += 1
        self._transit = None
        return True

    def _receive_old(self, behind: int) -> bool:
        """A packet `behind` the newest: new if its place in the window is empty."""
        place = 1 << behind
        if behind >= _WINDOW or self._seen & place:
            self.discarded += 1
            return False
        self._seen |= place
        self.late += 1
        if self._unique < self._expected:
            self._unique += 1
        return True
