"""A SIP ladder as a capture file that Wireshark and tshark open.

The messages are those that were kept; the packets around them are made up: Ethernet, IP and UDP whatever the transport
was (a TLS connection's bytes would be of no use), our side always the documentation address `US`. Times are those of
the call. `Content-Length` is set to what is there, since secrets were taken out of some bodies.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

US = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Our address in the capture, by IP version (RFC 5737, RFC 3849)."""

SIP_PORT = 5060
_STRANGE = {4: "192.0.2.254", 6: "2001:db8::fe"}
_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_LENGTH = re.compile(rb"^(Content-Length|l)[ \t]*:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_MOST_BYTES = 65_000
_UDP = 17


def capture(ladder: Iterable[Mapping[str, Any]], started_at: datetime) -> bytes:
    """The capture file of a ladder's messages (`at_ms` counts from `started_at`)."""
    packets = [_HEADER]
    for entry in ladder:
        frame = _frame(entry)
        at = started_at + timedelta(milliseconds=float(entry.get("at_ms", 0)))
        seconds, rest = divmod(at - _EPOCH, timedelta(seconds=1))
        packets.append(struct.pack("<IIII", seconds, rest.microseconds, len(frame), len(frame)) + frame)
    return b"".join(packets)


def _frame(entry: Mapping[str, Any]) -> bytes:
    """One message in UDP, IP and Ethernet."""
    address, port = _peer(str(entry.get("peer", "")))
    us = ipaddress.ip_address(US[address.version])
    incoming = entry.get("direction") == "in"
    source, target = ((address, port), (us, SIP_PORT)) if incoming else ((us, SIP_PORT), (address, port))
    payload = _with_length(str(entry.get("text", "")).encode("utf-8", "backslashreplace"))[:_MOST_BYTES]
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", source[1], target[1], length, 0)
    pseudo = _pseudo_header(source[0], target[0], length)
    checksum = _checksum(pseudo + udp + payload) or 0xFFFF
    datagram = udp[:6] + struct.pack("!H", checksum) + payload
    macs = b"\x02\x00\x00\x00\x00\x02" + b"\x02\x00\x00\x00\x00\x01"
    ethernet = macs if incoming else macs[6:] + macs[:6]
    if address.version == 6:
        fixed = struct.pack("!IHBB", 6 << 28, length, _UDP, 64)
        return ethernet + b"\x86\xdd" + fixed + source[0].packed + target[0].packed + datagram
    fixed = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, _UDP, 0)
    addresses = source[0].packed + target[0].packed
    checked = fixed[:10] + struct.pack("!H", _checksum(fixed + addresses)) + addresses
    return ethernet + b"\x08\x00" + checked + datagram


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _peer(text: str) -> tuple[_Address, int]:
    """The peer's address and port; a stand-in where the leg had none (a browser's, a media stream's)."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return ipaddress.ip_address(_STRANGE[4]), SIP_PORT
    return address, int(port) if port.isdigit() and int(port) < 65_536 else SIP_PORT


def _with_length(message: bytes) -> bytes:
    head, gap, body = message.partition(b"\r\n\r\n")
    return _LENGTH.sub(rb"\1: %d" % len(body), head) + (gap or b"\r\n\r\n") + body


def _pseudo_header(source: _Address, target: _Address, length: int) -> bytes:
    if source.version == 6:
        return source.packed + target.packed + struct.pack("!IHBB", length, 0, 0, _UDP)
    return source.packed + target.packed + struct.pack("!BBH", 0, _UDP, length)


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\x00" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
