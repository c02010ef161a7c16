"""Calls that we make."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import PEER, SDP, TCP, UDP, Wire, config
from tieline.sip.errors import HeaderRefused, WrongArgument, WrongState
from tieline.sip.events import (
    ByeCompleted,
    ByeReceived,
    Flow,
    LegAnswered,
    LegProgress,
    LegRefused,
    NotifyReceived,
    OptionsCompleted,
    Transport,
)
from tieline.sip.message import Request


class TestInvite:
    def test_what_is_sent(self) -> None:
        wire = Wire()
        leg_id = wire.stack.invite(
            UDP, "sip:200@192.0.2.1", '"Me" <sip:me@192.0.2.2>', "<sip:200@192.0.2.1>", SDP, wire.now,
            [("X-A", "1")], ["<sip:p1;lr>", "<sip:p2;lr>"],
        )  # fmt: skip
        invite = wire.take_request("INVITE")
        assert invite.uri_text == "sip:200@192.0.2.1"
        assert invite.from_.display == "Me"
        assert invite.from_.tag == wire.stack.leg(leg_id).local_tag
        assert invite.to.tag is None
        assert invite.max_forwards == 70
        assert invite.headers.getall("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert invite.headers["X-A"] == "1"
        assert invite.body == SDP
        assert "rport" in invite.via.params
        assert wire.stack.leg(leg_id).sip_call_id == invite.call_id

    def test_180_200_ack_bye(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 100, tag=None)
        assert wire.events() == []
        wire.respond(invite, 180)
        assert wire.event(LegProgress).response.status == 180
        wire.respond(invite, 200, body=SDP)
        assert wire.event(LegAnswered).response.body == SDP
        ack = wire.take_request("ACK")
        assert (ack.cseq, ack.to.tag, ack.uri_text) == ((1, "ACK"), "theirs", "sip:peer@192.0.2.1:5060")
        assert ack.via.branch != invite.via.branch
        wire.stack.bye(leg_id, wire.now)
        bye = wire.take_request("BYE")
        assert bye.cseq == (2, "BYE")
        wire.respond(bye, 200)
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 200)

    def test_repeated_until_something_comes(self) -> None:
        wire = Wire()
        leg_id, _ = wire.calling()
        wire.wait(31.9)
        assert len(wire.take()) == 6
        wire.wait(0.2)
        assert wire.event(LegRefused) == LegRefused(leg_id, 408, None)
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_a_provisional_response_stops_repeating(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 180)
        wire.wait(60)
        assert wire.take() == []

    def test_refusal_is_acked_in_the_transaction_every_time(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 486)
        refused = wire.event(LegRefused)
        assert (refused.leg_id, refused.status) == (leg_id, 486)
        ack = wire.take_request("ACK")
        assert ack.via.branch == invite.via.branch
        assert ack.to.tag == "theirs"
        wire.respond(invite, 486)
        assert wire.statuses() == ["ACK"]
        assert wire.events() == []
        assert wire.stack.counters.retransmissions_received == 1
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_final_response_without_a_tag_is_dropped(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 200, tag=None)
        assert wire.events() == []
        assert wire.stack.counters.dropped_unmatched == 1

    def test_2xx_again_is_acked_again(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 200, body=SDP)
        first = wire.take_request("ACK")
        wire.respond(invite, 200, body=SDP)
        assert wire.take_request("ACK").via.branch == first.via.branch
        assert len(wire.events()) == 1

    def test_late_offer(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling(None)
        assert invite.body == b""
        assert invite.content_type is None
        wire.respond(invite, 200, body=SDP)
        wire.respond(invite, 200, body=SDP)
        assert wire.take() == []
        wire.event(LegAnswered)
        with pytest.raises(WrongArgument):
            wire.stack.ack(leg_id, b"", wire.now)
        wire.stack.ack(leg_id, SDP, wire.now)
        assert wire.take_request("ACK").body == SDP

    def test_late_offer_that_we_do_not_want(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling(None)
        wire.respond(invite, 200, body=SDP)
        wire.stack.bye(leg_id, wire.now)
        assert wire.statuses() == ["ACK", "BYE"]

    def test_peer_hangs_up_before_our_ack(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling(None)
        wire.respond(invite, 200, body=SDP)
        wire.events()
        wire.request("BYE", 1, to_tag=wire.stack.leg(leg_id).local_tag, call_id=invite.call_id)
        assert wire.event(ByeReceived).leg_id == leg_id

    def test_broken_contact_and_routes_leave_what_was_called(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 200, contact="<sip:x", extra="Record-Route: nonsense\r\n")
        assert wire.take_request("ACK").uri_text == "sip:200@192.0.2.1"

    def test_contact_of_another_scheme_is_not_used(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        wire.respond(invite, 200, contact="<tel:+1>")
        assert wire.take_request("ACK").uri_text == "sip:200@192.0.2.1"

    @pytest.mark.parametrize(
        ("uri", "from_", "route"),
        [
            ("nonsense", "<sip:a@b>", []),
            ("sip:a@b\r\nVia: x", "<sip:a@b>", []),
            ("sip:a@b", "<sip:a@b>;tag=1", []),
            ("sip:a@b", "<sip:a@b", []),
            ("sip:a@b", "<sip:a@b>", ["broken"]),
        ],
    )
    def test_wrong_arguments(self, uri: str, from_: str, route: list[str]) -> None:
        wire = Wire()
        with pytest.raises(WrongArgument):
            wire.stack.invite(UDP, uri, from_, "<sip:a@b>", SDP, 0.0, (), route)
        assert wire.take() == []
        assert wire.stack.is_idle()

    def test_nothing_is_smuggled_into_the_headers(self) -> None:
        wire = Wire()
        evil = '"\r\nX: y" <sip:a@b>'
        for from_, to, route, headers in (
            (evil, "<sip:a@b>", [], []),
            ("<sip:a@b>", evil, [], []),
            ("<sip:a@b>", "<sip:a@b>", [evil], []),
            ("<sip:a@b>", "<sip:a@b>", [], [("Via", "x")]),
        ):
            with pytest.raises(HeaderRefused):
                wire.stack.invite(UDP, "sip:a@b", from_, to, SDP, 0.0, headers, route)
        assert wire.stack.is_idle()


class TestForks:
    def test_a_second_answer_is_acked_and_ended(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 200, body=SDP)
        wire.take()
        wire.respond(invite, 200, tag="other", body=SDP, contact="<sip:other@192.0.2.1>")
        ack, bye = wire.take()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, ack.to.tag, ack.uri_text) == ("ACK", "other", "sip:other@192.0.2.1")
        assert (bye.method, bye.to.tag, bye.cseq) == ("BYE", "other", (2, "BYE"))
        wire.respond(invite, 200, tag="other", body=SDP)
        assert wire.statuses() == ["ACK"]
        wire.respond(bye, 200)
        assert [type(event) for event in wire.events()] == [LegAnswered]
        assert wire.stack.leg_ids() == [leg_id]

    def test_the_first_answer_goes_on_when_the_second_is_over(self) -> None:
        """Both dialogs bear our one tag; the peer's requests in the first are still known."""
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 200, body=SDP)
        wire.respond(invite, 200, tag="other", body=SDP)
        wire.respond(
            next(each for each in wire.take() if isinstance(each, Request) and each.method == "BYE"), 200
        )
        wire.events()
        wire.stack.refer(leg_id, "<sip:c@192.0.2.1>", wire.now)
        wire.respond(wire.take_request("REFER"), 202)
        wire.events()
        wire.wait(40.0)
        in_dialog = {"to_tag": invite.from_.tag, "call_id": invite.call_id}
        wire.request("NOTIFY", 1, extra="Event: refer\r\n", **in_dialog)  # type: ignore[arg-type]
        wire.request("BYE", 2, **in_dialog)  # type: ignore[arg-type]
        assert wire.statuses() == [200, 200]
        assert [type(event) for event in wire.events()] == [NotifyReceived, ByeReceived]


