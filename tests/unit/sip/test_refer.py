"""REFER: ours with its NOTIFYs in every shape and order, and the peer's, which is declined."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import Wire
from tieline.sip.errors import HeaderRefused, UnknownLeg, WrongArgument, WrongState
from tieline.sip.events import (
    ByeCompleted,
    ByeReceived,
    LegFailed,
    LegFailure,
    NotifyReceived,
    ReferCompleted,
    ReferReceived,
    Transport,
)
from tieline.sip.message import Request
from tieline.testing.loopback import Loopback, Weather

TARGET = "<sip:+15551234567@cc.example.com;user=phone>"
SIPFRAG = "message/sipfrag;version=2.0"
OK = b"SIP/2.0 200 OK\r\n"
EVENT = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n"


def referring(wire: Wire, refer_to: str = TARGET) -> tuple[int, str, Request]:
    leg_id, tag = wire.in_call()
    wire.stack.refer(leg_id, refer_to, wire.now)
    return leg_id, tag, wire.take_request("REFER")


def referred(wire: Wire) -> tuple[int, str]:
    leg_id, tag, refer = referring(wire)
    wire.respond(refer, 202)
    assert wire.event(ReferCompleted).status == 202
    return leg_id, tag


def notify(
    wire: Wire, tag: str, body: bytes = OK, extra: str = EVENT, kind: str = SIPFRAG, cseq: int = 2
) -> None:
    wire.request("NOTIFY", cseq, to_tag=tag, body=body, extra=extra, kind=kind)


class TestRefer:
    @pytest.mark.parametrize(
        "refer_to",
        [
            TARGET,
            "tel:+15551234567",
            "sip:100@cc.example.com",
            '"The Desk" <sip:100@cc.example.com;transport=tcp>;method=INVITE',
            "<sip:+1555@cc.example.com?User-to-User=4A6F%3Bencoding%3Dhex&X-Lead=aB>",
            "sip:+1555@cc.example.com?User-to-User=4A6F%3Bencoding%3Dhex",
        ],
    )
    def test_refer_to_is_sent_as_it_is(self, refer_to: str) -> None:
        wire = Wire()
        leg_id, tag, refer = referring(wire, refer_to)
        assert refer.headers.getall("Refer-To") == [refer_to]
        assert refer.headers["Contact"].startswith("<sip:tieline@")
        assert refer.to.tag == "theirs"
        assert refer.from_.tag == tag
        assert "Referred-By" not in refer.headers
        assert "Refer-Sub" not in refer.headers
        wire.respond(refer, 202)
        assert wire.event(ReferCompleted) == ReferCompleted(leg_id, 202, "Whatever")

    def test_headers_and_referred_by(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        headers = [("X-Lead", "aB"), ("User-to-User", "4A;encoding=hex")]
        wire.stack.refer(leg_id, TARGET, wire.now, headers, "<sip:agent@tieline.example>")
        refer = wire.take_request("REFER")
        assert refer.headers["X-Lead"] == "aB"
        assert refer.headers["User-to-User"] == "4A;encoding=hex"
        assert refer.headers["Referred-By"] == "<sip:agent@tieline.example>"

    @pytest.mark.parametrize("last", ["<sip:p3.example;lr>", "<sip:192.0.2.7;lr>"])
    def test_many_hops(self, last: str) -> None:
        wire = Wire()
        routes = [f"<sip:p{each}.example;lr>" for each in (1, 2)]
        leg_id, _ = wire.in_call(extra=f"Record-Route: {last}, {routes[0]}\r\nRecord-Route: {routes[1]}\r\n")
        wire.stack.refer(leg_id, TARGET, wire.now)
        refer = wire.take_request("REFER")
        assert refer.uri_text == "sip:peer@192.0.2.1:5060"
        assert refer.headers.getall("Route") == [last, *routes]

    @pytest.mark.parametrize(
        "refer_to", ["", "nobody", "<sip:a@b", "<sip:a@b> x", "sip:%zz@b", "<nobody>", "sip:a@b, sip:c@d"]
    )
    def test_no_address(self, refer_to: str) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        with pytest.raises(WrongArgument, match="Refer-To"):
            wire.stack.refer(leg_id, refer_to, wire.now)
        assert wire.take() == []

    @pytest.mark.parametrize("evil", ["\r\n", "\n", "\x00"])
    def test_nothing_breaks_the_message(self, evil: str) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        with pytest.raises(HeaderRefused):
            wire.stack.refer(leg_id, f"{TARGET};x={evil}y", wire.now)
        with pytest.raises(HeaderRefused):
            wire.stack.refer(leg_id, TARGET, wire.now, [("X-A", evil)])
        with pytest.raises(HeaderRefused):
            wire.stack.refer(leg_id, TARGET, wire.now, (), f"<sip:a@b>{evil}")
        assert wire.take() == []
        wire.stack.refer(leg_id, TARGET, wire.now)

    def test_other_arguments(self) -> None:
        wire = Wire()
        leg_id, _ = wire.in_call()
        with pytest.raises(WrongArgument, match="Referred-By"):
            wire.stack.refer(leg_id, TARGET, wire.now, (), "nobody")
        for name in ("Refer-To", "r", "Referred-By", "b", "Refer-Sub", "Event", "via"):
            with pytest.raises(HeaderRefused):
                wire.stack.refer(leg_id, TARGET, wire.now, [(name, "x")])
        with pytest.raises(UnknownLeg):
            wire.stack.refer(77, TARGET, wire.now)

    def test_one_at_a_time(self) -> None:
        wire = Wire()
        leg_id, _, refer = referring(wire)
        with pytest.raises(WrongState, match="REFER under way"):
            wire.stack.refer(leg_id, TARGET, wire.now)
        wire.respond(refer, 603)
        assert wire.event(ReferCompleted).status == 603
        wire.stack.refer(leg_id, TARGET, wire.now)
        wire.stack.bye(leg_id, wire.now)
        with pytest.raises(WrongState):
            wire.stack.refer(leg_id, TARGET, wire.now)

    def test_only_in_a_confirmed_call(self) -> None:
        wire = Wire()
        leg_id, _, _ = wire.called()
        with pytest.raises(WrongState):
            wire.stack.refer(leg_id, TARGET, wire.now)

    @pytest.mark.parametrize("status", [403, 405, 408, 501, 603])
    def test_refused(self, status: int) -> None:
        wire = Wire()
        leg_id, _, refer = referring(wire)
        wire.respond(refer, status)
        assert wire.event(ReferCompleted) == ReferCompleted(leg_id, status, "Whatever")
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_silence_leaves_the_call_up(self) -> None:
        wire = Wire()
        leg_id, _, _ = referring(wire)
        wire.wait(33)
        assert wire.event(ReferCompleted) == ReferCompleted(leg_id, 408)
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_a_peer_that_knows_no_dialog(self) -> None:
        wire = Wire()
        leg_id, _, refer = referring(wire)
        wire.respond(refer, 481)
        assert wire.events() == [
            ReferCompleted(leg_id, 481, "Whatever"), LegFailed(leg_id, LegFailure.PEER_GONE),
        ]  # fmt: skip

    def test_broken_transport(self) -> None:
        wire = Wire()
        leg_id, _, _ = referring(wire)
        wire.stack.connection_lost(wire.flow, wire.now)
        assert wire.events() == [
            ReferCompleted(leg_id, 503), LegFailed(leg_id, LegFailure.TRANSPORT_FAILED),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("status", "value", "silent"),
        [(202, "false", True), (200, " FALSE ;x=y", True), (202, "true", False), (405, "false", False)],
    )
    def test_no_subscription(self, status: int, value: str, silent: bool) -> None:
        wire = Wire()
        _, _, refer = referring(wire)
        wire.respond(refer, status, extra=f"Refer-Sub: {value}\r\n")
        assert wire.event(ReferCompleted).no_subscription is silent


class TestNotify:
    @pytest.mark.parametrize(
        ("extra", "subscription"),
        [
            ("", None),
            ("Event: refer\r\nSubscription-State: Active;expires=60\r\n", "active"),
            ("o: Refer;id=93809823\r\nSubscription-State: pending\r\n", "pending"),
            ("Event: refer ; id = no-number\r\nSubscription-State:\r\n", None),
            ("Event: refer;id=1\u0661\r\n", None),
            ("Subscription-State: terminated;reason=noresource\r\n", "terminated"),
        ],
    )
    def test_headers(self, extra: str, subscription: str | None) -> None:
        wire = Wire()
        leg_id, tag = referred(wire)
        notify(wire, tag, OK, extra)
        assert wire.statuses() == [200]
        assert wire.event(NotifyReceived) == NotifyReceived(leg_id, 200, "OK", subscription, OK)

    @pytest.mark.parametrize(
        ("body", "kind", "status", "phrase"),
        [
            (b"", SIPFRAG, None, ""),
            (b"SIP/2.0 100 Trying", SIPFRAG, 100, "Trying"),
            (b"SIP/2.0 180 Ringing\r\n", "message/sipfrag", 180, "Ringing"),
            (b"SIP/2.0 183 Progress\r\nContact: <sip:a@b>\r\nServer: x\r\n\r\n", SIPFRAG, 183, "Progress"),
            (b"\r\nsip/2.0 486\tBusy Here\r\n", "Message/SIPfrag", 486, "Busy Here"),
            (b"SIP/2.0 603\r\n", "message/sip", 603, ""),
            (b"SIP/2.0 404 Not\x00 F\xff\x1bund\n", SIPFRAG, 404, "Not F\ufffdund"),
            (b"SIP/2.0 200" + b" long" * 99, SIPFRAG, 200, ("long" + " long" * 99)[:256]),
            (b"SIP/2.0 2000 OK", SIPFRAG, None, ""),
            (b"SIP/2.0 099 OK", SIPFRAG, None, ""),
            (b"Contact: <sip:a@b>\r\n", SIPFRAG, None, ""),
            (b"SIP/2.0 200 OK", "text/plain", None, ""),
        ],
    )  # fmt: skip
    def test_bodies(self, body: bytes, kind: str, status: int | None, phrase: str) -> None:
        wire = Wire()
        leg_id, tag = referred(wire)
        notify(wire, tag, body, EVENT, kind)
        assert wire.statuses() == [200]
        assert wire.event(NotifyReceived) == NotifyReceived(leg_id, status, phrase, "terminated", body)

    def test_without_a_content_type(self) -> None:
        wire = Wire()
        _, tag = referred(wire)
        head = (
            "NOTIFY sip:x@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
            f"From: <sip:peer@192.0.2.1>;tag=theirs\r\nTo: <sip:a@b>;tag={tag}\r\nCall-ID: call@peer\r\n"
            "CSeq: 2 NOTIFY\r\n\r\n"
        )
        wire.raw(head.encode() + OK)
        assert wire.event(NotifyReceived).status == 200

    def test_several(self) -> None:
        wire = Wire()
        _, tag = referred(wire)
        for cseq, line in enumerate((b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing", OK), 2):
            notify(wire, tag, line, cseq=cseq)
        assert [event.status for event in wire.events() if isinstance(event, NotifyReceived)] == [
            100,
            180,
            200,
        ]
        assert wire.statuses() == [200, 200, 200]

    def test_before_the_202(self) -> None:
        wire = Wire()
        leg_id, tag, refer = referring(wire)
        notify(wire, tag)
        wire.respond(refer, 202)
        assert [type(event) for event in wire.events()] == [NotifyReceived, ReferCompleted]
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_after_our_bye(self) -> None:
        wire = Wire()
        leg_id, tag = referred(wire)
        wire.stack.bye(leg_id, wire.now)
        bye = wire.take_request("BYE")
        notify(wire, tag, b"SIP/2.0 100 Trying")
        assert wire.event(NotifyReceived).status == 100
        wire.respond(bye, 200)
        wire.event(ByeCompleted)
        wire.stack.forget(leg_id)
        wire.wait(31)
        wire.take()
        notify(wire, tag, cseq=3)
        assert wire.event(NotifyReceived) == NotifyReceived(leg_id, 200, "OK", "terminated", OK)
        assert wire.statuses() == [200]
        wire.wait(2)
        notify(wire, tag, cseq=4)
        assert wire.events() == []
        assert wire.statuses() == [481]
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_after_their_bye(self) -> None:
        wire = Wire()
        leg_id, tag = referred(wire)
        wire.request("BYE", 2, to_tag=tag)
        wire.event(ByeReceived)
        notify(wire, tag, cseq=3)
        assert wire.event(NotifyReceived).leg_id == leg_id
        wire.request("INFO", 4, to_tag=tag)
        assert wire.statuses() == [200, 200, 481]

    def test_out_of_order(self) -> None:
        wire = Wire()
        _, tag = referred(wire)
        notify(wire, tag, cseq=3)
        notify(wire, tag, cseq=2)
        assert wire.statuses() == [200, 500]

    def test_of_a_former_refer(self) -> None:
        wire = Wire()
        leg_id, tag, first = referring(wire)
        wire.respond(first, 202)
        notify(wire, tag, b"SIP/2.0 486 Busy Here", f"Event: refer;id={first.cseq[0]}\r\n")
        wire.stack.refer(leg_id, TARGET, wire.now)
        wire.events()
        wire.take()
        notify(wire, tag, b"SIP/2.0 200 OK", f"Event: refer;x;id={first.cseq[0]}\r\n", cseq=3)
        assert wire.statuses() == [200]
        assert wire.events() == []
        notify(wire, tag, OK, f"Event: refer;id={first.cseq[0] + 1}\r\n", cseq=4)
        assert wire.event(NotifyReceived).status == 200

    def test_without_a_refer(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        notify(wire, tag)
        notify(wire, tag, extra="", cseq=3)
        notify(wire, "unknown")
        wire.request("NOTIFY", 1)
        wire.request("NOTIFY", 1, extra=EVENT, call_id="other")
        assert wire.statuses() == [481] * 5
        assert wire.events() == []

    def test_other_events(self) -> None:
        wire = Wire()
        _, tag = wire.in_call()
        notify(wire, tag, extra="Event: message-summary\r\n")
        assert wire.take_response(489).headers["Allow-Events"] == "refer"
        wire.request("NOTIFY", 1, extra="Event: presence\r\n")
        response = wire.take_response(489)
        assert response.phrase == "Bad Event"
        assert response.headers["Allow-Events"] == "refer"
        assert wire.events() == []

    def test_before_the_ack(self) -> None:
        wire = Wire()
        leg_id, tag, _ = wire.called()
        notify(wire, tag)
        wire.stack.answer(leg_id, b"sdp", wire.now)
        notify(wire, tag, cseq=3)
        assert wire.statuses() == [481, 200, 481]

    def test_repeated(self) -> None:
        wire = Wire()
        _, tag = referred(wire)
        branch = wire.request("NOTIFY", 2, to_tag=tag, body=OK, extra=EVENT, kind=SIPFRAG)
        wire.request("NOTIFY", 2, to_tag=tag, body=OK, extra=EVENT, kind=SIPFRAG, branch=branch)
        assert wire.statuses() == [200, 200]
        wire.event(NotifyReceived)


class TestTheirRefer:
    def test_declined_in_a_call(self) -> None:
        wire = Wire()
        leg_id, tag = wire.in_call()
        wire.request("REFER", 2, to_tag=tag, extra="Refer-To: <sip:elsewhere@example.com>\r\n")
        assert wire.take_response(603).phrase == "Decline"
        assert wire.event(ReferReceived) == ReferReceived(leg_id, "<sip:elsewhere@example.com>")
        wire.request("REFER", 3, to_tag=tag)
        assert wire.event(ReferReceived) == ReferReceived(leg_id, "")
        assert wire.stack.leg(leg_id).state == "confirmed"

    def test_declined_outside(self) -> None:
        wire = Wire()
        wire.request("REFER", 1, extra="Refer-To: <sip:elsewhere@example.com>\r\n")
        wire.request("REFER", 1, to_tag="unknown", extra="Refer-To: <sip:elsewhere@example.com>\r\n")
        assert wire.statuses() == [603, 481]
        assert wire.events() == []


@pytest.mark.parametrize("seed", range(8))
def test_over_a_bad_network(seed: int) -> None:
    network = Loopback(seed, Weather(loss=0.3, duplication=0.3, max_delay=0.2))
    one, other = network.add("192.0.2.1"), network.add("192.0.2.2")
    leg_id = one.stack.invite(
        network.flow(one, other, Transport.UDP),
        "sip:x@192.0.2.2",
        "<sip:a@b>",
        "<sip:x@192.0.2.2>",
        b"o",
        0.0,
    )
    network.run_for(8)
    other.stack.answer(other.stack.leg_ids()[0], b"a", network.now)
    network.run_for(20)
    network.take(one)
    network.take(other)
    one.stack.refer(leg_id, TARGET, network.now)
    network.run_for(31)
    told = network.take(one)
    assert told in ([ReferCompleted(leg_id, 603, "Decline")], [ReferCompleted(leg_id, 408)])
    assert len([event for event in network.take(other) if isinstance(event, ReferReceived)]) == 1
