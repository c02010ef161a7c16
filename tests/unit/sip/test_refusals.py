"""What the stack refuses or drops by itself: requests it does not serve, broken ones, strangers."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import PEER, SDP, TCP, UDP, Wire, config
from tieline.sip.bodies import ACCEPTED
from tieline.sip.config import Admission, Busy
from tieline.sip.events import (
    Flow,
    InviteReceived,
    InviteRefused,
    OptionsReceived,
    StrangerRefused,
    Transport,
)
from tieline.sip.extensions import ALLOW
from tieline.sip.message import Limits, Request, parse_message

INVITE_FROM_NOWHERE = (
    b"INVITE sip:00442012345@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK1;rport\r\n"
    b"From: <sip:100@1.1.1.1>;tag=x\r\nTo: <sip:x@y>\r\nCall-ID: scan\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


class TestInvite:
    @pytest.mark.parametrize(
        ("status", "changes"),
        [
            (420, {"extra": "Require: 100rel, precondition\r\n"}),
            (415, {"body": b"x", "kind": "application/sdp+x"}),
            (415, {"body": SDP, "extra": "Content-Encoding: gzip\r\n"}),
            (406, {"extra": "Accept: text/plain, application/json;q=1\r\n"}),
            (416, {"uri": "sips:100@192.0.2.2"}),
            (416, {"uri": "urn:service:sos"}),
            (400, {"uri": "sip:a@b:99999"}),
            (400, {"uri": "sip:100@192.0.2.2?Subject=x"}),
            (400, {"contact": None}),
            (400, {"contact": "<tel:+1>"}),
            (400, {"contact": "broken"}),
            (400, {"extra": "Record-Route: <tel:+1>\r\n"}),
            (400, {"extra": "Record-Route: broken\r\n"}),
        ],
    )
    def test_refused_once_and_told(self, status: int, changes: dict[str, object]) -> None:
        wire = Wire()
        branch = wire.request("INVITE", 1, **changes)  # type: ignore[arg-type]
        wire.request("INVITE", 1, branch=branch, **changes)  # type: ignore[arg-type]
        assert wire.statuses() == [status, status]
        event = wire.event(InviteRefused)
        assert event.status == status
        assert event.why
        assert event.request.call_id == "call@peer"
        wire.request("ACK", 1, branch=branch)
        wire.wait(64)
        assert wire.stack.is_idle()

    def test_what_refusals_name(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, extra="Require: 100rel, bar\r\nRequire: foo\r\n")
        assert wire.take_response(420).headers["Unsupported"] == "bar, foo"
        wire.request("INVITE", 2, body=SDP, extra="Content-Encoding: gzip\r\n")
        refused = wire.take_response(415)
        assert (refused.headers["Accept"], refused.headers["Accept-Encoding"]) == (
            ACCEPTED,
            "identity",
        )

    @pytest.mark.parametrize(
        "extra",
        [
            "Accept: */*\r\n",
            "Accept: application/*;q=0.5\r\n",
            "Require:\r\n",
            "Content-Encoding: Identity\r\n",
        ],
    )
    def test_harmless(self, extra: str) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, extra=extra)
        wire.event(InviteReceived)

    def test_tel_uri(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, uri="tel:+15551234")
        assert wire.event(InviteReceived).request.uri.user == "+15551234"

    def test_merged(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP)
        wire.event(InviteReceived)
        wire.request("INVITE", 1, body=SDP)
        assert wire.statuses() == [100, 482]
        assert wire.events() == []

    def test_a_refused_request_leaves_no_merge_key(self) -> None:
        wire = Wire()
        leg_id, _, branch = wire.called()
        wire.stack.reject(leg_id, 486, wire.now)
        wire.request("ACK", 1, branch=branch)
        wire.wait(64)
        wire.take()
        wire.request("INVITE", 1, body=SDP)
        wire.event(InviteReceived)

    def test_full(self) -> None:
        wire = Wire(config(max_legs=1, retry_after_s=7))
        wire.called()
        wire.request("INVITE", 1, call_id="two", body=SDP)
        assert wire.take_response(503).headers["Retry-After"] == "7"
        assert wire.event(InviteRefused).status == 503
        assert wire.stack.counters.refused_full == 1

    def test_a_peer_that_is_busy_calling(self) -> None:
        busy: list[Busy | None] = [Busy("too fast", 9)]
        wire = Wire(busy=lambda _flow: busy[0])
        branch = wire.request("INVITE", 1, body=SDP)
        first = wire.take_response(503)
        assert first.headers["Retry-After"] == "9"
        refused = wire.event(InviteRefused)
        assert (refused.status, refused.why) == (503, "too fast")
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.take_response(503).to.tag == first.to.tag
        assert wire.stack.is_idle()
        busy[0] = None
        wire.request("INVITE", 1, call_id="two", body=SDP)
        wire.take_response(100)

    def test_unknown_dialog(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, to_tag="unknown")
        assert wire.statuses() == [481]
        assert wire.events() == []


class TestMethods:
    @pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"])
    def test_known_but_not_served(self, method: str) -> None:
        wire = Wire()
        branch = wire.request(method, 1)
        first = wire.take_response(405)
        assert first.headers["Allow"] == ALLOW
        wire.request(method, 1, branch=branch)
        assert wire.take_response(405).to.tag == first.to.tag
        assert wire.stack.is_idle()

    def test_unknown(self) -> None:
        wire = Wire()
        wire.request("FROBNICATE", 1)
        assert wire.statuses() == [501]

    @pytest.mark.parametrize("method", ["BYE", "INFO"])
    def test_only_within_a_dialog(self, method: str) -> None:
        wire = Wire()
        wire.request(method, 1)
        wire.request(method, 1, to_tag="unknown")
        assert wire.statuses() == [481, 481]


class TestOptions:
    def test_answered(self) -> None:
        wire = Wire()
        branch = wire.request("OPTIONS", 1)
        first = wire.take_response(200)
        assert first.headers["Allow"].startswith("INVITE")
        assert first.headers["Accept"] == ACCEPTED
        assert wire.event(OptionsReceived) == OptionsReceived(UDP)
        wire.request("OPTIONS", 1, branch=branch)
        assert wire.take_response(200).to.tag == first.to.tag
        assert wire.events() == []

    def test_draining(self) -> None:
        wire = Wire()
        wire.stack.draining = True
        assert wire.stack.draining
        wire.request("OPTIONS", 1)
        assert wire.take_response(503).headers["Retry-After"] == "5"


class TestBroken:
    def send(self, *changes: tuple[bytes, bytes]) -> Wire:
        wire = Wire()
        data = INVITE_FROM_NOWHERE
        for old, new in changes:
            assert old in data
            data = data.replace(old, new)
        wire.raw(data)
        return wire

    def test_answered_with_what_is_wrong(self) -> None:
        reply = self.send((b"CSeq: 1 INVITE", b"CSeq: 1 BYE")).take_response(400)
        assert reply.headers["Warning"] == '399 tieline "CSeq names another method"'
        assert reply.to.tag
        assert reply.via.params["rport"] == "5060"

    def test_a_tag_is_not_doubled(self) -> None:
        wire = self.send((b"CSeq: 1", b"CSeq: x"), (b"<sip:x@y>", b"<sip:x@y> ; TAG = abc"))
        assert wire.take_response(400).to.tag == "abc"

    @pytest.mark.parametrize(
        "change",
        [
            (b"To: <sip:x@y>\r\n", b""),
            (b"Call-ID: scan\r\n", b""),
            (b"SIP/2.0/UDP 203", b"SIP/2.0/ UDP/203"),
            (b"Content-Length: 0", b"Content-Length: 5"),
        ],
    )
    def test_answered_with_what_there_is(self, change: tuple[bytes, bytes]) -> None:
        wire = self.send(change)
        assert wire.statuses() == [400]
        assert wire.flows == [UDP]
        assert wire.stack.counters.refused_malformed == 1
        event = wire.event(InviteRefused)
        assert (event.status, event.request.uri_text.partition(":")[0]) == (400, "sip")
        assert event.why

    def test_only_a_broken_invite_is_a_refused_call(self) -> None:
        wire = Wire()
        wire.request("OPTIONS", 1, extra="Max-Forwards: many\r\n")
        assert wire.statuses() == [400]
        assert wire.stack.next_event() is None

    @pytest.mark.parametrize("change", [(b"Via: ", b"X-Via: "), (b"INVITE", b"ACK")])
    def test_dropped_when_nobody_can_be_told(self, change: tuple[bytes, bytes]) -> None:
        wire = self.send(change, (b"Content-Length: 0", b"Content-Length: 5"))
        assert wire.take() == []
        assert wire.stack.counters.dropped_malformed == 1

    def test_broken_ack_is_dropped(self) -> None:
        wire = Wire()
        wire.request("ACK", 1, from_tag="x;;")
        assert wire.take() == []
        assert wire.stack.counters.dropped_malformed == 1

    def test_oversized(self) -> None:
        wire = Wire(config(limits=Limits(message_bytes=1000)))
        wire.raw(b"x" * 1001)
        assert wire.stack.counters.dropped_oversized == 1

    @pytest.mark.parametrize("data", [b"\r\n\r\n", b"\x00\x00\x00\x00", b""])
    def test_keepalives(self, data: bytes) -> None:
        wire = Wire()
        wire.raw(data)
        assert wire.take() == []
        assert wire.stack.counters.keepalives == 1

    def test_empty_lines_before_the_start_line(self) -> None:
        wire = Wire()
        wire.raw(b"\r\n\r\n" + INVITE_FROM_NOWHERE.replace(b"INVITE", b"OPTIONS"))
        assert wire.statuses() == [200]

    @pytest.mark.parametrize(
        ("head", "statuses"), [(INVITE_FROM_NOWHERE, [400]), (b"SIP/2.0 200 OK\r\n\r\n", []), (b"junk", [])]
    )
    def test_unframed(self, head: bytes, statuses: list[int]) -> None:
        wire = Wire(flow=TCP)
        wire.stack.receive_unframed(head, TCP, 0.0)
        assert wire.statuses() == statuses


class TestStrangers:
    def wire(self, admission: Admission = Admission.REFUSE, **changes: object) -> Wire:
        return Wire(config(**changes), admit=lambda _flow: admission)

    def test_known(self) -> None:
        wire = self.wire(Admission.KNOWN)
        wire.request("OPTIONS", 1)
        assert wire.statuses() == [200]
        assert wire.stack.admission(UDP) is Admission.KNOWN
        assert Wire().stack.admission(UDP) is Admission.KNOWN

    def test_dropped(self) -> None:
        wire = self.wire(Admission.DROP)
        wire.raw(INVITE_FROM_NOWHERE)
        assert wire.take() == []
        assert wire.stack.counters.dropped_stranger == 1

    def test_invite_is_refused_and_told(self) -> None:
        wire = self.wire()
        wire.raw(INVITE_FROM_NOWHERE)
        assert wire.statuses() == [403]
        assert wire.event(StrangerRefused) == StrangerRefused(
            UDP, "INVITE sip:00442012345@192.0.2.2", "scan", "<sip:100@1.1.1.1>;tag=x", "<sip:x@y>"
        )
        assert wire.stack.counters.refused_stranger == 1
        wire.wait(20)
        assert wire.events() == []

    def test_everything_else_is_dropped(self) -> None:
        wire = self.wire()
        for data in (
            INVITE_FROM_NOWHERE.replace(b"INVITE", b"OPTIONS"),
            INVITE_FROM_NOWHERE.replace(b"CSeq: 1 INVITE\r\n", b""),
            INVITE_FROM_NOWHERE.replace(b"To: <", b"To: <<"),
            b"INVITE junk",
        ):
            wire.raw(data)
        assert wire.take() == []
        assert wire.events() == []
        assert wire.stack.counters.dropped_stranger == 4

    def test_a_flood_is_answered_at_a_rate_and_told_once(self) -> None:
        wire = self.wire(stranger_refusals_per_s=5.0)
        for _ in range(50):
            wire.raw(INVITE_FROM_NOWHERE)
        assert len(wire.take()) == 5
        wire.now += 1
        wire.raw(INVITE_FROM_NOWHERE)
        assert len(wire.take()) == 1
        assert wire.event(StrangerRefused).count == 1
        wire.wait(10)
        assert wire.event(StrangerRefused).count == 51
        assert wire.stack.counters.dropped_stranger == 45

    def test_few_addresses_are_remembered(self) -> None:
        wire = self.wire(stranger_sources=2, stranger_refusals_per_s=3.0)
        for last in range(4):
            wire.raw(INVITE_FROM_NOWHERE, Flow(Transport.UDP, (f"203.0.113.{last}", 5060)))
        assert len(wire.take()) == 3
        assert len(wire.events()) == 2


def test_counters_are_a_closed_set() -> None:
    wire = Wire()
    wire.request("OPTIONS", 1)
    counted = dict(wire.stack.counters.items())
    assert counted["requests_received"] == 1
    assert counted["messages_sent"] == 1
    assert wire.stack.config.user_agent == "Tieline"


def test_what_we_send_can_be_read() -> None:
    wire = Wire()
    wire.request("OPTIONS", 1)
    for outgoing in wire.stack.outgoing():
        assert not isinstance(parse_message(outgoing.data), Request)
    assert PEER


def test_a_header_line_that_is_too_long() -> None:
    wire = Wire()
    wire.request("INVITE", 1, body=SDP, extra=f"X-Long: {'x' * 9_000}\r\n")
    assert "too long" in wire.take_response(400).headers["Warning"]
    assert wire.event(InviteRefused).why == "header line too long"
    wire.request("INVITE", 2, body=SDP, via=f"SIP/2.0/UDP h;branch=z9hG4bK1;x={'x' * 9_000}")
    assert wire.take() == []
    assert wire.stack.counters.refused_malformed == 1
    assert wire.stack.counters.dropped_malformed == 1
