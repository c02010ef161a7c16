"""Reliable provisional responses of ours (RFC 3262) and the PRACKs that answer them."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import SDP, TCP, Wire
from tieline.sip.config import PeerOptions
from tieline.sip.errors import WrongArgument, WrongState
from tieline.sip.events import (
    AckReceived,
    ByeCompleted,
    InviteCancelled,
    LegFailed,
    LegFailure,
    PrackReceived,
    UpdateReceived,
)
from tieline.sip.message import Response

REQUIRED = "Require: 100rel\r\n"
OTHER = SDP.replace(b"4000", b"4002")


def ringing(
    wire: Wire, sdp: bytes | None = None, status: int = 180, **changes: object
) -> tuple[int, str, Response, str]:
    """A call that wants reliable responses and got one: leg, our tag, the response, the INVITE's branch."""
    leg_id, tag, branch = wire.called(**{"extra": REQUIRED, **changes})
    wire.stack.ring(leg_id, wire.now, sdp=sdp, status=status)
    return leg_id, tag, wire.take_response(status), branch


def prack(wire: Wire, tag: str, response: Response, cseq: int = 2, body: bytes = b"", **changes: str) -> None:
    rack = f"RAck: {response.headers['RSeq']} 1 INVITE\r\n"
    wire.request("PRACK", cseq, to_tag=tag, body=body, **{"extra": rack, **changes})


class TestWhen:
    @pytest.mark.parametrize(
        ("extra", "options", "reliable"),
        [
            (REQUIRED, PeerOptions(), True),
            ("Supported: 100rel\r\n", PeerOptions(), False),
            ("Supported: timer, 100rel\r\n", PeerOptions(reliable_required=True), True),
            ("", PeerOptions(), False),
        ],
    )
    def test_reliable_or_not(self, extra: str, options: PeerOptions, *, reliable: bool) -> None:
        wire = Wire(options=options)
        leg_id, _, _ = wire.called(extra=extra)
        wire.stack.ring(leg_id, wire.now)
        response = wire.take_response(180)
        assert ("RSeq" in response.headers) is reliable
        assert response.headers.get("Require") == ("100rel" if reliable else None)
        assert response.headers["Contact"] == "<sip:tieline@192.0.2.2:5060>"

    def test_refused_where_we_do_not_claim_it(self) -> None:
        wire = Wire(options=PeerOptions(reliable=False))
        wire.request("INVITE", 1, body=SDP, extra="Require: timer, 100rel\r\n")
        assert wire.take_response(420).headers["Unsupported"] == "100rel"
        wire.request("OPTIONS", 1, call_id="o")
        assert wire.take_response(200).headers["Supported"] == "timer"

    def test_required_and_lacking(self) -> None:
        wire = Wire(options=PeerOptions(reliable_required=True))
        wire.request("INVITE", 1, body=SDP)
        assert wire.take_response(421).headers["Require"] == "100rel"

    def test_early_media_without_reliability(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        wire.stack.ring(leg_id, wire.now, [("X-A", "1")], SDP, 183)
        response = wire.take_response(183)
        assert (response.body, response.content_type, response.headers["X-A"]) == (
            SDP,
            "application/sdp",
            "1",
        )
        wire.stack.answer(leg_id, SDP, wire.now)
        assert wire.take_response(200).body == SDP

    @pytest.mark.parametrize("status", [100, 200])
    def test_only_provisional_statuses(self, status: int) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        with pytest.raises(WrongArgument):
            wire.stack.ring(leg_id, wire.now, status=status)


class TestRepetition:
    @pytest.mark.parametrize("flow", [Wire().flow, TCP])
    def test_until_prack(self, flow: object) -> None:
        wire = Wire(flow=flow)  # type: ignore[arg-type]
        _, tag, first, _ = ringing(wire)
        wire.wait(4)
        again = wire.take()
        assert len(again) == 3
        assert all(
            isinstance(each, Response) and each.headers["RSeq"] == first.headers["RSeq"] for each in again
        )
        prack(wire, tag, first)
        assert wire.statuses() == [200]
        assert isinstance(wire.events()[-1], PrackReceived)
        wire.wait(60)
        assert wire.take() == []

    def test_given_up(self) -> None:
        wire = Wire()
        leg_id, _, _, _ = ringing(wire)
        wire.wait(31.9)
        wire.take()
        wire.wait(0.2)
        assert wire.statuses() == [504]
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.PEER_GONE)
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_rejected_meanwhile(self) -> None:
        wire = Wire()
        leg_id, _, _, _ = ringing(wire)
        wire.stack.reject(leg_id, 486, wire.now)
        wire.wait(64)
        assert set(wire.statuses()) == {486}
        assert wire.stack.is_idle()


