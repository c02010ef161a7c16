"""RTP packets (RFC 3550 section 5.1): read and built with one `struct` call each.

The reader takes any bytes at all: what is not an RTP packet gives None.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

HEADER_BYTES: Final = 12
_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!xxH")
_VERSION_2: Final = 0x80
_MARKER: Final = 0x80


class Packet(NamedTuple):
    """A packet read. `payload` is a view into the datagram without padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: memoryview


def parse(datagram: bytes | bytearray | memoryview) -> Packet | None:
    """Read a datagram, or None when it is not RTP version 2 or its lengths contradict each other."""
    length = len(datagram)
    if length < HEADER_BYTES:
        return None
    flags, kind, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if flags & 0xC0 != _VERSION_2:
        return None
    view = memoryview(datagram)
    if flags == _VERSION_2:
        payload = view[HEADER_BYTES:]
    else:
        start = HEADER_BYTES + 4 * (flags & 0x0F)
        if flags & 0x10:
            if start + 4 > length:
                return None
            start += 4 + 4 * _EXTENSION.unpack_from(datagram, start)[0]
        end = length - datagram[-1] if flags & 0x20 else length
        if start > end or (flags & 0x20 and end == length):
            return None
        payload = view[start:end]
    return Packet(kind & 0x7F, kind >= _MARKER, sequence, timestamp, ssrc, payload)


def write_header(
    buffer: bytearray | memoryview, payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int
) -> None:
    """Write a plain 12-byte header to the start of `buffer`; numbers are already reduced to their widths."""
    kind = payload_type | _MARKER if marker else payload_type
    _HEADER.pack_into(buffer, 0, _VERSION_2, kind, sequence, timestamp, ssrc)


def build(
    payload: bytes, *, payload_type: int, sequence: int, timestamp: int, ssrc: int, marker: bool = False
) -> bytes:
    """One packet as bytes; for tests, tools and anything that is not per-frame work."""
    buffer = bytearray(HEADER_BYTES)
    write_header(buffer, payload_type, marker, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF)
    return bytes(buffer) + payload
