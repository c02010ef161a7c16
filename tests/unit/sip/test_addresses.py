"""Who we say we are, and where our requests go: per peer, per transport, in both address families."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import OURS, PEER, SDP, UDP, Wire, config
from tieline.sip.config import PeerOptions
from tieline.sip.dialog import literal_flow
from tieline.sip.events import Flow, Transport
from tieline.sip.grammar import parse_uri

TLS = Flow(Transport.TLS, ("192.0.2.1", 5061), 9, "sbc.example")
OUTSIDE = PeerOptions(advertised=("203.0.113.9", 5070))
SECURE = "sip:100@192.0.2.2"


def tls_wire(**changes: object) -> Wire:
    return Wire(config(advertised={Transport.UDP: OURS, Transport.TLS: ("192.0.2.2", 5061)}, **changes), TLS)


class TestAdvertised:
    def test_the_stacks_own_address(self) -> None:
        wire = Wire()
        _, invite = wire.calling()
        assert invite.via.sent_by == "192.0.2.2:5060"
        assert invite.headers["Contact"] == "<sip:tieline@192.0.2.2:5060>"

    def test_the_peers_own_setting_goes_first_everywhere(self) -> None:
        wire = Wire(options=OUTSIDE)
        contact = "<sip:tieline@203.0.113.9:5070>"
        leg_id, invite = wire.calling()
        assert (invite.via.sent_by, invite.headers["Contact"]) == ("203.0.113.9:5070", contact)
        wire.respond(invite, 200, body=SDP)
        assert wire.take_request("ACK").via.sent_by == "203.0.113.9:5070"
        wire.stack.bye(leg_id, wire.now)
        assert wire.take_request("BYE").via.sent_by == "203.0.113.9:5070"
        wire.stack.options(UDP, "sip:192.0.2.1", wire.now)
        ping = wire.take_request("OPTIONS")
        assert (ping.via.sent_by, ping.headers["Contact"]) == ("203.0.113.9:5070", contact)

    def test_answers_bear_it_too(self) -> None:
        wire = Wire(options=OUTSIDE)
        leg_id, _, _ = wire.called()
        wire.stack.ring(leg_id, wire.now)
        assert wire.take_response(180).headers["Contact"] == "<sip:tieline@203.0.113.9:5070>"
        wire.stack.answer(leg_id, SDP, wire.now)
        assert wire.take_response(200).headers["Contact"] == "<sip:tieline@203.0.113.9:5070>"
        wire.request("OPTIONS", 9, call_id="ping")
        assert wire.take_response(200).headers["Contact"] == "<sip:tieline@203.0.113.9:5070>"

    def test_ipv6_stands_in_brackets(self) -> None:
        wire = Wire(options=PeerOptions(advertised=("2001:db8::9", 5060)))
        _, invite = wire.calling()
        assert invite.via.sent_by == "[2001:db8::9]:5060"
        assert invite.headers["Contact"] == "<sip:tieline@[2001:db8::9]:5060>"

    def test_a_transport_without_an_address_borrows_the_host(self) -> None:
        wire = Wire(flow=Flow(Transport.TLS, ("192.0.2.1", 5061), None, "sbc.example"))
        _, invite = wire.calling()
        assert invite.headers["Via"].startswith("SIP/2.0/TLS 192.0.2.2:5061;")
        assert invite.headers["Contact"] == "<sip:tieline@192.0.2.2:5061;transport=tls>"


class TestTls:
    def test_a_call_to_us(self) -> None:
        wire = tls_wire()
        leg_id, tag = wire.in_call(contact="<sip:peer@192.0.2.1:5061;transport=tls>")
        wire.stack.bye(leg_id, wire.now)
        bye = wire.take_request("BYE")
        assert wire.flows == [TLS]
        assert bye.headers["Via"].startswith("SIP/2.0/TLS 192.0.2.2:5061;")
        assert tag

    @pytest.mark.parametrize(
        ("uri", "contact", "extra", "ours"),
        [
            ("sips:100@192.0.2.2", "<sip:peer@192.0.2.1>", "", "<sips:tieline@192.0.2.2:5061>"),
            (SECURE, "<sips:peer@192.0.2.1>", "", "<sips:tieline@192.0.2.2:5061>"),
            (SECURE, "<sips:peer@192.0.2.1>", "Record-Route: <sip:p1;lr>\r\n", None),
            (SECURE, "<sip:peer@192.0.2.1>", "Record-Route: <sips:p1;lr>\r\n", "<sips:tieline@192.0.2.2:5061>"),
            (SECURE, "<sip:peer@192.0.2.1>", "", None),
        ],
    )  # fmt: skip
    def test_contact_is_sips_where_the_request_is(
        self, uri: str, contact: str, extra: str, ours: str | None
    ) -> None:
        wire = tls_wire()
        leg_id, _, _ = wire.called(uri=uri, contact=contact, extra=extra)
        wire.stack.answer(leg_id, SDP, wire.now)
        found = wire.take_response(200).headers["Contact"]
        assert found == (ours or "<sip:tieline@192.0.2.2:5061;transport=tls>")

    def test_sips_without_tls_is_refused(self) -> None:
        wire = Wire()
        wire.request("INVITE", 1, body=SDP, uri="sips:100@192.0.2.2")
        assert wire.statuses() == [416]

    def test_a_sips_call_of_ours(self) -> None:
        wire = tls_wire()
        wire.stack.invite(
            TLS, "sips:200@192.0.2.1", "<sip:me@192.0.2.2>", "<sip:200@192.0.2.1>", SDP, wire.now
        )
        assert wire.take_request("INVITE").headers["Contact"] == "<sips:tieline@192.0.2.2:5061>"

    def test_a_lost_connection_is_opened_anew_to_the_same_name(self) -> None:
        wire = tls_wire()
        leg_id, _ = wire.in_call(contact="<sip:peer@192.0.2.1:5061;transport=tls>")
        wire.stack.connection_lost(TLS, wire.now)
        wire.stack.bye(leg_id, wire.now)
        wire.take_request("BYE")
        assert wire.flows == [Flow(Transport.TLS, ("192.0.2.1", 5061), None, "sbc.example")]


@pytest.mark.parametrize(
    ("uri", "flow"),
    [
        ("sip:a@192.0.2.1", UDP),
        ("sip:a@192.0.2.9", Flow(Transport.UDP, ("192.0.2.9", 5060))),
        ("sip:a@192.0.2.1;transport=tcp", Flow(Transport.TCP, PEER)),
        ("sip:a@192.0.2.1;transport=TLS", Flow(Transport.TLS, ("192.0.2.1", 5061))),
        ("sips:a@192.0.2.1;transport=tcp", Flow(Transport.TLS, ("192.0.2.1", 5061))),
        ("sips:a@192.0.2.1:5099", Flow(Transport.TLS, ("192.0.2.1", 5099))),
        ("sip:a@192.0.2.1;transport=sctp", UDP),
        ("sip:a@[2001:db8::1]:5080", Flow(Transport.UDP, ("2001:db8::1", 5080))),
        ("sip:a@sbc.example", None),
    ],
)
def test_the_flow_to_an_address(uri: str, flow: Flow | None) -> None:
    assert literal_flow(parse_uri(uri), UDP) == flow
