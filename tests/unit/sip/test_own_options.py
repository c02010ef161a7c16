"""Requests of ours that follow the terms of whoever they are made for, whatever the address says."""

from __future__ import annotations

from tests.unit.sip.wire import SDP, UDP, Wire
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.events import OptionsCompleted, RegisterCompleted

ADDRESS = PeerOptions(credentials=Credentials("address", "a"), advertised=("by-address", 5060))
OURS = PeerOptions(credentials=Credentials("trunk", "t"), advertised=("by-trunk", 5070))
CHALLENGE = 'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"\r\n'
REGISTRAR, AOR = "sip:reg.example", "sip:trunk@reg.example"


def test_a_call() -> None:
    wire = Wire(options=ADDRESS)
    address = "<sip:us@tieline.example>"
    wire.stack.invite(UDP, "sip:desk@peer.example", address, address, SDP, wire.now, options=OURS)
    first = wire.take_request("INVITE")
    assert first.via.host == "by-trunk"
    assert "by-trunk:5070" in first.headers["Contact"]
    wire.respond(first, 401, extra=CHALLENGE, tag="x")
    again = next(each for each in wire.take() if "authorization" in each.headers)
    assert 'username="trunk"' in again.headers["Authorization"]
    assert again.via.host == "by-trunk"


def test_a_ping() -> None:
    wire = Wire(options=ADDRESS)
    number = wire.stack.options(UDP, "sip:peer.example", wire.now, OURS)
    first = wire.take_request("OPTIONS")
    assert "by-trunk:5070" in first.headers["Contact"]
    wire.respond(first, 401, extra=CHALLENGE, tag="x")
    again = wire.take_request("OPTIONS")
    assert 'username="trunk"' in again.headers["Authorization"]
    assert again.via.host == "by-trunk"
    wire.respond(again, 401, extra=CHALLENGE, tag="x")
    assert wire.event(OptionsCompleted) == OptionsCompleted(number, 401)


def test_a_registration_until_it_is_taken_back() -> None:
    wire = Wire(options=ADDRESS)
    number = wire.stack.register(UDP, REGISTRAR, AOR, "trunk", 300, wire.now, OURS)
    first = wire.take_request("REGISTER")
    assert "by-trunk:5070" in first.headers["Contact"]
    wire.respond(first, 401, extra=CHALLENGE, tag="x")
    again = wire.take_request("REGISTER")
    assert 'username="trunk"' in again.headers["Authorization"]
    wire.respond(again, 200, tag="x")
    assert wire.event(RegisterCompleted).register_id == number
    wire.stack.register(UDP, REGISTRAR, AOR, "trunk", 0, wire.now, OURS)
    assert 'username="trunk"' in wire.take_request("REGISTER").headers["Authorization"]


def test_the_address_decides_where_nobody_says() -> None:
    wire = Wire(options=ADDRESS)
    wire.stack.options(UDP, "sip:peer.example", wire.now)
    assert "by-address" in wire.take_request("OPTIONS").headers["Contact"]
    wire.stack.register(UDP, REGISTRAR, AOR, "trunk", 300, wire.now)
    assert "by-address" in wire.take_request("REGISTER").headers["Contact"]
