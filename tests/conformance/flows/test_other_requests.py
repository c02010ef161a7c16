"""Requests other than INVITE (RFC 4320), and an INVITE that replaces a call (RFC 3891), which ours does not know."""

from __future__ import annotations

import pytest

from tests.conformance.flows.raw_peer import OFFER, RawPeer, requests, statuses
from tests.conformance.flows.test_rfc5407 import established
from tieline.sip.events import UpdateReceived


@pytest.fixture
def peer() -> RawPeer:
    return RawPeer()


def test_a_request_that_waits_for_its_owner_gets_neither_100_nor_408(peer: RawPeer) -> None:
    """Sections 4.1 and 4.2, with the one request that may stay undecided."""
    established(peer)
    assert statuses(peer.request("UPDATE", OFFER)) == []
    assert isinstance(peer.events[-1], UpdateReceived)
    assert statuses(peer.wait(60.0)) == []


def test_a_late_response_is_dropped(peer: RawPeer) -> None:
    """Section 4.2: what arrives after the client has given up."""
    leg = established(peer)
    peer.stack.info(leg, "application/dtmf", b"1", peer.now)
    (info,) = requests(peer.take())
    peer.wait(40.0)
    before = peer.stack.counters.dropped_unmatched
    assert peer.reply(info, 200) == []
    assert peer.stack.counters.dropped_unmatched == before + 1


def test_replaces_is_not_understood(peer: RawPeer) -> None:
    replaces = "Replaces: x@y;to-tag=1;from-tag=2\r\n"
    assert statuses(peer.request("INVITE", OFFER, lines=f"{replaces}Require: replaces\r\n")) == [420]


def test_replaces_without_require_makes_an_ordinary_call() -> None:
    assert statuses(RawPeer().request("INVITE", OFFER, lines="Replaces: x@y;to-tag=1;from-tag=2\r\n")) == [
        100
    ]
