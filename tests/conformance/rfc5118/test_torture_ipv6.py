"""Every message of RFC 5118 against a user agent with an IPv6 address."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tieline.sdp.description import SdpError
from tieline.sdp.negotiation import LocalMedia, answer
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, InviteReceived, Transport
from tieline.sip.grammar import parse_uri, parse_via
from tieline.sip.message import Request, Response, parse_message
from tieline.testing.loopback import Loopback

HERE = Path(__file__).parent
MESSAGES = HERE / "messages"
FLOW = Flow(Transport.UDP, ("2001:db8::9:1", 5060))
LOCAL = LocalMedia(address="2001:db8::10", port=20000, session_id=1)


class Expected(NamedTuple):
    name: str
    section: str
    outcome: str
    why: str


TABLE = [
    Expected(*line.split("\t"))
    for line in (HERE / "expected.tsv").read_text().splitlines()
    if not line.startswith("#")
]


def read(name: str) -> bytes:
    return (MESSAGES / f"{name}.dat").read_bytes()


def request(name: str) -> Request:
    message = parse_message(read(name))
    assert isinstance(message, Request)
    return message


def test_every_message_has_an_expectation_and_a_reason() -> None:
    assert {row.name for row in TABLE} == {path.stem for path in MESSAGES.glob("*.dat")}
    assert len(TABLE) == 12
    assert all(row.why for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_outcome(row: Expected) -> None:
    network = Loopback()
    stack = network.add("2001:db8::10").stack
    stack.receive(read(row.name), FLOW, 0.0)
    (reply,) = [parse_message(outgoing.data) for outgoing in stack.outgoing()]
    assert isinstance(reply, Response)
    event = stack.next_event()
    if row.outcome == "accepted":
        assert reply.status == 100
        assert isinstance(event, InviteReceived)
        stack.reject(event.leg_id, 486, 0.0)
    else:
        assert reply.status == int(row.outcome)
    network.run_for(100.0)
    assert stack.is_idle()


def test_an_address_and_a_port_are_told_apart() -> None:
    ambiguous, unambiguous = request("port-ambiguous").uri, request("port-unambiguous").uri
    assert (ambiguous.host, ambiguous.port) == ("[2001:db8::10:5070]", None)
    assert (unambiguous.host, unambiguous.port) == ("[2001:db8::10]", 5070)


def test_received_is_read_in_both_forms() -> None:
    assert request("via-received-param-with-delim").via.params["received"] == "[2001:db8::9:255]"
    assert request("via-received-param-no-delim").via.params["received"] == "2001:db8::9:255"


def test_via_lines_of_both_families_are_read() -> None:
    hosts = [parse_via(value).host for value in request("mult-ip-in-header").headers.getall("via")]
    assert hosts == ["[2001:db8::9:1]", "192.0.2.1", "[2001:db8::9:255]"]


def test_the_stream_whose_codec_we_have_is_taken_whatever_the_family_of_the_others() -> None:
    body = request("mult-ip-in-sdp").body
    local = LocalMedia(address="192.0.2.10", port=20000, session_id=1)
    assert answer(body, local).media.remote == ("192.0.2.1", 22334)
    with pytest.raises(SdpError, match="cannot be reached"):
        answer(body, LOCAL)


@pytest.mark.parametrize("name", ["ipv6-in-sdp", "ipv4-mapped-ipv6"])
def test_an_offer_without_our_codecs_is_refused_for_that_alone(name: str) -> None:
    with pytest.raises(SdpError, match="neither PCMU nor PCMA"):
        answer(request(name).body, LOCAL)


@pytest.mark.parametrize("host", ["2001:db8:::192.0.2.1", "::ffff:192.0.2.256", "1:2:3:4:5:6:7:8:9", ":", ""])
def test_what_is_no_ipv6_address_is_no_host(host: str) -> None:
    with pytest.raises(MessageMalformed):
        parse_uri(f"sip:[{host}]")
