"""Which way messages go: transports in URIs, TLS and `sips`, streams that calls live on."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import OURS, PEER, SDP, UDP, Wire, config
from tieline.sip.dialog import literal_flow
from tieline.sip.events import Flow, InviteReceived, Transport
from tieline.sip.framing import PING, StreamFramer
from tieline.sip.grammar import parse_uri
from tieline.sip.message import Limits

TLS = Flow(Transport.TLS, (PEER[0], 40_000), 9)
SECURE = config(advertised={Transport.UDP: OURS, Transport.TLS: (OURS[0], 5061)})


@pytest.mark.parametrize(
    ("uri", "flow"),
    [
        ("sip:a@192.0.2.9", Flow(Transport.UDP, ("192.0.2.9", 5060))),
        ("sip:a@192.0.2.9:5070;transport=TCP", Flow(Transport.TCP, ("192.0.2.9", 5070))),
        ("sip:a@192.0.2.9;transport=tls", Flow(Transport.TLS, ("192.0.2.9", 5061))),
        ("sips:a@[2001:db8::9]", Flow(Transport.TLS, ("2001:db8::9", 5061))),
        ("sips:a@192.0.2.9:5062;transport=tcp", Flow(Transport.TLS, ("192.0.2.9", 5062))),
        ("sip:a@192.0.2.9;transport=sctp", Flow(Transport.UDP, ("192.0.2.9", 5060))),
        ("sip:a@192.0.2.9;transport", Flow(Transport.UDP, ("192.0.2.9", 5060))),
        (f"sip:a@{PEER[0]}", UDP),
        ("sip:a@example.com", None),
    ],
)
def test_the_flow_to_an_address(uri: str, flow: Flow | None) -> None:
    assert literal_flow(parse_uri(uri), UDP) == flow


def test_a_peer_called_by_tls_keeps_its_name() -> None:
    called = Flow(Transport.TLS, ("192.0.2.1", 5061), None, "sip.example.com")
    assert literal_flow(parse_uri("sip:a@192.0.2.1"), called) is called
    other = Flow(Transport.TLS, ("192.0.2.9", 5061), None, "sip.example.com")
    assert literal_flow(parse_uri("sip:a@192.0.2.9"), called) == other
    assert literal_flow(parse_uri("sip:a@192.0.2.9;transport=udp"), called) == Flow(
        Transport.UDP, ("192.0.2.9", 5060)
    )


@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_called_by_tls(scheme: str) -> None:
    wire = Wire(SECURE, flow=TLS)
    wire.request("INVITE", 1, body=SDP, uri=f"{scheme}:100@192.0.2.2", contact=f"<{scheme}:p@192.0.2.1:5061>")
    leg = wire.event(InviteReceived).leg_id
    assert wire.stack.depends_on(TLS)
    wire.stack.answer(leg, SDP, wire.now)
    answer = wire.take()[-1]
    suffix = ";transport=tls" if scheme == "sip" else ""
    assert answer.headers["Contact"] == f"<{scheme}:tieline@{OURS[0]}:5061{suffix}>"
    wire.request("ACK", 1, to_tag=answer.headers["To"].rpartition("tag=")[2])
    wire.stack.bye(leg, wire.now)
    bye = wire.take_request("BYE")
    assert wire.flows == [TLS]
    assert bye.headers["Via"].startswith(f"SIP/2.0/TLS {OURS[0]}:5061;")
    wire.respond(bye, 200)
    wire.wait(64)
    assert not wire.stack.depends_on(TLS)


def test_what_waits_on_a_lost_stream_goes_to_the_port_of_its_transport() -> None:
    wire = Wire(SECURE, flow=TLS)
    wire.request("INVITE", 1, body=SDP, via="SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK-lost")
    leg = wire.event(InviteReceived).leg_id
    wire.take()
    wire.stack.connection_lost(TLS, wire.now)
    wire.stack.reject(leg, 486, wire.now)
    wire.take_response(486)
    assert wire.flows == [Flow(Transport.TLS, (PEER[0], 5061))]


class TestPongs:
    MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n"

    def test_alone(self) -> None:
        framer = StreamFramer(Limits())
        framer.expects_pong = True
        assert framer.feed(b"\r") == []
        assert not framer.midway
        assert framer.feed(b"\n") == []
        assert (framer.pongs, framer.pings, len(framer), framer.expects_pong) == (1, 0, 0, False)

    def test_before_a_message_and_within_one(self) -> None:
        framer = StreamFramer(Limits())
        framer.expects_pong = True
        assert framer.feed(b"\r\n" + self.MESSAGE[:9]) == []
        assert framer.midway
        assert framer.pongs == 1
        assert framer.feed(self.MESSAGE[9:]) == [self.MESSAGE]
        assert not framer.midway

    def test_not_expected_it_may_be_half_a_ping(self) -> None:
        framer = StreamFramer(Limits())
        assert framer.feed(b"\r\n") == []
        assert not framer.midway
        assert framer.feed(b"\r\n") == []
        assert (framer.pongs, framer.pings) == (0, 1)

    def test_after_a_ping(self) -> None:
        framer = StreamFramer(Limits())
        framer.expects_pong = True
        assert framer.feed(PING + b"\r\n") == []
        assert (framer.pongs, framer.pings) == (1, 1)
