"""The challenge to those who call us, for peers that have to prove who they are (RFC 3261 section 22, RFC 8760).

Nothing is kept of a caller before it has proved itself: a nonce holds the time of its making and a seal that only we
can put on it. Kept, for a bounded number of nonces, is how often each was used with the right credentials; a nonce
older than one that had to be let go of is called stale, so that no use of a nonce can be repeated.

A wrong name and a wrong password take the same path and get the same answer. The `uri` of the credentials is hashed
as given and not held against the Request-URI: proxies rewrite that one.
"""

from __future__ import annotations

import hmac
import re

from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.core import Core
from tieline.sip.digest import Sum, compute, quoted, read_schemes
from tieline.sip.errors import Challenged, MessageMalformed, Refused
from tieline.sip.events import Flow
from tieline.sip.message import Request

_LIFETIME_S = 300
_NONCES = 4_096
_SEAL_CHARS = 32
_is_count = re.compile("[0-9a-fA-F]{8}").fullmatch


class DigestServer:
    """Lets those INVITEs through that bring the credentials which their peer's options demand."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._secret = f"{core.ids.tag()}{core.ids.tag()}".encode()
        self._used: dict[str, int] = {}
        self._floor = -1

    def check(self, request: Request, flow: Flow, now: float) -> PeerOptions:
        """The options of the peer whose request may pass: of several at one address, the one that it has proven to be.

        Raises `Challenged` for one that is yet to bring credentials or brings a stale nonce, and `Refused` for one
        whose credentials are wrong; either bears a new challenge.
        """
        options = self._core.options_of(flow)
        if options.required is None:
            return options
        try:
            given = _credentials(request, options.realm)
        except MessageMalformed as broken:
            raise Refused(401, broken.why, self._challenge(options, now)) from None
        if given is None:
            raise Challenged(401, "no credentials", self._challenge(options, now))
        # All are tried, whoever it is.
        right = [
            each
            for each in (options, *options.others)
            if each.required is not None
            and _is_right(given, each.required, each.algorithms, options.realm, request)
        ]
        if not right:
            raise Refused(401, "credentials are wrong", self._challenge(options, now))
        if not self._use(given, options, now):
            raise Challenged(401, "nonce is stale", self._challenge(options, now, stale=True))
        return right[0]

    def _challenge(self, options: PeerOptions, now: float, *, stale: bool = False) -> str:
        """One challenge for each algorithm that any of the peers may use, with one nonce."""
        algorithms = dict.fromkeys([name for each in (options, *options.others) for name in each.algorithms])
        made = f"{max(int(now), 0):x}.{self._core.ids.tag()}"
        nonce = f"{made}.{self._seal(made, options.realm)}"
        return "".join(
            [
                f'WWW-Authenticate: Digest realm="{quoted(options.realm)}", nonce="{nonce}", algorithm={name}, '
                f'qop="auth"{", stale=true" if stale else ""}\r\n'
                for name in algorithms
            ]
        )

    def _seal(self, made: str, realm: str) -> str:
        sealed = f"{made} {realm}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._secret, sealed, "sha256").hex()[:_SEAL_CHARS]

    def _use(self, given: dict[str, str], options: PeerOptions, now: float) -> bool:
        """Take one use of a nonce; False when it is none of ours, too old, or this use of it was had before."""
        nonce = given["nonce"]
        made, _, seal = nonce.rpartition(".")
        if not _same(seal, self._seal(made, options.realm)):
            return False
        at = int(made.partition(".")[0], 16)
        number = int(given["nc"], 16) if "qop" in given else 1
        if at <= self._floor or now - at > _LIFETIME_S or number <= self._used.get(nonce, 0):
            return False
        self._used[nonce] = number
        while len(self._used) > _NONCES:
            oldest = next(iter(self._used))
            del self._used[oldest]
            self._floor = max(self._floor, int(oldest.partition(".")[0], 16))
        return True


def _credentials(request: Request, realm: str) -> dict[str, str] | None:
    """The credentials for our realm; None without any. Raises `MessageMalformed`."""
    for value in request.headers.getall("authorization"):
        for scheme, params in read_schemes(value):
            if scheme == "digest" and params.get("realm") == quoted(realm):
                return params
    return None


def _is_right(
    given: dict[str, str], required: Credentials, algorithms: tuple[str, ...], realm: str, request: Request
) -> bool:
    """Whether these are the credentials that we want, by a way that takes as long for a wrong name as for a right one.

    What we did not offer (another algorithm, `auth-int`) is wrong, and so is what lacks a part.
    """
    algorithm, qop = given.get("algorithm", "MD5"), given.get("qop", "auth")
    if (
        algorithm.upper() not in algorithms
        or qop.lower() != "auth"
        or not {"username", "nonce", "uri"} <= given.keys()
    ):
        return False
    if "qop" in given and not (_is_count(given.get("nc", "")) and "cnonce" in given):
        return False
    parts = Sum(
        algorithm,
        required.username,
        quoted(realm),
        required.password,
        given["nonce"],
        given.get("qop", ""),
        given.get("nc", ""),
        given.get("cnonce", ""),
    )
    expected = compute(parts, request.method, given["uri"], request.body)
    same_name = _same(given["username"], quoted(required.username))
    same_sum = _same(given.get("response", "").lower(), expected)
    return same_name and same_sum


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )
