"""REGISTER of ours: what is granted, refreshed, challenged, too short, or refused."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import UDP, Wire
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.digest import read_schemes
from tieline.sip.errors import HeaderRefused, RegisterPending, WrongArgument
from tieline.sip.events import Flow, RegisterCompleted, Transport
from tieline.sip.message import Request

REGISTRAR = "sip:reg.example.com"
AOR = "sip:desk@example.com"
OURS = "<sip:desk@192.0.2.2:5060>"
CHALLENGE = 'WWW-Authenticate: Digest realm="reg", nonce="n1", algorithm=MD5, qop="auth"\r\n'


def register(wire: Wire, expires_s: int = 300, flow: Flow = UDP) -> tuple[int, Request]:
    register_id = wire.stack.register(flow, REGISTRAR, AOR, "desk", expires_s, wire.now)
    return register_id, wire.take_request("REGISTER")


def secured() -> Wire:
    return Wire(options=PeerOptions(credentials=Credentials("desk", "s3cret")))


def test_shape() -> None:
    wire = Wire()
    register_id, request = register(wire)
    assert request.uri_text == REGISTRAR
    assert request.to.uri_text == request.from_.uri_text == AOR
    assert request.to.tag is None
    assert request.headers["Contact"] == OURS
    assert request.headers["Expires"] == "300"
    assert request.headers["CSeq"] == "1 REGISTER"
    assert "Authorization" not in request.headers
    wire.respond(request, 200, contact=f"{OURS};expires=240")
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 200, "Whatever", 240)


@pytest.mark.parametrize(
    ("lines", "granted_s"),
    [
        (f"Contact: <sip:other@192.0.2.9>;expires=9, {OURS};expires=60\r\nExpires: 3600\r\n", 60),
        (f"Contact: {OURS}\r\nExpires: 3600\r\n", 3600),
        (f"Contact: {OURS};expires=soon\r\nExpires: later\r\n", 300),
        ("m: <sip:desk@198.51.100.7:31337>;expires=45\r\n", 45),
        ("Contact: <sip:a@192.0.2.8>;expires=1, <sip:b@192.0.2.9>;expires=2\r\nExpires: 77\r\n", 77),
        (f"Contact: ;;;\r\nContact: <tel:+1>, <sip:%zz>;expires=8\r\nContact: {OURS};expires=70\r\n", 70),
        ("Contact: *\r\n", 300),
        ("", 300),
    ],
)
def test_granted(lines: str, granted_s: int) -> None:
    wire = Wire()
    _, request = register(wire)
    wire.respond(request, 200, contact=None, extra=lines)
    assert wire.event(RegisterCompleted).expires_s == granted_s


def test_refresh_and_take_back() -> None:
    wire = Wire()
    register_id, first = register(wire)
    wire.respond(first, 200)
    again_id, second = register(wire)
    assert again_id == register_id
    assert second.call_id == first.call_id
    assert second.from_.tag == first.from_.tag
    assert second.headers["CSeq"] == "2 REGISTER"
    wire.respond(second, 200)
    _, last = register(wire, 0)
    assert last.headers["Expires"] == "0"
    wire.respond(last, 200, contact="<sip:other@192.0.2.9>;expires=500")
    assert wire.events()[-1] == RegisterCompleted(register_id, 200, "Whatever", 0)
    anew_id, anew = register(wire)
    assert anew_id != register_id
    assert anew.call_id != first.call_id


def test_what_could_not_be_taken_back_stays() -> None:
    wire = Wire()
    register_id, first = register(wire)
    wire.respond(first, 200)
    _, last = register(wire, 0)
    wire.respond(last, 500)
    assert wire.events()[-1] == RegisterCompleted(register_id, 500, "Whatever", None)
    assert register(wire, 0)[0] == register_id


def test_one_at_a_time() -> None:
    wire = Wire()
    register_id, request = register(wire)
    with pytest.raises(RegisterPending) as raised:
        register(wire)
    assert raised.value.register_id == register_id
    other = wire.stack.register(UDP, REGISTRAR, AOR, "second", 60, wire.now)
    assert other != register_id
    wire.respond(request, 403)
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 403, "Whatever", None)
    wire.take()
    register(wire)


def test_challenged() -> None:
    wire = secured()
    register_id, first = register(wire)
    wire.respond(first, 401, extra=CHALLENGE)
    second = wire.take_request("REGISTER")
    assert second.headers["CSeq"] == "2 REGISTER"
    assert second.call_id == first.call_id
    wire.respond(second, 200, contact=f"{OURS};expires=100")
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 200, "Whatever", 100)
    _, third = register(wire)
    assert third.headers["CSeq"] == "3 REGISTER"
    [(_, params)] = read_schemes(third.headers["Authorization"])
    assert (params["nonce"], params["nc"]) == ("n1", "00000002")


def test_wrong_credentials() -> None:
    wire = secured()
    register_id, first = register(wire)
    wire.respond(first, 401, extra=CHALLENGE)
    wire.respond(wire.take_request("REGISTER"), 401, extra=CHALLENGE)
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 401, "Whatever", None)


def test_silence_after_a_challenge_keeps_the_count() -> None:
    wire = secured()
    register_id, first = register(wire)
    wire.respond(first, 401, extra=CHALLENGE)
    wire.take()
    wire.wait(33)
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 408)
    wire.take()
    assert register(wire)[1].headers["CSeq"] == "3 REGISTER"


def test_broken_transport_and_another_way() -> None:
    wire = Wire()
    register_id, _ = register(wire)
    wire.stack.connection_lost(UDP, wire.now)
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 503)
    elsewhere = Flow(Transport.TCP, ("192.0.2.3", 5060))
    again_id, request = register(wire, flow=elsewhere)
    assert again_id == register_id
    assert wire.flows == [elsewhere]
    assert request.headers["Contact"] == "<sip:desk@192.0.2.2:5060;transport=tcp>"


def test_secure() -> None:
    wire = Wire()
    flow = Flow(Transport.TLS, ("192.0.2.3", 5061), 4, "reg.example.com")
    wire.stack.register(flow, "sips:reg.example.com", "sips:desk@example.com", "desk", 60, wire.now)
    assert wire.take_request("REGISTER").headers["Contact"].startswith("<sips:desk@192.0.2.2")


def test_too_brief() -> None:
    wire = Wire()
    register_id, first = register(wire)
    wire.respond(first, 423, extra="Min-Expires: 900\r\n")
    second = wire.take_request("REGISTER")
    assert (second.headers["Expires"], second.headers["CSeq"]) == ("900", "2 REGISTER")
    wire.respond(second, 200)
    assert wire.event(RegisterCompleted) == RegisterCompleted(register_id, 200, "Whatever", 900)
    assert register(wire)[1].headers["Expires"] == "900"


@pytest.mark.parametrize("line", ["", "Min-Expires: 300\r\n", "Min-Expires: long\r\n"])
def test_too_brief_without_a_better_time(line: str) -> None:
    wire = Wire()
    _, first = register(wire)
    wire.respond(first, 423, extra=line)
    assert wire.event(RegisterCompleted).status == 423


def test_too_brief_twice() -> None:
    wire = Wire()
    _, first = register(wire)
    wire.respond(first, 423, extra="Min-Expires: 900\r\n")
    wire.respond(wire.take_request("REGISTER"), 423, extra="Min-Expires: 1800\r\n")
    assert wire.event(RegisterCompleted).status == 423
    assert wire.take() == []


@pytest.mark.parametrize(
    ("registrar", "aor", "user", "expires_s"),
    [
        ("reg", AOR, "desk", 60),
        ("tel:+1", AOR, "desk", 60),
        ("sip:reg?x=y", AOR, "desk", 60),
        (REGISTRAR, "<sip:a@b>", "desk", 60),
        (REGISTRAR, AOR, "a@b", 60),
        (REGISTRAR, AOR, "", 60),
        (REGISTRAR, AOR, "desk", -1),
        (REGISTRAR, AOR, "desk", 2**31),
    ],
)
def test_wrong_arguments(registrar: str, aor: str, user: str, expires_s: int) -> None:
    wire = Wire()
    with pytest.raises(WrongArgument):
        wire.stack.register(UDP, registrar, aor, user, expires_s, wire.now)
    assert wire.take() == []


def test_nothing_breaks_the_message() -> None:
    wire = Wire()
    with pytest.raises(HeaderRefused):
        wire.stack.register(UDP, REGISTRAR, AOR + "\r\nX: y", "desk", 60, wire.now)
