"""Symmetric RTP: following the peer, not a stranger."""

from __future__ import annotations

import pytest

from tieline.media.latch import RELATCH_AFTER_S, SourceLatch

ANNOUNCED = ("192.0.2.10", 4000)
BEHIND_NAT = ("203.0.113.7", 61000)
STRANGER = ("198.51.100.66", 5555)


@pytest.fixture
def latch() -> SourceLatch:
    latch = SourceLatch()
    latch.announce(ANNOUNCED)
    return latch


def test_before_any_packet_the_announced_address_is_the_target(latch: SourceLatch) -> None:
    assert SourceLatch().target is None
    assert latch.target == ANNOUNCED


def test_the_first_source_is_followed(latch: SourceLatch) -> None:
    assert latch.admit(BEHIND_NAT, 1, 0.0)
    assert latch.target == BEHIND_NAT
    assert latch.admit(BEHIND_NAT, 1, 0.0)


def test_a_stranger_cannot_take_over(latch: SourceLatch) -> None:
    assert latch.admit(BEHIND_NAT, 1, 0.0)
    assert not latch.admit(STRANGER, 2, 0.1)
    assert latch.target == BEHIND_NAT
    latch.admit(ANNOUNCED, 1, 0.0)
    assert not latch.admit(STRANGER, 2, 0.1)
    assert latch.target == ANNOUNCED


def test_the_announced_address_takes_the_call_back(latch: SourceLatch) -> None:
    assert latch.admit(STRANGER, 2, 0.0)
    assert latch.admit(("192.0.2.10", 9999), 1, 0.0), "the announced host"
    assert latch.admit(ANNOUNCED, 3, 0.0), "and port"
    assert not latch.admit(("192.0.2.10", 9999), 1, 0.0)


def test_a_peer_that_moves_keeps_its_ssrc(latch: SourceLatch) -> None:
    latch.admit(BEHIND_NAT, 1, 0.0)
    assert latch.admit(("203.0.113.7", 61001), 1, 0.1)
    assert latch.target == ("203.0.113.7", 61001)


def test_a_new_source_is_let_in_after_silence(latch: SourceLatch) -> None:
    latch.admit(BEHIND_NAT, 1, 0.0)
    assert not latch.admit(STRANGER, 2, RELATCH_AFTER_S - 0.01)
    assert latch.admit(STRANGER, 2, RELATCH_AFTER_S)


def test_a_new_ssrc_of_the_same_source_is_no_new_source(latch: SourceLatch) -> None:
    latch.admit(BEHIND_NAT, 1, 0.0)
    assert latch.admit(BEHIND_NAT, 2, 0.0)
    assert not latch.admit(STRANGER, 1, 0.1)


def test_a_reinvite_with_a_new_address_starts_over(latch: SourceLatch) -> None:
    latch.admit(ANNOUNCED, 1, 0.0)
    latch.announce(ANNOUNCED)
    assert latch.source == ANNOUNCED
    latch.announce(("192.0.2.20", 4000))
    assert [latch.source, latch.target] == [None, ("192.0.2.20", 4000)]
    assert latch.admit(BEHIND_NAT, 9, 0.0)


def test_before_an_announcement_any_source_is_followed() -> None:
    latch = SourceLatch()
    assert latch.admit(STRANGER, 1, 0.0)
    assert latch.target == STRANGER


def test_ipv6_addresses_carry_more_than_host_and_port() -> None:
    latch = SourceLatch()
    latch.announce(("2001:db8::1", 4000))
    assert latch.admit(("2001:db8::1", 4000, 0, 0), 1, 0.0)
    assert not latch.admit(("2001:db8::2", 4000, 0, 0), 2, 0.0)
