"""User-to-User information (RFC 7433): a few words that one application sends another along with a call.

The field is written in many ways: hex or text, the encoding said or not, with or without the octet in front that
ISDN calls the protocol discriminator (RFC 7434). It is read leniently: what can be told apart is, and what cannot be
read is a fault in words, never an error.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from tieline.model.profile import UuiEncoding
from tieline.model.record import Record

UUI_HEADERS = ("User-to-User", "X-User-to-User")
"""The headers that carry it: the standard one, and the one that some session border controllers write."""

MAX_UUI = 2048
"""Longest field that is read, in characters."""

_LAST_DISCRIMINATOR = 0x08
"""ISDN numbers its discriminators from 0 (user specific) to 8 (call control); text never begins with such an octet."""

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_PARAMETER = re.compile(r';\s*(?P<name>[A-Za-z-]+)\s*=\s*+(?P<value>"(?:[^"\\]|\\.)*"|[^;,\s]*)\s*$')
_QUOTED = re.compile(r'"(?P<inner>(?:[^"\\]|\\.)*)"')
_KNOWN = frozenset({"encoding", "purpose", "content", "pd"})
_PAIR = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(?P<value>.*)", re.DOTALL)
_PAIR_MARKS = (";", "|", "&", ",")


class Uui(Record):
    """A field that was read: its text, how it was written, and the discriminator as two hex digits where it had one."""

    text: str
    encoding: UuiEncoding
    discriminator: str | None = None


class UuiFault(Record):
    """A field that could not be read, and why, in words."""

    detail: str


def decode_uui(value: str) -> Uui | UuiFault:
    """Read the value of a User-to-User header. Without an encoding it is taken as hex where that gives text."""
    if len(value) > MAX_UUI:
        return UuiFault(detail=f"it is longer than {MAX_UUI} characters")
    content, parameters = _split(value.strip())
    discriminator = parameters.get("pd")
    encoding = parameters.get("encoding", "").lower()
    if encoding not in {"", *UuiEncoding}:
        return UuiFault(detail=f"its encoding {encoding[:32]!r} is not known")
    if not content:
        return UuiFault(detail="it is empty")
    if encoding != UuiEncoding.ASCII:
        found = _read_hex(content, discriminator)
        if isinstance(found, Uui) or encoding == UuiEncoding.HEX:
            return found
    octets = unquote_to_bytes(content.encode("utf-8", "surrogateescape")) if "%" in content else None
    text = content if octets is None else octets.decode("utf-8", "replace")
    if not text.isprintable():
        return UuiFault(detail="it holds control characters")
    return Uui(text=text, encoding=UuiEncoding.ASCII, discriminator=discriminator)


def pairs_of(text: str) -> dict[str, str]:
    """The parts of a text that is a list of `name=value`, parted by `;`, `|`, `&` or `,`; empty when it is none.

    Of several marks the one that parts most is the one that was meant.
    """
    best: dict[str, str] = {}
    for mark in _PAIR_MARKS:
        parts = [_PAIR.fullmatch(part.strip()) for part in text.split(mark) if part.strip()]
        if len(parts) > len(best) and all(parts):
            best = {part["name"]: part["value"] for part in parts if part is not None}
    return best


def _split(value: str) -> tuple[str, dict[str, str]]:
    """The data, and the parameters behind it that are known by name; anything else belongs to the data."""
    parameters: dict[str, str] = {}
    while (match := _PARAMETER.search(value)) is not None and match["name"].lower() in _KNOWN:
        parameters.setdefault(match["name"].lower(), _unquoted(match["value"]))
        value = value[: match.start()].rstrip()
    return _unquoted(value), parameters


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return re.sub(r"\\(.)", r"\1", quoted["inner"]) if quoted is not None else text


def _read_hex(content: str, discriminator: str | None) -> Uui | UuiFault:
    if _HEX.fullmatch(content) is None:
        return UuiFault(detail="it is said to be hex and is not")
    octets = bytes.fromhex(content)
    if discriminator is None and octets[0] <= _LAST_DISCRIMINATOR:
        discriminator, octets = f"{octets[0]:02x}", octets[1:]
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    if not text.isprintable():
        return UuiFault(detail="its hex holds no readable text")
    return Uui(text=text, encoding=UuiEncoding.HEX, discriminator=discriminator)