class TestPrack:
    @pytest.mark.parametrize(
        "rack", ["", "x", "1 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 BYE", "{rseq} INVITE"]
    )
    def test_of_nothing(self, rack: str) -> None:
        wire = Wire()
        _, tag, first, _ = ringing(wire)
        text = rack.replace("{rseq}", first.headers["RSeq"])
        prack(wire, tag, first, extra=f"RAck: {text}\r\n")
        assert wire.statuses() == [481]

    def test_a_second_time(self) -> None:
        wire = Wire()
        _, tag, first, _ = ringing(wire)
        prack(wire, tag, first, branch="z9hG4bKp")
        prack(wire, tag, first, branch="z9hG4bKp")
        prack(wire, tag, first, cseq=3)
        assert wire.statuses() == [200, 200, 481]

    def test_where_nothing_was_reliable(self) -> None:
        wire = Wire()
        _, tag, _ = wire.called()
        wire.request("PRACK", 2, to_tag=tag, extra="RAck: 1 1 INVITE\r\n")
        assert wire.statuses() == [481]

    def test_one_after_the_other(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire)
        wire.stack.ring(leg_id, wire.now, sdp=SDP, status=183)
        wire.stack.ring(leg_id, wire.now, sdp=OTHER, status=181)
        assert wire.take() == []
        prack(wire, tag, first)
        second = wire.take()[-1]
        assert isinstance(second, Response)
        assert (second.status, second.body) == (183, SDP)
        assert int(second.headers["RSeq"]) == int(first.headers["RSeq"]) + 1
        prack(wire, tag, second, cseq=3)
        third = wire.take()[-1]
        # A second SDP would be a new offer.
        assert isinstance(third, Response)
        assert (third.status, third.body) == (181, b"")

    def test_not_without_end(self) -> None:
        wire = Wire()
        leg_id, _, _, _ = ringing(wire)
        for _ in range(16):
            wire.stack.ring(leg_id, wire.now)
        with pytest.raises(WrongState):
            wire.stack.ring(leg_id, wire.now)

    def test_with_a_further_offer(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire, SDP, 183)
        prack(wire, tag, first, body=OTHER)
        assert wire.events() == [PrackReceived(leg_id, b""), UpdateReceived(leg_id, OTHER)]
        assert wire.take() == []
        wire.stack.accept_update(leg_id, SDP, wire.now)
        answer = wire.take_response(200)
        assert (answer.body, answer.headers["CSeq"]) == (SDP, "2 PRACK")
        assert "Session-Expires" not in answer.headers

    def test_with_a_body_that_nobody_waits_for(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire)
        prack(wire, tag, first, body=b"x", kind="text/plain")
        assert wire.event(PrackReceived) == PrackReceived(leg_id, b"")
        assert wire.statuses() == [200]


class TestAnswer:
    def test_waits_for_the_prack_of_sdp(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire, SDP, 183)
        assert first.body == SDP
        wire.stack.answer(leg_id, SDP, wire.now, [("X-A", "1")])
        assert wire.take() == []
        assert wire.stack.leg(leg_id).state == "answer waiting"
        prack(wire, tag, first)
        of_prack, of_invite = wire.take()
        assert isinstance(of_prack, Response)
        assert isinstance(of_invite, Response)
        assert of_prack.headers["CSeq"] == "2 PRACK"
        # The answer is out already, and is not given twice.
        assert (of_invite.headers["CSeq"], of_invite.body, of_invite.headers["X-A"]) == ("1 INVITE", b"", "1")
        assert "Session-Expires" in of_invite.headers
        wire.events()
        wire.request("ACK", 1, to_tag=tag)
        wire.event(AckReceived)
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_does_not_wait_without_sdp(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire)
        wire.stack.answer(leg_id, SDP, wire.now)
        assert wire.take_response(200).body == SDP
        prack(wire, tag, first)
        assert wire.statuses() == [200]
        assert wire.event(PrackReceived) == PrackReceived(leg_id, b"")
        wire.request("ACK", 1, to_tag=tag)
        wire.wait(60)
        assert wire.take() == []

    def test_a_late_offer_is_answered_by_prack(self) -> None:
        wire = Wire()
        leg_id, tag, first, _ = ringing(wire, SDP, 183, body=b"")
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        assert wire.statuses() == [491]
        prack(wire, tag, first, cseq=3, body=OTHER)
        assert wire.event(PrackReceived) == PrackReceived(leg_id, OTHER)
        wire.take()
        wire.stack.answer(leg_id, SDP, wire.now)
        assert wire.take_response(200).body == b""

    @pytest.mark.parametrize("method", ["CANCEL", "BYE"])
    def test_the_caller_gives_up_meanwhile(self, method: str) -> None:
        wire = Wire()
        leg_id, tag, _, branch = ringing(wire, SDP, 183)
        wire.stack.answer(leg_id, SDP, wire.now)
        if method == "CANCEL":
            wire.request("CANCEL", 1, branch=branch)
        else:
            wire.request("BYE", 2, to_tag=tag)
        assert wire.event(InviteCancelled).leg_id == leg_id
        assert {200, 487} <= set(wire.statuses())
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_we_hang_up_meanwhile(self) -> None:
        wire = Wire()
        leg_id, _, _, _ = ringing(wire, SDP, 183)
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.stack.bye(leg_id, wire.now, [("X-contained", "true")])
        assert wire.take_response(480).headers["X-contained"] == "true"
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 480)
        assert wire.stack.leg(leg_id).state == "over"

    def test_no_prack_comes(self) -> None:
        wire = Wire()
        leg_id, _, _, _ = ringing(wire, SDP, 183)
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.wait(33)
        assert wire.event(LegFailed) == LegFailed(leg_id, LegFailure.PEER_GONE)
