"""Calls of ours before they are answered: early dialogs, forks, and reliable responses of theirs."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import PEER, SDP, UDP, Wire, config
from tieline.sip.config import PeerOptions
from tieline.sip.events import (
    ByeReceived,
    LegAnswered,
    LegProgress,
    LegRefused,
    Transport,
    UpdateReceived,
)
from tieline.sip.message import Request

OTHER = SDP.replace(b"4000", b"4002")


def reliable(rseq: int, more: str = "") -> str:
    return f"Require: 100rel\r\nRSeq: {rseq}\r\n{more}"


def pracks(wire: Wire) -> list[str]:
    found = [each for each in wire.take() if isinstance(each, Request) and each.method == "PRACK"]
    return [each.headers["RAck"] for each in found]


class TestReliable:
    def test_each_is_pracked_once(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        assert invite.headers["Supported"] == "timer, 100rel"
        wire.respond(invite, 180, extra=reliable(7))
        prack = wire.take_request("PRACK")
        assert (prack.headers["RAck"], prack.cseq, prack.to.tag) == ("7 1 INVITE", (2, "PRACK"), "theirs")
        assert prack.uri_text == "sip:peer@192.0.2.1:5060"
        wire.respond(prack, 200)
        wire.respond(invite, 180, extra=reliable(7))
        assert wire.take() == []
        assert [type(each) for each in wire.events()] == [LegProgress]
        wire.respond(invite, 183, extra=reliable(8), body=SDP)
        assert pracks(wire) == ["8 1 INVITE"]
        assert wire.event(LegProgress).body == SDP
        wire.respond(invite, 200)
        assert wire.event(LegAnswered).body == SDP
        wire.take()
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").cseq == (4, "BYE")

    @pytest.mark.parametrize("line", ["RSeq: 9", "RSeq: 7", "RSeq: x", ""])
    def test_out_of_order_or_broken_ones_are_not(self, line: str) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 180, extra=reliable(7))
        wire.take()
        wire.events()
        wire.respond(invite, 183, extra=f"Require: 100rel\r\n{line}\r\n" if line else "Require: 100rel\r\n")
        assert wire.take() == []
        assert wire.events() == []

    def test_a_broken_contact(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 180, contact="<tel:+1>", extra=reliable(7))
        assert wire.take() == []
        assert wire.stack.counters.dropped_malformed == 1

    def test_not_claimed_without_an_offer_nor_where_it_is_off(self) -> None:
        assert Wire().calling(None)[1].headers["Supported"] == "timer"
        assert Wire(options=PeerOptions(reliable=False)).calling()[1].headers["Supported"] == "timer"

    def test_pracked_after_we_gave_up_too(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.stack.cancel(leg_id, wire.now)
        wire.respond(invite, 180, extra=reliable(7))
        assert wire.statuses() == ["PRACK", "CANCEL"]
        assert wire.events() == []

    def test_a_new_invite_begins_anew(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 180, extra=reliable(7))
        wire.respond(invite, 422, extra="Min-SE: 7200\r\n")
        again = wire.take()[-1]
        assert isinstance(again, Request)
        wire.respond(again, 180, extra=reliable(3))
        assert pracks(wire) == ["3 2 INVITE"]


class TestForks:
    def test_each_branch_has_its_own_dialog(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        routed = reliable(1, "Record-Route: <sip:192.0.2.21;lr>\r\n")
        wire.respond(invite, 180, tag="a", contact="<sip:a@192.0.2.11>", extra=routed)
        first = wire.take_request("PRACK")
        assert (first.to.tag, first.uri_text, first.headers["Route"]) == (
            "a",
            "sip:a@192.0.2.11",
            "<sip:192.0.2.21;lr>",
        )
        assert wire.flows[0].remote == ("192.0.2.21", 5060)
        wire.respond(invite, 183, tag="b", contact="<sip:b@192.0.2.12>", extra=reliable(50), body=OTHER)
        second = wire.take_request("PRACK")
        assert (second.to.tag, second.uri_text, second.cseq[0]) == ("b", "sip:b@192.0.2.12", 2)
        assert "Route" not in second.headers
        wire.events()
        wire.respond(invite, 200, tag="a", contact="<sip:a@192.0.2.11>", body=SDP)
        assert wire.event(LegAnswered).body == SDP
        wire.take()
        # The other branch answers as well: ACK, and a BYE that counts on from its PRACK.
        wire.respond(invite, 200, tag="b", contact="<sip:b@192.0.2.12>")
        ack, bye = wire.take()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, ack.cseq[0], ack.to.tag) == ("ACK", 1, "b")
        assert (bye.method, bye.cseq[0], bye.to.tag) == ("BYE", 3, "b")
        wire.respond(bye, 200)
        assert wire.events() == []
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").to.tag == "a"

    def test_the_winner_keeps_its_own_answer(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 183, tag="a", extra=reliable(1), body=SDP)
        wire.respond(invite, 183, tag="b", extra=reliable(1), body=OTHER)
        wire.events()
        wire.respond(invite, 200, tag="b")
        assert wire.event(LegAnswered).body == OTHER

    def test_there_are_not_too_many(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        for number in range(40):
            wire.respond(invite, 180, tag=f"t{number}", extra=reliable(1))
        assert len(pracks(wire)) == 32
        assert len(wire.events()) == 40

    def test_without_a_trace(self) -> None:
        wire = Wire(config(advertised={Transport.UDP: PEER}, trace_messages=0), UDP)
        _, invite = wire.calling()
        wire.respond(invite, 180, extra=reliable(1))
        assert pracks(wire) == ["1 1 INVITE"]


class TestTheirUpdate:
    def early(self, wire: Wire, *, answered: bool = True, tag: str = "theirs") -> tuple[int, Request, str]:
        leg_id, invite = wire.calling()
        wire.respond(
            invite, 183, tag=tag, extra=reliable(1) if answered else "", body=SDP if answered else b""
        )
        wire.events()
        wire.take()
        return leg_id, invite, wire.stack.leg(leg_id).local_tag

    def update(self, wire: Wire, invite: Request, ours: str, cseq: int = 1, body: bytes = OTHER) -> None:
        wire.request("UPDATE", cseq, to_tag=ours, call_id=invite.call_id, body=body)

    def test_accepted_early(self) -> None:
        wire = Wire()
        leg_id, invite, ours = self.early(wire)
        self.update(wire, invite, ours)
        assert wire.event(UpdateReceived) == UpdateReceived(leg_id, OTHER)
        wire.stack.accept_update(leg_id, SDP, wire.now)
        assert wire.take_response(200).body == SDP
        self.update(wire, invite, ours, 1)
        assert wire.statuses() == [500]
        wire.respond(invite, 200)
        assert wire.event(LegAnswered).body == OTHER
        wire.take()
        # What the early dialog has seen counts.
        wire.request("BYE", 1, to_tag=ours, call_id=invite.call_id)
        assert wire.statuses() == [500]

    def test_without_a_body(self) -> None:
        wire = Wire()
        _, invite, ours = self.early(wire, answered=False)
        self.update(wire, invite, ours, body=b"")
        assert "Session-Expires" not in wire.take_response(200).headers

    def test_before_our_offer_is_answered(self) -> None:
        wire = Wire()
        _, invite, ours = self.early(wire, answered=False)
        self.update(wire, invite, ours)
        assert wire.statuses() == [491]

    def test_answered_after_the_call_was(self) -> None:
        wire = Wire()
        leg_id, invite, ours = self.early(wire)
        self.update(wire, invite, ours)
        wire.respond(invite, 200)
        wire.take()
        wire.stack.accept_update(leg_id, SDP, wire.now)
        assert wire.take_response(200).headers["CSeq"] == "1 UPDATE"

    def test_one_branch_at_a_time(self) -> None:
        wire = Wire()
        leg_id, invite, ours = self.early(wire, tag="a")
        wire.respond(invite, 183, tag="theirs", extra=reliable(1), body=SDP)
        wire.request("UPDATE", 1, to_tag=ours, call_id=invite.call_id, body=OTHER, from_tag="a")
        self.update(wire, invite, ours)
        assert 500 in wire.statuses()
        wire.respond(invite, 200)
        wire.take()
        # The branch that waits for an answer has lost, but gets one.
        wire.stack.reject_update(leg_id, 488, wire.now)
        assert wire.statuses() == [488]

    def test_after_we_gave_up(self) -> None:
        wire = Wire()
        leg_id, invite, ours = self.early(wire)
        wire.stack.cancel(leg_id, wire.now)
        wire.take()
        self.update(wire, invite, ours)
        assert wire.statuses() == [481]

    def test_undecided_when_the_call_fails(self) -> None:
        wire = Wire()
        _, invite, ours = self.early(wire)
        self.update(wire, invite, ours)
        wire.events()
        wire.respond(invite, 486)
        assert sorted(map(str, wire.statuses())) == ["487", "ACK"]
        wire.event(LegRefused)

    def test_other_requests_come_too_early(self) -> None:
        wire = Wire()
        _, invite, ours = self.early(wire)
        wire.request("BYE", 1, to_tag=ours, call_id=invite.call_id)
        wire.request("INFO", 2, to_tag=ours, call_id=invite.call_id)
        wire.request("OPTIONS", 3, to_tag=ours, call_id=invite.call_id)
        wire.request("OPTIONS", 3, to_tag=ours, call_id=invite.call_id, from_tag="stranger")
        assert wire.statuses() == [481, 481, 200, 481]
        assert not any(isinstance(each, ByeReceived) for each in wire.events())
