"""Digest authentication: what challenges and credentials say, and the sums (RFC 3261 section 22, 2617, 7616, 8760).

Values are kept as they stand between their quotes, escapes included: that is what both sides hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from tieline.sip.errors import MessageMalformed

_TOKEN = "[A-Za-z0-9\\-.!%*_+`'~]+"
_match_item = re.compile(
    # What is possessive (`*+`) keeps a run of blanks from being tried in every division.
    f"[ \\t,]*+(?:({_TOKEN})[ \\t]+)?({_TOKEN})[ \\t]*+=[ \\t]*+"
    '(?:"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"|([^\\s,"]*))[ \\t]*(?=,|$)',
    re.DOTALL,
).match

_HASHES = {"md5": "md5", "sha-256": "sha256"}
_SESSION = "-sess"


class Sum(NamedTuple):
    """What goes into a response beside the request. `qop` is empty for the old form of RFC 2069."""

    algorithm: str | None
    username: str
    realm: str
    password: str
    nonce: str
    qop: str = ""
    nc: str = ""
    cnonce: str = ""


class Challenge(NamedTuple):
    """A challenge that can be answered. `algorithm` is as the server spells it, None where it names none."""

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str | None
    qop: str
    stale: bool


def quoted(text: str) -> str:
    """A text as it stands between quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def is_known(algorithm: str | None) -> bool:
    """Whether we can compute this algorithm; none means MD5."""
    return (algorithm or "md5").lower().removesuffix(_SESSION) in _HASHES


def is_session(algorithm: str | None) -> bool:
    """Whether this is one of the algorithms that fold the nonces into the first hash."""
    return algorithm is not None and algorithm.lower().endswith(_SESSION)


def compute(parts: Sum, method: str, uri: str, body: bytes) -> str:
    """The `response` value, lower-case hexadecimal (RFC 7616 section 3.4.1). The algorithm must be a known one."""
    name = _HASHES[(parts.algorithm or "md5").lower().removesuffix(_SESSION)]

    def digest(*texts: str) -> str:
        data = ":".join(texts).encode("utf-8", "surrogateescape")
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    secret = digest(parts.username, parts.realm, parts.password)
    if is_session(parts.algorithm):
        secret = digest(secret, parts.nonce, parts.cnonce)
    if parts.qop == "auth-int":
        what = digest(method, uri, hashlib.new(name, body, usedforsecurity=False).hexdigest())
    else:
        what = digest(method, uri)
    if not parts.qop:
        return digest(secret, parts.nonce, what)
    return digest(secret, parts.nonce, parts.nc, parts.cnonce, parts.qop, what)


def read_schemes(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The schemes of an authentication header and their parameters, both named in lower case.

    Several in one line are told apart by their names. Raises `MessageMalformed`.
    """
    scheme, params, at = "", dict[str, str](), 0
    while at < len(value):
        found = _match_item(value, at)
        if found is None:
            if value[at:].strip(" \t,"):
                raise MessageMalformed("authentication header cannot be read")
            break
        begins, name, quoted, plain = found.groups()
        if begins is not None:
            if scheme:
                yield scheme, params
            scheme, params = begins.lower(), {}
        name = name.lower()
        if not scheme or name in params:
            raise MessageMalformed("authentication parameter without scheme or given twice")
        params[name] = quoted if quoted is not None else plain
        at = found.end()
    if scheme:
        yield scheme, params


def read_challenges(values: list[str]) -> list[Challenge]:
    """The challenges that we can answer, in the order given, the first of each realm only.

    Lines that cannot be read, other schemes, unknown algorithms and qualities are passed over (RFC 8760).
    """
    found: dict[str, Challenge] = {}
    for value in values:
        try:
            schemes = list(read_schemes(value))
        except MessageMalformed:
            continue
        for scheme, params in schemes:
            challenge = _challenge(params) if scheme == "digest" else None
            if challenge is not None:
                found.setdefault(challenge.realm, challenge)
    return list(found.values())


def _challenge(params: dict[str, str]) -> Challenge | None:
    algorithm = params.get("algorithm")
    if "realm" not in params or "nonce" not in params or not is_known(algorithm):
        return None
    qop = ""
    if "qop" in params:
        offered = [each.strip().lower() for each in params["qop"].split(",")]
        qop = next((each for each in ("auth", "auth-int") if each in offered), "")
        if not qop:
            return None
    stale = params.get("stale", "").lower() == "true"
    return Challenge(params["realm"], params["nonce"], params.get("opaque"), algorithm, qop, stale)
