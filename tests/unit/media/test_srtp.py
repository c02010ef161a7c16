"""SRTP on one stream, each way, against libsrtp itself."""

from __future__ import annotations

import pytest
from pylibsrtp import Policy, Session

from tieline.media.messages import SrtpKeys
from tieline.media.rtp import build
from tieline.media.srtp import Opener, Protector, Unprotectable

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 10),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 4),
}
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY, OTHER_KEY = bytes(range(30)), bytes(range(1, 31))


def packet(number: int, ssrc: int = 7) -> bytes:
    return build(b"\x11" * 160, payload_type=0, sequence=number, timestamp=160 * number, ssrc=ssrc)


def theirs(key: bytes = KEY, suite: str = SUITE) -> Session:
    return Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=SUITES[suite][0]))


def opener(key: bytes = KEY, suite: str = SUITE, mki_bytes: int = 0) -> Opener:
    opened = Opener()
    opened.set_key(suite, key, mki_bytes)
    return opened


@pytest.mark.parametrize("suite", SUITES)
def test_both_ways(suite: str) -> None:
    profile, tag = SUITES[suite]
    protected = Protector(suite, KEY).protect(packet(1))
    assert len(protected) == len(packet(1)) + tag
    assert protected[12:-tag] != packet(1)[12:]
    inbound = Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
    assert inbound.unprotect(protected) == packet(1)
    assert opener(suite=suite).open(theirs(suite=suite).protect(packet(1))) == packet(1)


def test_numbers_may_come_late_but_not_twice() -> None:
    protector = Protector(SUITE, KEY)
    for number in (10, 12, 11):
        protector.protect(packet(number))
    with pytest.raises(Unprotectable):
        protector.protect(packet(11))
    with pytest.raises(Unprotectable):
        protector.protect(bytes(1400))


def test_what_is_not_theirs_is_counted_and_dropped() -> None:
    inbound = opener()
    sender = theirs()
    first = sender.protect(packet(1))
    assert inbound.open(first) == packet(1)
    assert inbound.open(first) is None
    assert (inbound.replayed, inbound.unauthentic) == (1, 0)
    forged = bytearray(sender.protect(packet(2)))
    forged[20] ^= 1
    for junk in (bytes(forged), packet(3), theirs(OTHER_KEY).protect(packet(4)), b"", b"\x80", bytes(1600)):
        assert inbound.open(junk) is None
    assert (inbound.replayed, inbound.unauthentic) == (1, 6)
    assert inbound.open(sender.protect(packet(5, ssrc=99))) == packet(5, ssrc=99)


def test_the_same_key_again_keeps_the_replay_window() -> None:
    inbound = opener()
    first = theirs().protect(packet(1))
    assert inbound.open(first) is not None
    inbound.set_key(SUITE, KEY)
    assert inbound.open(first) is None
    assert inbound.replayed == 1


def test_the_old_key_holds_until_the_new_one_is_used() -> None:
    inbound = opener()
    old, new = theirs(), theirs(OTHER_KEY)
    assert inbound.open(old.protect(packet(1))) is not None
    inbound.set_key(SUITE, OTHER_KEY)
    assert inbound.open(old.protect(packet(2))) == packet(2)
    assert inbound.open(b"\x80" * 40) is None
    assert inbound.open(new.protect(packet(3))) == packet(3)
    assert inbound.open(old.protect(packet(4))) is None
    assert inbound.unauthentic == 2


def test_after_plain_rtp_nothing_of_the_key_is_left() -> None:
    inbound = opener()
    inbound.clear()
    inbound.set_key(SUITE, OTHER_KEY)
    assert inbound.open(theirs().protect(packet(1))) is None


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_identifier_is_taken_out(suite: str) -> None:
    tag = SUITES[suite][1]
    protected = theirs(suite=suite).protect(packet(1))
    marked = protected[:-tag] + b"\x00\x01" + protected[-tag:]
    assert opener(suite=suite, mki_bytes=2).open(marked) == packet(1)


def test_keys_are_not_shown() -> None:
    assert repr(SrtpKeys(SUITE, KEY, OTHER_KEY)) == f"SrtpKeys({SUITE})"
