"""The race conditions of RFC 5407, with our stack in each part that a user agent like ours can have in them."""

from __future__ import annotations

import pytest

from tests.conformance.flows.raw_peer import ANSWER, OFFER, RawPeer, methods, requests, statuses
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    ByeReceived,
    InviteCancelled,
    InviteReceived,
    LegAnswered,
    ReinviteCompleted,
    ReinviteReceived,
)
from tieline.sip.message import Request


@pytest.fixture
def peer() -> RawPeer:
    return RawPeer()


def moratorium(peer: RawPeer, offer: bytes = OFFER) -> int:
    """The peer has called and our 200 is on its way: the peer does not know of it yet."""
    assert statuses(peer.request("INVITE", offer)) == [100]
    leg = next(event.leg_id for event in peer.events if isinstance(event, InviteReceived))
    peer.stack.ring(leg, peer.now)
    peer.stack.answer(leg, ANSWER, peer.now)
    assert statuses(peer.take()) == [180, 200]
    return leg


def established(peer: RawPeer) -> int:
    leg = moratorium(peer)
    assert peer.request("ACK", cseq=1, branch="z9hG4bKack") == []
    return leg


def told(peer: RawPeer, kind: type) -> int:
    return sum(isinstance(event, kind) for event in peer.events)


class TestMoratorium:
    """Section 3.1: the callee has answered, the caller has not seen it."""

    def test_3_1_1_a_retransmitted_invite_gets_no_second_call(self, peer: RawPeer) -> None:
        moratorium(peer)
        assert statuses(peer.request("INVITE", OFFER, cseq=1, branch="z9hG4bKpeer1")) in ([], [200])
        assert told(peer, InviteReceived) == 1

    def test_3_1_2_cancel_is_answered_and_changes_nothing(self, peer: RawPeer) -> None:
        moratorium(peer)
        peer.us_tag, tag = "", peer.us_tag
        assert statuses(peer.request("CANCEL", cseq=1, branch="z9hG4bKpeer1")) == [200]
        peer.us_tag = tag
        peer.request("ACK", cseq=1)
        assert told(peer, InviteCancelled) == 0
        assert told(peer, AckReceived) == 1
        assert statuses(peer.request("BYE")) == [200]
        assert told(peer, ByeReceived) == 1

    def test_3_1_3_bye_of_the_early_dialog_ends_the_session(self, peer: RawPeer) -> None:
        moratorium(peer)
        assert statuses(peer.request("BYE")) == [200]
        assert told(peer, ByeReceived) == 1
        assert statuses(peer.wait(40)) == []

    def test_3_1_4_a_reinvite_that_overtakes_the_ack_is_served(self, peer: RawPeer) -> None:
        leg = moratorium(peer)
        assert statuses(peer.request("INVITE", OFFER)) == [100]
        assert told(peer, ReinviteReceived) == 1
        peer.stack.accept_reinvite(leg, ANSWER, peer.now)
        assert statuses(peer.take()) == [200]
        peer.request("ACK", cseq=2)
        peer.request("ACK", cseq=1)
        assert statuses(peer.wait(40)) == []
        assert peer.stack.leg(leg).state == "confirmed"

    def test_3_1_5_a_reinvite_before_the_answer_to_our_offer_is_glare(self, peer: RawPeer) -> None:
        leg = moratorium(peer, b"")
        assert statuses(peer.request("INVITE", OFFER)) == [491]
        peer.request("ACK", cseq=2, branch="z9hG4bKpeer2")
        peer.request("ACK", ANSWER, cseq=1)
        assert peer.stack.leg(leg).state == "confirmed"
        assert told(peer, ReinviteReceived) == 0

    def test_3_1_6_bye_of_the_established_dialog_before_the_ack(self, peer: RawPeer) -> None:
        moratorium(peer)
        assert statuses(peer.request("BYE")) == [200]
        assert peer.request("ACK", cseq=1) == []
        assert statuses(peer.wait(40)) == []
        assert told(peer, ByeReceived) == 1