class TestCancel:
    def test_before_anything_came(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.stack.cancel(leg_id, wire.now)
        assert wire.take() == []
        wire.respond(invite, 100, tag=None)
        cancel = wire.take_request("CANCEL")
        assert (cancel.via.branch, cancel.cseq, cancel.uri_text) == (
            invite.via.branch,
            (1, "CANCEL"),
            invite.uri_text,
        )
        wire.respond(cancel, 200)
        wire.respond(invite, 180)
        wire.respond(invite, 487)
        assert wire.event(LegRefused).status == 487

    def test_while_ringing(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 180)
        wire.stack.cancel(leg_id, wire.now)
        wire.take_request("CANCEL")
        wire.respond(invite, 487)
        refused = wire.events()[-1]
        assert isinstance(refused, LegRefused)
        assert (refused.leg_id, refused.status) == (leg_id, 487)
        with pytest.raises(WrongState):
            wire.stack.cancel(leg_id, wire.now)

    @pytest.mark.parametrize("status", [0, 180])
    def test_answered_all_the_same(self, status: int) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        if status:
            wire.respond(invite, status)
        wire.stack.cancel(leg_id, wire.now)
        wire.take()
        wire.events()
        wire.respond(invite, 200, body=SDP)
        bye = wire.take()[1]
        assert isinstance(bye, Request)
        assert wire.event(LegRefused).status == 487
        wire.respond(invite, 200, body=SDP)
        assert wire.statuses() == ["ACK"]
        wire.respond(bye, 200)
        assert wire.events() == []
        assert wire.stack.leg_ids() == []

    def test_nothing_comes_after_it(self) -> None:
        wire = Wire()
        leg_id, invite = wire.calling()
        wire.respond(invite, 180)
        wire.stack.cancel(leg_id, wire.now)
        wire.events()
        wire.wait(33)
        assert wire.event(LegRefused) == LegRefused(leg_id, 408, None)
        wire.wait(64)
        assert wire.stack.is_idle()


class TestOptions:
    def test_answered(self) -> None:
        wire = Wire()
        number = wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        options = wire.take_request("OPTIONS")
        wire.respond(options, 100, tag=None)
        wire.wait(0.4)
        assert wire.take() == []
        wire.respond(options, 200)
        assert wire.event(OptionsCompleted) == OptionsCompleted(number, 200)
        wire.respond(options, 200)
        assert wire.events() == []
        wire.wait(6)
        assert wire.stack.is_idle()

    def test_repeated_every_t2_after_a_provisional_response(self) -> None:
        wire = Wire()
        wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        options = wire.take_request("OPTIONS")
        wire.wait(0.6)
        assert len(wire.take()) == 1
        wire.respond(options, 100, tag=None)
        wire.wait(10)
        assert len(wire.take()) == 3

    def test_silence(self) -> None:
        wire = Wire()
        wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        wire.wait(32)
        assert len(wire.take()) == 11
        assert wire.event(OptionsCompleted).status == 408

    def test_silence_after_a_provisional_response(self) -> None:
        wire = Wire()
        wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        wire.respond(wire.take_request("OPTIONS"), 100, tag=None)
        wire.wait(33)
        assert wire.event(OptionsCompleted).status == 408

    @pytest.mark.parametrize("provisional", [False, True])
    def test_transport_broke(self, provisional: bool) -> None:
        wire = Wire(flow=TCP)
        wire.stack.options(TCP, "sip:192.0.2.1", wire.now)
        if provisional:
            wire.respond(wire.take_request("OPTIONS"), 100, tag=None)
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.event(OptionsCompleted).status == 503

    def test_wrong_uri(self) -> None:
        with pytest.raises(WrongArgument):
            Wire().stack.options(UDP, "nonsense", 0.0)


class TestTransport:
    @pytest.mark.parametrize("provisional", [False, True])
    def test_broken_while_calling(self, provisional: bool) -> None:
        wire = Wire(flow=TCP)
        leg_id, invite = wire.calling()
        if provisional:
            wire.respond(invite, 180)
            wire.events()
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.event(LegRefused) == LegRefused(leg_id, 503, None)

    def test_advertised_addresses_of_version_6(self) -> None:
        wire = Wire(config(advertised={Transport.UDP: ("2001:db8::2", 5060)}))
        wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        options = wire.take_request("OPTIONS")
        assert options.via.host == "[2001:db8::2]"
        assert options.headers["Contact"] == "<sip:tieline@[2001:db8::2]:5060>"

    def test_only_what_depends_on_a_broken_flow_fails(self) -> None:
        wire = Wire()
        wire.stack.options(Flow(Transport.TCP, PEER), "sip:192.0.2.1", wire.now)
        number = wire.stack.options(Flow(Transport.TCP, ("192.0.2.9", 5060)), "sip:192.0.2.9", wire.now)
        wire.stack.connection_lost(Flow(Transport.TCP, ("192.0.2.9", 5060)), wire.now)
        assert wire.event(OptionsCompleted).options_id == number
        wire.stack.connection_lost(TCP, wire.now)
        assert wire.events() == []


class TestResponsesThatAreNotOurs:
    @pytest.mark.parametrize(
        "data",
        [
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nTo: <sip:a@b>;tag=1\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.2\r\nCSeq: 1 INVITE\r\n\r\n",
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b\r\nCSeq: 1 INVITE\r\nTo: <sip:a@b>\r\n\r\n",
        ],
    )
    def test_unmatched(self, data: bytes) -> None:
        wire = Wire()
        wire.raw(data)
        assert wire.stack.counters.dropped_unmatched == 1

    @pytest.mark.parametrize(
        "data", [b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n", b"SIP/2.0 200 OK\r\nbroken\r\n\r\n"]
    )
    def test_malformed(self, data: bytes) -> None:
        wire = Wire()
        wire.raw(data)
        assert wire.stack.counters.dropped_malformed == 1


def test_requests_follow_the_flow_or_the_target() -> None:
    """Where our requests in a call go: stream, address translation, name, route, or the target's own address."""
    cases: list[tuple[Flow, str, str, str, Flow]] = [
        (UDP, "192.0.2.1:5060", "<sip:x@192.0.2.50:5070>", "", Flow(Transport.UDP, ("192.0.2.50", 5070))),
        (
            UDP,
            "192.0.2.1:5060",
            "<sip:x@192.0.2.50;transport=tcp>",
            "",
            Flow(Transport.TCP, ("192.0.2.50", 5060)),
        ),
        (UDP, "192.0.2.1:5060", "<sip:x@192.0.2.1>", "", UDP),
        (UDP, "192.0.2.1:5060", "<sip:x@pbx.example>", "", UDP),
        (UDP, "10.0.0.5:5060", "<sip:x@10.0.0.5>", "", UDP),
        (
            UDP,
            "10.0.0.5:5060",
            "<sip:x@10.0.0.5>",
            "<sip:192.0.2.60;lr>",
            Flow(Transport.UDP, ("192.0.2.60", 5060)),
        ),
        (
            UDP,
            "192.0.2.1:5060",
            "<sip:x@10.0.0.5>",
            "<sip:[2001:db8::9]:5080;lr>",
            Flow(Transport.UDP, ("2001:db8::9", 5080)),
        ),
        (TCP, "192.0.2.1:5060", "<sip:x@192.0.2.50>", "", TCP),
    ]
    for flow, sent_by, contact, route, expected in cases:
        wire = Wire(flow=flow)
        extra = f"Record-Route: {route}\r\n" if route else ""
        via = f"SIP/2.0/{flow.transport.value} {sent_by};branch=z9hG4bKa"
        leg_id, _ = wire.in_call(contact=contact, extra=extra, via=via)
        wire.stack.bye(leg_id, wire.now)
        wire.take_request("BYE")
        assert wire.flows == [expected], (contact, route)


def test_route_sets() -> None:
    wire = Wire()
    leg_id, invite = wire.calling()
    wire.respond(invite, 200, extra="Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n")
    ack = wire.take_request("ACK")
    assert ack.headers.getall("Route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert ack.uri_text == "sip:peer@192.0.2.1:5060"
    leg_id, _ = (wire := Wire()).in_call(extra="Record-Route: <sip:p1?x=y>, <sip:p2;lr>\r\n")
    wire.stack.bye(leg_id, wire.now)
    bye = wire.take_request("BYE")
    assert bye.uri_text == "sip:p1"
    assert bye.headers.getall("Route") == ["<sip:p2;lr>", "<sip:peer@192.0.2.1:5060>"]
    assert wire.flows == [Flow(Transport.UDP, PEER)]
