"""Messages out of a byte stream by their Content-Length (RFC 3261 sections 7.5 and 18.3), keep-alives between them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tieline.sip.message import Limits

PING = b"\r\n\r\n"
PONG = b"\r\n"

_find_length = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)(?=\r\n[^ \t])", re.IGNORECASE
).findall
_length = re.compile(rb"0*([0-9]{1,9})").fullmatch


class Unframed(NamedTuple):
    """What follows cannot be read: `head` holds the offending headers, `status` is the response they deserve."""

    head: bytes
    status: int


class StreamFramer:
    """Cuts one stream. `feed` gives whole messages; `pings` counts keep-alives that want a CRLF back.

    `pongs` counts answers to keep-alives of ours (RFC 5626 section 3.5.1). Set `expects_pong` after sending one: a
    lone CRLF at the end of what has come is then taken for the answer, and not for the first half of a ping.

    After an `Unframed` the stream is beyond repair and must be closed. At most one message, bounded by the limits,
    is ever held back.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._head_limit = min(limits.message_bytes, limits.line_chars * 4)
        self._held = bytearray()
        self._searched = 0
        self._needed = 0
        self.pings = 0
        self.pongs = 0
        self.expects_pong = False

    @property
    def midway(self) -> bool:
        """Whether a message has begun and not ended; line ends before its first line are none of it."""
        return not PING.startswith(self._held)

    def __len__(self) -> int:
        """Bytes held back: nonzero while a message is incomplete."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes | Unframed]:
        """Take bytes as they came; give the messages that they complete, in order."""
        held = self._held
        held += data
        found: list[bytes | Unframed] = []
        while held:
            if not self._needed:
                self._skip_keepalives()
                if PING.startswith(held):
                    break
                broken = self._find_end()
                if broken is not None:
                    found.append(broken)
                    held.clear()
                    break
            if not self._needed or len(held) < self._needed:
                break
            found.append(bytes(held[: self._needed]))
            del held[: self._needed]
            self._needed = self._searched = 0
        return found

    def _skip_keepalives(self) -> None:
        held = self._held
        while held.startswith(PING):
            self.pings += 1
            del held[:4]
        if held.startswith(PONG) and ((len(held) > 2 and held[2:3] != b"\r") or self._ends_with_pong()):
            self.pongs += 1
            self.expects_pong = False
            del held[:2]

    def _ends_with_pong(self) -> bool:
        return self.expects_pong and len(self._held) == len(PONG)

    def _find_end(self) -> Unframed | None:
        """Learn how long the message at the front is, if its headers are complete."""
        held = self._held
        end = held.find(PING, max(0, self._searched - 3))
        if end < 0 or end > self._head_limit:
            self._searched = len(held)
            return Unframed(bytes(held[: self._head_limit]), 513) if len(held) > self._head_limit else None
        lengths = _find_length(bytes(held[:end]) + b"\r\n\r\n")
        length = _length(lengths[0].rstrip(b" \t")) if len(lengths) == 1 else None
        if length is None:
            return Unframed(bytes(held[: end + 4]), 400)
        self._needed = end + 4 + int(length.group(1))
        if self._needed > self._limits.message_bytes:
            return Unframed(bytes(held[: end + 4]), 513)
        return None
