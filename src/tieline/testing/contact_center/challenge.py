"""Digest authentication (RFC 2617, RFC 7616, RFC 8760), both sides, written apart from the server's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

REALM = "contact-centre"
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda text: hashlib.md5(text, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda text: hashlib.sha256(text).hexdigest(),
}
_PARAMETER = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


def read_digest(value: str) -> dict[str, str]:
    """The parameters of a Digest header by name in lower case, without their quotes; {} for another scheme."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "digest":
        return {}
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}


def write_challenge(algorithm: str, nonce: str, *, stale: bool = False) -> str:
    """The value of WWW-Authenticate or Proxy-Authenticate."""
    more = ", stale=true" if stale else ""
    return f'Digest realm="{REALM}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


def digest_of(given: dict[str, str], method: str, username: str, password: str) -> str:
    """The response that `given` (algorithm, realm, nonce, uri, and with qop also nc and cnonce) asks for."""
    hashed = _HASHES[given.get("algorithm", "MD5").upper()]
    secret = hashed(f"{username}:{given.get('realm', '')}:{password}".encode())
    request = hashed(f"{method}:{given.get('uri', '')}".encode())
    parts = [secret, given.get("nonce", "")]
    if given.get("qop"):
        parts += [given.get("nc", ""), given.get("cnonce", ""), given["qop"]]
    return hashed(":".join([*parts, request]).encode())


def is_proven(value: str | None, method: str, algorithm: str, username: str, password: str) -> bool:
    """Whether an Authorization value answers a challenge of ours rightly."""
    given = read_digest(value or "")
    if given.get("algorithm", "MD5").upper() != algorithm or given.get("username") != username:
        return False
    return given.get("response") == digest_of(given, method, username, password)


def answer_challenge(challenge: str, method: str, uri: str, username: str, password: str) -> str:
    """The value of Authorization that answers a challenge."""
    asked = read_digest(challenge)
    given = {"realm": asked.get("realm", ""), "nonce": asked.get("nonce", ""), "uri": uri}
    if "algorithm" in asked:
        given["algorithm"] = asked["algorithm"]
    if "qop" in asked:
        given |= {"qop": "auth", "nc": "00000001", "cnonce": "0a4f113b"}
    response = digest_of(given, method, username, password)
    bare = {"algorithm", "qop", "nc"}
    shown = {"username": username, **given, "response": response}
    if "opaque" in asked:
        shown["opaque"] = asked["opaque"]
    return "Digest " + ", ".join(f"{k}={v}" if k in bare else f'{k}="{v}"' for k, v in shown.items())
