"""SRTP (RFC 3711) by libsrtp: packets protected on their way out, checked and opened on their way in."""

from __future__ import annotations

from typing import Final

from pylibsrtp import Error, Policy, Session

_PROFILES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
_TAG_BYTES: Final = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}


class Unprotectable(Exception):
    """libsrtp does not take a packet: a number used twice, a key used up, or too long."""


class Protector:
    """What we send with one key. Keys are master key and salt, 30 bytes."""

    __slots__ = ("_session", "key", "suite")

    def __init__(self, suite: str, key: bytes) -> None:
        self.suite = suite
        self.key = key
        self._session = _session(suite, key, Policy.SSRC_ANY_OUTBOUND)

    def protect(self, packet: bytes) -> bytes:
        """The packet as SRTP. Raises `Unprotectable`."""
        try:
            return self._session.protect(packet)
        except (Error, ValueError) as error:
            raise Unprotectable(str(error)) from error


class Opener:
    """What they send. After a change of keys, packets under the old key are taken until the first under the new.

    `unauthentic` counts packets that were not made with the peer's key, `replayed` those that had come before.
    """

    __slots__ = ("_mki", "_old", "_session", "_tag", "key", "replayed", "suite", "unauthentic")

    def __init__(self) -> None:
        self.unauthentic = 0
        self.replayed = 0
        self.suite = ""
        self.key = b""
        self._mki = 0
        self._tag = 0
        self._session: Session | None = None
        self._old: tuple[Session, int, int] | None = None

    def set_key(self, suite: str, key: bytes, mki_bytes: int = 0) -> None:
        """Take the peer's key, which is followed by an identifier of `mki_bytes`; the same again changes nothing."""
        if (suite, key) != (self.suite, self.key):
            self._old = (self._session, self._mki, self._tag) if self._session is not None else None
            self._session = _session(suite, key, Policy.SSRC_ANY_INBOUND)
        self.suite, self.key, self._mki, self._tag = suite, key, mki_bytes, _TAG_BYTES[suite]

    def clear(self) -> None:
        """From now on packets are plain."""
        self.suite, self.key, self._session, self._old = "", b"", None, None

    def open(self, packet: bytes) -> bytes | None:
        """The plain packet, or None when it is not authentic or was there before; it has then been counted."""
        assert self._session is not None
        try:
            opened: bytes = self._session.unprotect(_without_mki(packet, self._mki, self._tag))
        except (Error, ValueError) as error:
            plain = self._open_old(packet)
            if plain is None:
                self._count(error)
            return plain
        self._old = None
        return opened

    def _open_old(self, packet: bytes) -> bytes | None:
        if self._old is None:
            return None
        session, mki, tag = self._old
        try:
            opened: bytes = session.unprotect(_without_mki(packet, mki, tag))
        except (Error, ValueError):
            return None
        return opened

    def _count(self, error: Exception) -> None:
        if "replay" in str(error):
            self.replayed += 1
        else:
            self.unauthentic += 1


def _session(suite: str, key: bytes, direction: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[suite]))


def _without_mki(packet: bytes, mki_bytes: int, tag_bytes: int) -> bytes:
    """Without the key identifier, which stands before the authentication tag and is no part of what it covers."""
    if not mki_bytes:
        return packet
    return packet[: -tag_bytes - mki_bytes] + packet[-tag_bytes:]
