"""UPDATE (RFC 3311), ours and the peer's."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import SDP, Wire
from tieline.sip.config import PeerOptions
from tieline.sip.errors import WrongArgument, WrongState
from tieline.sip.events import (
    ByeReceived,
    LegFailed,
    LegFailure,
    PrackReceived,
    ReinviteCompleted,
    UpdateCompleted,
    UpdateReceived,
)

OTHER = SDP.replace(b"4000", b"4002")
MOVED = "<sip:peer@192.0.2.7:5070>"


class TestTheirs:
    def test_without_a_body_is_answered_and_not_told(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, contact=MOVED)
        answer = wire.take_response(200)
        assert answer.body == b""
        assert "UPDATE" in answer.headers["Allow"]
        assert answer.headers["Contact"] == "<sip:tieline@192.0.2.2:5060>"
        assert wire.events() == []
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:peer@192.0.2.7:5070"

    def test_an_offer_is_told_and_accepted(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER, contact=MOVED, branch="z9hG4bKx")
        assert wire.event(UpdateReceived) == UpdateReceived(leg_id, OTHER)
        assert wire.take() == []
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER, contact=MOVED, branch="z9hG4bKx")
        assert wire.take() == []
        wire.stack.accept_update(leg_id, SDP, wire.now)
        answer = wire.take_response(200)
        assert (answer.body, answer.content_type) == (SDP, "application/sdp")
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:peer@192.0.2.7:5070"

    def test_an_offer_may_be_refused(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER, contact=MOVED)
        with pytest.raises(WrongArgument):
            wire.stack.reject_update(leg_id, 200, wire.now)
        with pytest.raises(WrongArgument):
            wire.stack.accept_update(leg_id, b"", wire.now)
        wire.stack.reject_update(leg_id, 488, wire.now)
        assert wire.statuses() == [488]
        with pytest.raises(WrongState):
            wire.stack.reject_update(leg_id, 488, wire.now)
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:peer@192.0.2.1:5060"

    def test_a_second_offer_comes_too_early(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        wire.request("UPDATE", 3, to_tag=tag, body=OTHER)
        assert 0 <= int(wire.take_response(500).headers["Retry-After"]) <= 10
        wire.request("INVITE", 4, to_tag=tag, body=OTHER)
        assert "Retry-After" in wire.take_response(500).headers

    def test_while_their_invite_is_open(self) -> None:
        wire = Wire()
        _, tag, _ = wire.called()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        assert wire.statuses() == [500]

    def test_while_our_offer_is_open(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.reinvite(leg_id, OTHER, wire.now)
        wire.take()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        assert wire.statuses() == [491]

    def test_while_our_late_offer_is_open(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called(body=b"")
        wire.stack.answer(leg_id, SDP, wire.now)
        wire.take()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        assert wire.statuses() == [491]

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"body": b"x", "kind": "text/plain"}, 415),
            ({"contact": "<tel:+1>"}, 400),
            ({"extra": "Session-Expires: soon\r\n"}, 400),
            ({"extra": "Session-Expires: 30\r\nSupported: timer\r\n"}, 422),
        ],
    )
    def test_refused(self, changes: dict[str, object], status: int) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, **changes)  # type: ignore[arg-type]
        assert wire.statuses() == [status]
        assert wire.events() == []

    def test_outside_any_dialog(self) -> None:
        wire = Wire()
        wire.request("UPDATE", 2, body=OTHER)
        wire.request("PRACK", 3)
        assert wire.statuses() == [481, 481]

    def test_while_the_call_ends(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.bye(leg_id, wire.now)
        wire.take()
        wire.request("UPDATE", 2, to_tag=tag)
        assert wire.statuses() == [481]

    def test_undecided_when_we_hang_up(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        wire.stack.bye(leg_id, wire.now)
        assert wire.statuses() == [487, "BYE"]

    def test_undecided_when_they_hang_up(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        wire.events()
        wire.request("BYE", 3, to_tag=tag)
        assert sorted(map(str, wire.statuses())) == ["200", "487"]
        wire.event(ByeReceived)


class TestOurs:
    def test_an_offer(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        update = wire.take_request("UPDATE")
        assert (update.body, update.content_type) == (OTHER, "application/sdp")
        assert update.headers["Session-Expires"] == "1800;refresher=uac"
        wire.request("UPDATE", 2, to_tag=tag, body=SDP)
        assert wire.statuses() == [491]
        wire.respond(update, 200, body=SDP, contact=MOVED)
        assert wire.event(UpdateCompleted) == UpdateCompleted(leg_id, 200, SDP)
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").uri_text == "sip:peer@192.0.2.7:5070"

    def test_one_without_an_offer(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.update(leg_id, None, wire.now)
        update = wire.take_request("UPDATE")
        assert (update.body, update.content_type) == (b"", None)
        wire.request("UPDATE", 2, to_tag=tag, body=SDP)
        wire.stack.accept_update(leg_id, SDP, wire.now)
        assert wire.statuses() == [200]
        wire.respond(update, 200)
        assert wire.events()[-1] == UpdateCompleted(leg_id, 200, b"")

    def test_one_at_a_time(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        with pytest.raises(WrongState):
            wire.stack.update(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("UPDATE"), 200, body=SDP)
        wire.request("UPDATE", 2, to_tag=tag, body=OTHER)
        with pytest.raises(WrongState):
            wire.stack.update(leg_id, OTHER, wire.now)
        wire.stack.reject_update(leg_id, 488, wire.now)
        wire.stack.reinvite(leg_id, OTHER, wire.now)
        with pytest.raises(WrongState):
            wire.stack.update(leg_id, OTHER, wire.now)

    @pytest.mark.parametrize(("ours", "low", "high"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
    def test_glare_waits_by_whose_call_it_is(self, *, ours: bool, low: float, high: float) -> None:
        wire = Wire()
        leg_id = wire.in_our_call() if ours else wire.in_call()[0]
        wire.stack.update(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("UPDATE"), 491)
        done = wire.event(UpdateCompleted)
        assert done.status == 491
        assert done.retry_after_s is not None
        assert low <= done.retry_after_s <= high
        wire.stack.reinvite(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("INVITE"), 491)
        again = wire.event(ReinviteCompleted)
        assert again.retry_after_s is not None
        assert low <= again.retry_after_s <= high

    def test_refused(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("UPDATE"), 488)
        assert wire.event(UpdateCompleted) == UpdateCompleted(leg_id, 488, b"")

    def test_a_larger_interval_is_wanted(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("UPDATE"), 422, extra="Min-SE: 7200\r\n")
        again = wire.take_request("UPDATE")
        assert (again.headers["Session-Expires"], again.headers["Min-SE"]) == ("7200;refresher=uac", "7200")
        assert again.body == OTHER
        wire.respond(again, 422, extra="Min-SE: 7200\r\n")
        assert wire.event(UpdateCompleted).status == 422

    def test_the_peer_is_gone(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        wire.respond(wire.take_request("UPDATE"), 481)
        assert wire.events() == [
            UpdateCompleted(leg_id, 481, b""),
            LegFailed(leg_id, LegFailure.PEER_GONE),
        ]

    def test_answered_after_the_end(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.stack.update(leg_id, OTHER, wire.now)
        update = wire.take_request("UPDATE")
        wire.request("BYE", 2, to_tag=tag)
        wire.event(ByeReceived)
        wire.respond(update, 200, body=SDP)
        assert wire.events() == []

    def test_before_the_answer_it_needs_a_reliable_one(self) -> None:
        wire = Wire(options=PeerOptions())
        leg_id, tag, _ = wire.called(extra="Require: 100rel\r\n")
        wire.stack.ring(leg_id, wire.now, sdp=SDP, status=183)
        ringing = wire.take_response(183)
        with pytest.raises(WrongState):
            wire.stack.update(leg_id, OTHER, wire.now)
        rack = f"RAck: {ringing.headers['RSeq']} 1 INVITE\r\n"
        wire.request("PRACK", 2, to_tag=tag, extra=rack)
        wire.event(PrackReceived)
        wire.take()
        wire.stack.update(leg_id, OTHER, wire.now)
        update = wire.take_request("UPDATE")
        assert "Session-Expires" not in update.headers
        wire.respond(update, 200, body=SDP)
        assert wire.event(UpdateCompleted).status == 200
        wire.request("UPDATE", 3, to_tag=tag, body=OTHER)
        wire.event(UpdateReceived)
        wire.stack.accept_update(leg_id, OTHER, wire.now)
        assert wire.take_response(200).body == OTHER
