"""SDES keys for SRTP in session descriptions: the `a=crypto` attribute of RFC 4568.

    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<base64 of key and salt>|2^31|1:1

Each side writes the key that it sends with. Lines with a suite, a session parameter or a number of keys that we do
not support are passed over; what is left is used in the order of the offer. No error message holds a key.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tieline.sdp.description import SdpError, SdpReason

SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""The suites we speak, best first."""

KEY_BYTES: Final = 30
"""A master key of 16 bytes and a master salt of 14: both suites have the same."""

_LINE = re.compile(r"(\d{1,9}) +([\w.-]{1,64}) +(\S{1,512})((?: +\S{1,128})*)", re.ASCII)
_KEY = re.compile(
    r"inline:([A-Za-z0-9+/]{1,256}={0,2})(?:\|(?:2\^\d{1,3}|\d{1,20}))?(?:\|\d{1,20}:(\d{1,3}))?", re.ASCII
)
_MAX_MKI: Final = 128
# Hints that bind nobody: the size of the receiver's replay window.
_HARMLESS: Final = "WSH="


class Encryption(StrEnum):
    """What we make of SRTP: refuse it, take it and offer it beside plain RTP (RFC 8643), or insist on it."""

    REFUSED = "refused"
    OFFERED = "offered"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class SrtpAgreement:
    """The keys of one stream, `KEY_BYTES` each: `ours` for what we send, `theirs` for what they send.

    `mki_bytes` is the length of the key identifier in the peer's packets (0: there is none).
    """

    suite: str
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    mki_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One usable `a=crypto` line."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    mki_bytes: int = 0

    def agree(self, ours: bytes) -> SrtpAgreement:
        """The keys of a stream whose other side has written this line."""
        return SrtpAgreement(self.suite, ours, self.key, self.mki_bytes)


def read_lines(values: Iterable[str]) -> list[CryptoLine]:
    """The usable ones of a stream's `a=crypto` values. Raises `SdpError` when there are none, and says why."""
    usable: list[CryptoLine] = []
    error = SdpError(SdpReason.NO_COMMON_ENCRYPTION, "no SRTP key (a=crypto) is given")
    for value in values:
        try:
            usable.append(_read_line(value))
        except SdpError as unusable:
            error = unusable
    if not usable:
        raise error
    return usable


def write_lines(keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """Our offer's attributes: a line for each suite, with the key that belongs to it."""
    return [write_line(tag, suite, key) for tag, (suite, key) in enumerate(zip(SUITES, keys, strict=True), 1)]


def write_line(tag: int, suite: str, key: bytes) -> tuple[str, str]:
    """One `a=crypto` attribute."""
    return "crypto", f"{tag} {suite} inline:{b64encode(key).decode()}"


def _read_line(value: str) -> CryptoLine:
    match = _LINE.fullmatch(value.strip())
    if match is None:
        raise SdpError(SdpReason.BAD_CRYPTO, "an a=crypto line is not of the form 'tag suite inline:key'")
    tag, suite, parameters = int(match[1]), match[2].upper(), match[4].split()
    if suite not in SUITES:
        raise SdpError(SdpReason.NO_COMMON_ENCRYPTION, f"neither of our SRTP suites is offered, but {suite}")
    strange = [name for name in parameters if not name.upper().startswith(_HARMLESS)]
    if strange:
        raise SdpError(SdpReason.NO_COMMON_ENCRYPTION, "an SRTP session parameter that we do not support")
    if ";" in match[3]:
        raise SdpError(SdpReason.NO_COMMON_ENCRYPTION, "several SRTP keys in one a=crypto line")
    return CryptoLine(tag, suite, *_read_key(match[3]))


def _read_key(text: str) -> tuple[bytes, int]:
    """Key and length of its identifier."""
    match = _KEY.fullmatch(text)
    try:
        key = b64decode(match[1], validate=True) if match is not None else b""
    except binascii.Error:
        key = b""
    if match is None or len(key) != KEY_BYTES:
        raise SdpError(SdpReason.BAD_CRYPTO, f"an SRTP key is not {KEY_BYTES} bytes of base64")
    mki_bytes = int(match[2] or 0)
    if mki_bytes > _MAX_MKI:
        raise SdpError(SdpReason.BAD_CRYPTO, f"an SRTP key identifier is longer than {_MAX_MKI} bytes")
    return key, mki_bytes
