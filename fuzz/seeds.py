"""Where a fuzzer starts: the torture messages, our own session descriptions, and RTP as phones send it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from fuzz.parts import INVITE, SDP

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
    elif target == "client":
        yield from _answers()
    elif target == "challenge":
        yield b'Digest realm="cc", nonce="n", algorithm=SHA-256, qop="auth", opaque="o"\nDigest realm=a, nonce="b"'
    elif target == "uui":
        yield from (b"00424c41;encoding=hex;pd=00", b'"a b";encoding=ascii', b"Name=Jo%20Doe|Id=7")
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


def _answers() -> Iterator[bytes]:
    """What peers answer to an INVITE of ours and to what follows it."""
    ok = b"200 OK\r\nContact: <sip:b@192.0.2.9>\r\nRecord-Route: <sip:192.0.2.9;lr>\r\n"
    timer = b"Session-Expires: 90;refresher=uac\r\nAllow: INVITE, UPDATE, REFER\r\n"
    challenge = b'401 No\r\nWWW-Authenticate: Digest realm="cc", nonce="n", qop="auth"\r\n\r\n'
    reliable = b"183 Progress\r\nRequire: 100rel\r\nRSeq: 1\r\nContact: <sip:b@192.0.2.9>\r\n\r\n" + SDP
    answered = ok + timer + b"\r\n" + SDP
    for first in (b"100 Trying\r\n\r\n", challenge, reliable, b"422 More\r\nMin-SE: 180\r\n\r\n"):
        yield b"\x00\x00".join(
            [first, first, answered, answered, b"202 Accepted\r\nRefer-Sub: false\r\n\r\n"]
        )
    yield b"302 Moved\r\nContact: <sip:c@192.0.2.8>\r\n\r\n"
    yield b"423 Brief\r\nMin-Expires: 600\r\n\r\n\x00\x00" + ok + b"Expires: 600\r\n\r\n"
