"""Session descriptions (RFC 8866): bytes to a small tree and back.

The reader takes what real peers send (bare line feeds, missing `s=` and `t=`, unknown lines, odd order) and looks
only at what offer/answer needs. Sizes are checked before anything is parsed, and whatever is wrong with the input
raises `SdpError`, never anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from tieline.errors import InvalidInput

MAX_BYTES: Final = 16 * 1024
MAX_LINES: Final = 400
MAX_MEDIA: Final = 16

_MEDIA_LINE = re.compile(r"([!-~]{1,32}) +(\d{1,5})(?:/\d{1,5})? +([!-~]{1,40})((?: +[!-~]{1,64})+)")
_NUMBER = re.compile(r"\d{1,20}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class SdpReason(StrEnum):
    """Why a session description was refused; the words appear in refusal records."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_SDP = "not_sdp"
    MALFORMED = "malformed"
    BAD_ADDRESS = "bad_address"
    NO_AUDIO = "no_audio"
    NO_COMMON_CODEC = "no_common_codec"
    UNSUPPORTED_TRANSPORT = "unsupported_transport"
    ADDRESS_FAMILY = "address_family"
    ENCRYPTION_REFUSED = "encryption_refused"
    ENCRYPTION_REQUIRED = "encryption_required"
    NO_COMMON_ENCRYPTION = "no_common_encryption"
    BAD_CRYPTO = "bad_crypto"


class SdpError(InvalidInput):
    """A session description that cannot be used. `reason` is a stable word, `str(error)` is for people."""

    code = "bad_sdp"

    def __init__(self, reason: SdpReason, message: str) -> None:
        super().__init__(message, reason=reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Origin:
    """The `o=` line. `version` rises by one whenever the description changes (RFC 3264 section 8)."""

    session_id: int
    version: int
    address: str
    username: str = "-"


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section. `address` is its own `c=` address, or None when the session's holds.

    `attributes` keeps `a=` lines in order as (name, value); a flag such as `sendonly` has the value "".
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    address: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Every value of the attribute `name`, in order."""
        return [value for key, value in self.attributes if key == name]


@dataclass(frozen=True, slots=True)
class Description:
    """A session description: origin, the session's own address and attributes, media sections."""

    origin: Origin
    address: str | None
    attributes: tuple[tuple[str, str], ...]
    media: tuple[Media, ...]


def parse(body: bytes) -> Description:
    """Read a session description. Raises `SdpError`."""
    if len(body) > MAX_BYTES:
        raise SdpError(
            SdpReason.TOO_LARGE, f"session description of {len(body)} bytes; the limit is {MAX_BYTES}"
        )
    text = body.decode("utf-8", "replace").strip()
    if not text:
        raise SdpError(SdpReason.EMPTY, "no session description")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise SdpError(
            SdpReason.TOO_LARGE, f"session description of {len(lines)} lines; the limit is {MAX_LINES}"
        )
    if _CONTROL.search("".join(lines)):
        raise SdpError(SdpReason.MALFORMED, "control character in the session description")
    if lines[0].replace(" ", "") != "v=0":
        raise SdpError(SdpReason.NOT_SDP, "the body does not begin with v=0")
    return _Reader().read(lines)


class _Reader:
    """Collects lines into the section they belong to: the session until the first `m=`, then that medium."""

    def __init__(self) -> None:
        self.origin = Origin(0, 0, "0.0.0.0")
        self.address: str | None = None
        self.attributes: list[tuple[str, str]] = []
        self.media: list[Media] = []
        self.session_address: str | None = None
        self.session_attributes: tuple[tuple[str, str], ...] = ()
        self.heading: tuple[str, int, str, tuple[str, ...]] | None = None

    def read(self, lines: list[str]) -> Description:
        for line in lines[1:]:
            kind, _, value = line.strip().partition("=")
            value = value.strip()
            if kind == "m":
                self._close_section()
                self.heading = _read_media_line(value)
            elif kind == "c":
                self.address = _read_connection(value)
            elif kind == "a":
                name, _, rest = value.partition(":")
                self.attributes.append((name.strip().lower(), rest.strip()))
            elif kind == "o" and self.heading is None:
                self.origin = _read_origin(value)
        self._close_section()
        return Description(self.origin, self.session_address, self.session_attributes, tuple(self.media))

    def _close_section(self) -> None:
        attributes = tuple(self.attributes)
        if self.heading is None:
            self.session_address, self.session_attributes = self.address, attributes
        else:
            if len(self.media) == MAX_MEDIA:
                raise SdpError(SdpReason.TOO_LARGE, f"more than {MAX_MEDIA} media sections")
            kind, port, protocol, formats = self.heading
            self.media.append(Media(kind, port, protocol, formats, self.address, attributes))
        self.address, self.attributes = None, []


def _read_media_line(value: str) -> tuple[str, int, str, tuple[str, ...]]:
    match = _MEDIA_LINE.fullmatch(value)
    if match is None or int(match[2]) > 65535:
        raise SdpError(SdpReason.MALFORMED, "an m= line is not of the form 'kind port protocol formats'")
    return match[1].lower(), int(match[2]), match[3], tuple(match[4].split())


def _read_connection(value: str) -> str:
    """The address of `IN IP4 192.0.2.1` (a multicast suffix `/ttl` is cut off)."""
    parts = value.split()
    if len(parts) != 3 or parts[0].upper() != "IN" or parts[1].upper() not in {"IP4", "IP6"}:
        raise SdpError(
            SdpReason.BAD_ADDRESS, "a c= line is not of the form 'IN IP4 address' or 'IN IP6 address'"
        )
    return str(read_address(parts[2].partition("/")[0]))


def _read_origin(value: str) -> Origin:
    """The `o=` line; what peers get wrong in it is taken as zero, since nothing of ours depends on it."""
    parts = value.split()
    if len(parts) != 6:
        return Origin(0, 0, "0.0.0.0")
    numbers = [int(part) if part.isascii() and _NUMBER.fullmatch(part) else 0 for part in parts[1:3]]
    return Origin(numbers[0], numbers[1], parts[5], parts[0])


def read_address(text: str) -> IPv4Address | IPv6Address:
    """An address literal. Host names are refused: nothing on the media path may wait for a name server."""
    try:
        address = ip_address(text)
    except ValueError:
        raise SdpError(SdpReason.BAD_ADDRESS, "a media address is not an IPv4 or IPv6 address") from None
    if address.is_multicast:
        raise SdpError(SdpReason.BAD_ADDRESS, "a media address is a multicast group")
    return address


def serialise(description: Description) -> bytes:
    """Write a session description with the lines that RFC 8866 requires, in its order."""
    origin = description.origin
    lines = [
        "v=0",
        f"o={origin.username} {origin.session_id} {origin.version} IN {_family(origin.address)} {origin.address}",
        "s=-",
    ]
    if description.address is not None:
        lines.append(f"c=IN {_family(description.address)} {description.address}")
    lines.append("t=0 0")
    lines += [_attribute_line(*attribute) for attribute in description.attributes]
    for media in description.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        if media.address is not None:
            lines.append(f"c=IN {_family(media.address)} {media.address}")
        lines += [_attribute_line(*attribute) for attribute in media.attributes]
    return "\r\n".join([*lines, ""]).encode()


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _attribute_line(name: str, value: str) -> str:
    return f"a={name}:{value}" if value else f"a={name}"
