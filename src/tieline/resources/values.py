"""Values that only telephony has: networks, header names, peers, secrets; read as `tieline.resources.reader` reads."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from tieline.resources.reader import FAULTY, Field, Read, Reader, from_env, long_text, text
from tieline.resources.yaml_tree import Value

_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_REGION = re.compile(r"[A-Z]{2}")
_KEY = re.compile(r"[0-9*#A-D]")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_TARGET = re.compile(
    r"(?:(?P<scheme>sips?):(?:[^@\s<>;?]+@)?)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;@<>?\[\]]+)(?::(?P<port>\d{1,5}))?(?P<parameters>;[^\s<>?]*)?"
)


def network(reader: Reader, value: Value, path: str) -> Any:
    """An address or a network in CIDR form, in its canonical spelling."""
    found = text(reader, value, path)
    if not isinstance(found, str):
        return FAULTY
    try:
        return str(ipaddress.ip_network(found, strict=False))
    except ValueError:
        return reader.fault(value.line, path, f"{found!r} is not an address or network like 192.0.2.0/24")


def matching(pattern: re.Pattern[str], what: str) -> Read:
    """Text of one form. `what` ends the sentence "'x' is not ..."."""

    def read(reader: Reader, value: Value, path: str) -> Any:
        found = text(reader, value, path)
        if isinstance(found, str) and not pattern.fullmatch(found):
            return reader.fault(value.line, path, f"{found[:64]!r} is not {what}")
        return found

    return read


header_name = matching(_HEADER_NAME, "a SIP header name")
region = matching(_REGION, "a country code like US or DE")
keypad_key = matching(_KEY, "a key of the keypad: 0 to 9, *, # or A to D")
host = matching(_HOST, "a host name")


def target(reader: Reader, value: Value, path: str) -> Any:
    """Where a peer is reached: `host`, `host:port`, `[IPv6]:port`, or a SIP URI."""
    found = text(reader, value, path)
    if not isinstance(found, str):
        return FAULTY
    match = _TARGET.fullmatch(found)
    if match is None or not _is_host(match["host"]) or not 0 < int(match["port"] or 1) < 65536:
        return reader.fault(
            value.line, path, f"{found[:64]!r} is not a host, host:port or SIP URI like sip:sbc.example.com"
        )
    return found


def _is_host(written: str) -> bool:
    if not written.startswith("["):
        return _HOST.fullmatch(written) is not None
    try:
        ipaddress.IPv6Address(written[1:-1])
    except ValueError:
        return False
    return True


def sha256(reader: Reader, value: Value, path: str) -> Any:
    """A hash as `tieline export` writes it."""
    found = text(reader, value, path)
    if isinstance(found, str) and not _HASH.fullmatch(found):
        return reader.fault(value.line, path, "must be a SHA-256 in hex, as `tieline export` writes it")
    return found


def secret(reader: Reader, value: Value, path: str) -> Any:
    """A secret: text, or `{value_from_env: NAME}`."""
    if value.kind == "mapping":
        draft = reader.fields(value, _SECRET, path, "secret")
        return draft.values["value_from_env"] if draft is not None else FAULTY
    return long_text(reader, value, path)


def password(reader: Reader, value: Value, path: str) -> Any:
    """A secret that takes part in digest authentication: one line, not empty."""
    found = secret(reader, value, path)
    if isinstance(found, str) and not (found and all(letter.isprintable() for letter in found)):
        return reader.fault(value.line, path, "must be one line of printable text")
    return found


_SECRET = (
    Field("value_from_env", "text", "Environment variable that holds the value.", from_env, required=True),
)