class TestMortal:
    """Section 3.2: one side has said BYE."""

    def test_3_2_1_byes_that_cross_are_both_answered_200(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.bye(leg, peer.now)
        (ours,) = requests(peer.take())
        assert statuses(peer.request("BYE")) == [200]
        peer.reply(ours, 200)
        assert told(peer, ByeCompleted) == 1
        assert methods(peer.wait(40)) == []

    def test_3_2_2_a_reinvite_that_crosses_our_bye_is_481(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.bye(leg, peer.now)
        peer.take()
        assert statuses(peer.request("INVITE", OFFER)) == [481]
        assert told(peer, ReinviteReceived) == 0

    def test_3_2_3_the_200_to_our_reinvite_is_acked_though_we_said_bye(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.reinvite(leg, OFFER, peer.now)
        (reinvite,) = requests(peer.take())
        peer.stack.bye(leg, peer.now)
        assert methods(peer.take()) == ["BYE"]
        assert methods(peer.reply(reinvite, 200, ANSWER)) == ["ACK"]
        assert told(peer, ReinviteCompleted) == 0

    def test_3_2_4_an_ack_after_our_bye_does_no_harm(self, peer: RawPeer) -> None:
        leg = moratorium(peer)
        peer.request("BYE")
        assert peer.request("ACK", cseq=1) == []
        assert told(peer, AckReceived) == 0
        assert leg not in peer.stack.leg_ids()


class TestOtherRaces:
    """Section 3.3: requests of both sides cross."""

    def test_3_3_1_reinvites_that_cross_are_both_491_and_ours_waits_by_the_rule(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.reinvite(leg, OFFER, peer.now)
        (ours,) = requests(peer.take())
        assert statuses(peer.request("INVITE", OFFER)) == [491]
        assert methods(peer.reply(ours, 491)) == ["ACK"]
        done = next(event for event in peer.events if isinstance(event, ReinviteCompleted))
        assert done.status == 491
        assert done.retry_after_s is not None
        # The peer made the Call-ID, so our wait is the short one of RFC 3261 section 14.1.
        assert 0 <= done.retry_after_s <= 2

    def test_3_3_1_the_maker_of_the_call_id_waits_longer(self, peer: RawPeer) -> None:
        leg, invite = peer.call_out()
        assert methods(peer.reply(invite, 200, ANSWER)) == ["ACK"]
        peer.stack.reinvite(leg, OFFER, peer.now)
        (ours,) = requests(peer.take())
        peer.reply(ours, 491)
        done = next(event for event in peer.events if isinstance(event, ReinviteCompleted))
        assert done.retry_after_s is not None
        assert 2.1 <= done.retry_after_s <= 4

    def test_3_3_2_an_update_that_crosses_our_reinvite_is_491(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.reinvite(leg, OFFER, peer.now)
        peer.take()
        assert statuses(peer.request("UPDATE", OFFER)) == [491]

    def test_3_3_3_refer_after_our_bye_is_481(self, peer: RawPeer) -> None:
        leg = established(peer)
        peer.stack.bye(leg, peer.now)
        peer.take()
        assert statuses(peer.request("REFER", lines="Refer-To: <sip:c@192.0.2.3>\r\n")) in ([481], [603])


class TestCallingSide:
    """The same moments with us as the caller."""

    def test_a_2xx_that_crosses_our_cancel_is_acked_and_ended(self, peer: RawPeer) -> None:
        leg, invite = peer.call_out()
        peer.reply(invite, 180)
        peer.stack.cancel(leg, peer.now)
        assert methods(peer.take()) == ["CANCEL"]
        assert methods(peer.reply(invite, 200, ANSWER)) == ["ACK", "BYE"]

    def test_a_2xx_that_is_repeated_is_acked_again(self, peer: RawPeer) -> None:
        _, invite = peer.call_out()
        assert methods(peer.reply(invite, 200, ANSWER)) == ["ACK"]
        assert methods(peer.reply(invite, 200, ANSWER)) == ["ACK"]
        assert told(peer, LegAnswered) == 1

    def test_our_bye_during_the_peers_moratorium_waits_for_the_ack(self, peer: RawPeer) -> None:
        leg = moratorium(peer)
        peer.stack.bye(leg, peer.now)
        assert peer.take() == []
        sent = peer.request("ACK", cseq=1)
        assert methods(sent) == ["BYE"]
        assert isinstance(sent[0], Request)
