"""Where a fuzzer starts: the torture messages, our own session descriptions, and RTP as phones send it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from fuzz.targets import INVITE, SDP

ROOT = Path(__file__).resolve().parent.parent
CRASHES = Path(__file__).parent / "crashes"
_MESSAGES = ("tests/conformance/rfc4475/messages", "tests/conformance/rfc5118/messages")
_IN_DIALOG = (
    b"%s sip:tieline@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%s\r\n"
    b"From: <sip:a@192.0.2.9>;tag=f\r\nTo: <sip:+15550100@192.0.2.1>;tag=TAG\r\n"
    b"Call-ID: fuzz\r\nCSeq: %d %s\r\nContact: <sip:a@192.0.2.9>\r\n"
    b"%sContent-Length: %d\r\n\r\n%s"
)
_METHODS = (b"BYE", b"INFO", b"INVITE", b"UPDATE", b"PRACK", b"NOTIFY", b"REFER", b"OPTIONS", b"CANCEL")


def seeds(target: str) -> Iterator[bytes]:
    """The inputs that `target` starts from, found crashes among them."""
    folder = CRASHES / target
    if folder.is_dir():
        yield from (path.read_bytes() for path in sorted(folder.iterdir()))
    if target in {"message", "stream", "stack"}:
        yield from _messages()
        yield from _dialogs()
    elif target == "sdp":
        yield SDP
        yield SDP.replace(b"RTP/AVP", b"RTP/SAVP").rstrip() + (
            b"\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40 + b"|2^20|1:4\r\n"
        )
    elif target == "rtp":
        yield b"".join(_rtp())
    else:
        yield b"Signal=5\r\nDuration=160\r\n"


def _messages() -> Iterator[bytes]:
    for folder in _MESSAGES:
        yield from (path.read_bytes() for path in sorted((ROOT / folder).glob("*.dat")))


def _dialogs() -> Iterator[bytes]:
    ack = _IN_DIALOG % (b"ACK", b"0", 1, b"ACK", b"", 0, b"")
    extras = {b"NOTIFY": b"Event: refer\r\nSubscription-State: active\r\n", b"PRACK": b"RAck: 1 1 INVITE\r\n"}
    for number, method in enumerate(_METHODS, 2):
        request = _IN_DIALOG % (method, method, number, method, extras.get(method, b""), 0, b"")
        yield ack + b"\x00\x00" + request
    yield INVITE
    yield ack


def _rtp() -> Iterator[bytes]:
    for number in range(12):
        event = number % 3 == 0
        payload = struct.pack("!BBH", 5, 0x80 if number == 9 else 0, 160 * number) if event else b"\xff" * 160
        header = struct.pack("!BBHII", 0x80, 101 if event else 0, number, 160 * number, 7)
        datagram = header + payload
        yield bytes([len(datagram) - 12]) + datagram
