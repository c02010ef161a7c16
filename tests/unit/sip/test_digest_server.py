"""Peers that have to prove who they are: challenged without state, let in with the right credentials once each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.sip.wire import SDP, Wire
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.digest import Sum, compute, read_schemes
from tieline.sip.events import AckReceived, InviteReceived, InviteRefused, LegAnswered, LegRefused, Transport
from tieline.testing.loopback import Loopback, Weather

THEM = Credentials("trunk", "s3cret")
URI = "sip:100@192.0.2.2"


def guarded() -> Wire:
    return Wire(options=PeerOptions(required=THEM, realm='the "desk"'))


def challenge(wire: Wire, cseq: int = 1, extra: str = "") -> list[dict[str, str]]:
    """Ask without credentials, or with those of `extra`; the challenges that come back."""
    wire.request("INVITE", cseq, body=SDP, extra=extra)
    response = wire.take_response(401)
    found = [next(read_schemes(value)) for value in response.headers.getall("WWW-Authenticate")]
    assert {scheme for scheme, _ in found} == {"digest"}
    return [params for _, params in found]


def answer(params: dict[str, str], **changes: str) -> str:
    """An Authorization line to a challenge; `changes` replace its parts, `password` among them, empty ones fall out."""
    parts = {
        "username": "trunk",
        "realm": params["realm"],
        "nonce": params["nonce"],
        "uri": URI,
        "algorithm": params["algorithm"],
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "c",
        "password": "s3cret",
        **changes,
    }
    parts = {name: value for name, value in parts.items() if value}
    password = parts.pop("password")
    total = Sum(
        parts.get("algorithm"),
        parts.get("username", ""),
        parts["realm"],
        password,
        parts.get("nonce", ""),
        parts.get("qop", ""),
        parts.get("nc", ""),
        parts.get("cnonce", ""),
    )
    if "response" not in parts:
        known = total if parts.get("algorithm") != "SHA-512-256" else total._replace(algorithm=None)
        parts["response"] = compute(known, "INVITE", parts.get("uri", ""), SDP)
    listed = ", ".join(f'{name}="{value}"' for name, value in parts.items())
    return f"Authorization: Digest {listed}\r\n"


class TestChallenge:
    def test_shape(self) -> None:
        wire = guarded()
        better, common = challenge(wire)
        assert [better["algorithm"], common["algorithm"]] == ["SHA-256", "MD5"]
        assert better["nonce"] == common["nonce"]
        assert better["qop"] == "auth"
        assert better["realm"] == 'the \\"desk\\"'
        assert "stale" not in better

    def test_one_algorithm(self) -> None:
        wire = Wire(options=PeerOptions(required=THEM, algorithms=("MD5",)))
        [only] = challenge(wire)
        challenge(wire, 2, answer(only, algorithm="SHA-256"))
        wire.event(InviteRefused)
        wire.request("INVITE", 3, body=SDP, extra=answer(only, algorithm="md5"))
        wire.event(InviteReceived)

    def test_no_state_and_no_event(self) -> None:
        wire = guarded()
        branch = wire.request("INVITE", 1, body=SDP)
        first = wire.take_response(401)
        wire.request("INVITE", 1, body=SDP, branch=branch)
        assert wire.take_response(401).to.tag == first.to.tag
        wire.request("ACK", 1, branch=branch, to_tag=first.to.tag)
        assert wire.take() == []
        assert wire.events() == []
        assert wire.stack.is_idle()
        assert wire.stack.next_deadline() is None
        assert wire.stack.counters.challenged == 2

    def test_every_nonce_is_another(self) -> None:
        wire = guarded()
        assert challenge(wire)[0]["nonce"] != challenge(wire, 2)[0]["nonce"]

    def test_nothing_else_is_challenged(self) -> None:
        wire = guarded()
        wire.request("OPTIONS", 1, call_id="ping")
        assert wire.statuses() == [200]
        wire.events()
        wire.request("INVITE", 1, body=SDP, extra=answer(challenge(wire)[0]))
        leg_id = wire.event(InviteReceived).leg_id
        wire.stack.answer(leg_id, SDP, wire.now)
        tag = wire.stack.leg(leg_id).local_tag
        wire.request("ACK", 1, to_tag=tag)
        wire.take()
        for cseq, method in enumerate(("INFO", "OPTIONS", "INVITE"), 2):
            wire.request(method, cseq, to_tag=tag)
        wire.stack.accept_reinvite(leg_id, SDP, wire.now)
        wire.request("ACK", 4, to_tag=tag)
        wire.request("BYE", 5, to_tag=tag)
        assert wire.statuses() == [200, 200, 100, 200, 200]

    def test_only_where_it_is_asked_for(self) -> None:
        wire = Wire(options=PeerOptions())
        wire.request("INVITE", 1, body=SDP)
        wire.event(InviteReceived)


class TestCredentials:
    @pytest.mark.parametrize("which", [0, 1])
    @pytest.mark.parametrize(
        "changes",
        [{}, {"nc": "0000ABCD"}, {"qop": "", "nc": "", "cnonce": ""}, {"uri": "sip:before@the.proxy"}],
    )
    def test_right(self, which: int, changes: dict[str, str]) -> None:
        wire = guarded()
        params = challenge(wire)[which]
        wire.request("INVITE", 2, body=SDP, extra=answer(params, **changes))
        wire.event(InviteReceived)
        assert wire.statuses() == [100]

    def test_md5_may_go_unnamed(self) -> None:
        wire = guarded()
        wire.request("INVITE", 2, body=SDP, extra=answer(challenge(wire)[1], algorithm=""))
        wire.event(InviteReceived)

    def test_among_others(self) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        others = 'Authorization: Basic realm="b"\r\nAuthorization: Digest realm="other", nonce="x"\r\n'
        wire.request("INVITE", 2, body=SDP, extra=others + answer(params))
        wire.event(InviteReceived)

    @pytest.mark.parametrize(
        "extra", ['Authorization: Digest realm="other"\r\n', "Authorization: Basic a=b\r\n"]
    )
    def test_for_others_only(self, extra: str) -> None:
        wire = guarded()
        assert len(challenge(wire, 1, extra)) == 2
        assert wire.events() == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"password": "guess"},
            {"username": "nobody"},
            {"username": "nobody", "password": "guess"},
            {"username": ""},
            {"nonce": ""},
            {"uri": ""},
            {"response": "0"},
            {"algorithm": "SHA-256-sess"},
            {"algorithm": "SHA-512-256"},
            {"qop": "auth-int"},
            {"nc": ""},
            {"nc": "1"},
            {"nc": "0000000g"},
            {"cnonce": ""},
        ],
    )
    def test_wrong(self, changes: dict[str, str]) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        again = challenge(wire, 2, answer(params, **changes))
        assert "stale" not in again[0]
        assert again[0]["nonce"] != params["nonce"]
        refused = wire.event(InviteRefused)
        assert (refused.status, refused.why) == (401, "credentials are wrong")
        assert wire.stack.counters.challenged == 1

    def test_name_and_password_are_refused_alike(self) -> None:
        seen = set()
        for changes in (
            {"password": "guess"},
            {"username": "nobody", "password": "guess"},
            {"username": "nobody"},
        ):
            wire = guarded()
            extra = answer(challenge(wire)[0], **changes)
            wire.request("INVITE", 2, body=SDP, extra=extra)
            seen.add(wire.stack.outgoing()[0].data)
        assert len(seen) == 1

    def test_unreadable(self) -> None:
        wire = guarded()
        for cseq, text in enumerate(('Digest realm="x', "Digest", ",", 'Digest a=b, a=c, realm="the'), 1):
            wire.request("INVITE", cseq, body=SDP, extra=f"Authorization: {text}\r\n")
        assert wire.statuses() == [401, 401, 401, 401]
        told = [event.why for event in wire.events() if isinstance(event, InviteRefused)]
        assert len(told) == 3

    def test_bytes_that_are_no_text(self) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        head = (
            answer(params)
            .replace("trunk", "\udcfftrunk")
            .replace(params["nonce"], params["nonce"] + "\udcff")
        )
        message = (
            f"INVITE {URI} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:p@h>;tag=t\r\n"
            f"To: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{head}\r\n"
        )
        wire.raw(message.encode("utf-8", "surrogateescape"))
        assert wire.event(InviteRefused).status == 401


class TestNonces:
    def test_each_count_once(self) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        line = answer(params)
        wire.request("INVITE", 2, body=SDP, extra=line)
        wire.event(InviteReceived)
        wire.take()
        again = challenge(wire, 3, line)
        assert again[0]["stale"] == "true"
        assert wire.events() == []
        wire.request("INVITE", 4, body=SDP, extra=answer(params, nc="0000000A"))
        wire.event(InviteReceived)
        wire.take()
        assert challenge(wire, 5, answer(params, nc="00000009"))[0]["stale"] == "true"

    def test_a_retransmission_is_no_second_use(self) -> None:
        wire = guarded()
        line = answer(challenge(wire)[0])
        branch = wire.request("INVITE", 2, body=SDP, extra=line)
        wire.request("INVITE", 2, body=SDP, extra=line, branch=branch)
        wire.event(InviteReceived)
        assert wire.statuses() == [100, 100]

    def test_old(self) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        wire.wait(302)
        assert challenge(wire, 2, answer(params))[0]["stale"] == "true"

    @pytest.mark.parametrize("nonce", ["made up", "0.x.0", ".", "zz.x.00000000000000000000000000000000"])
    def test_not_ours(self, nonce: str) -> None:
        wire = guarded()
        params = challenge(wire)[0]
        assert challenge(wire, 2, answer(params, nonce=nonce))[0]["stale"] == "true"

    def test_of_another_realm(self) -> None:
        wire = guarded()
        foreign = challenge(Wire(options=PeerOptions(required=THEM)))[0]
        params = challenge(wire)[0]
        assert challenge(wire, 2, answer(params, nonce=foreign["nonce"]))[0]["stale"] == "true"

    def test_the_table_is_bounded_and_forgets_no_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tieline.sip.digest_server._NONCES", 8)
        wire = guarded()
        first = answer(challenge(wire)[0])
        wire.request("INVITE", 2, body=SDP, extra=first, call_id="first")
        wire.wait(2)
        for number in range(8):
            wire.take()
            line = answer(challenge(wire)[0])
            wire.request("INVITE", 3, body=b"", extra=line + "Require: x\r\n", call_id=f"c{number}")
        wire.take()
        assert challenge(wire, 9, first)[0]["stale"] == "true"
        wire.request("INVITE", 10, body=SDP, extra=answer(challenge(wire, 9)[0]))
        assert wire.statuses() == [100]


@pytest.mark.parametrize("weather", [Weather(), Weather(loss=0.2, duplication=0.3, max_delay=0.3)])
@pytest.mark.parametrize(("password", "answered"), [("s3cret", True), ("guess", False)])
def test_two_stacks(weather: Weather, password: str, answered: bool) -> None:
    network = Loopback(3, weather)
    one = network.add("192.0.2.1", options=PeerOptions(credentials=Credentials("trunk", password)))
    other = network.add("192.0.2.2", options=PeerOptions(required=THEM))
    one.stack.invite(network.flow(one, other, Transport.UDP), URI, "<sip:a@b>", f"<{URI}>", SDP, 0.0)
    network.run_for(20)
    heard = network.take(other)
    told = network.take(one)
    if not answered:
        assert [type(event) for event in heard] == [InviteRefused]
        assert [event.status for event in told if isinstance(event, LegRefused)] == [401]
        return
    [invite] = heard
    assert isinstance(invite, InviteReceived)
    other.stack.answer(invite.leg_id, SDP, network.now)
    network.run_for(20)
    assert [type(event) for event in network.take(one)] == [LegAnswered]
    assert [type(event) for event in network.take(other)] == [AckReceived]


class TestSeveralAtOneAddress:
    """Trunks behind one proxy: each call is that one's whose credentials it brings."""

    ONE = PeerOptions(required=Credentials("one", "first"), algorithms=("MD5",), session_expires_s=None)
    TWO = PeerOptions(
        required=Credentials("two", "second"), algorithms=("SHA-256",), advertised=("sbc", 5070)
    )

    def shared(self) -> Wire:
        return Wire(options=replace(self.ONE, others=(self.TWO, PeerOptions())))

    @pytest.mark.parametrize(
        ("name", "password", "algorithm", "contact"),
        [("one", "first", "MD5", "192.0.2.2:5060"), ("two", "second", "SHA-256", "sbc:5070")],
    )
    def test_known_by_what_it_proves(self, name: str, password: str, algorithm: str, contact: str) -> None:
        wire = self.shared()
        asked = {params["algorithm"]: params for params in challenge(wire)}
        assert list(asked) == ["MD5", "SHA-256"]
        given = answer(asked[algorithm], username=name, password=password)
        wire.request("INVITE", 2, body=SDP, extra=given)
        offered = wire.event(InviteReceived)
        assert offered.proven == name
        wire.take()
        wire.stack.answer(offered.leg_id, SDP, wire.now)
        assert contact in (wire.take_response(200).headers.get("Contact") or "")

    @pytest.mark.parametrize(
        ("name", "password", "algorithm"),
        [
            ("one", "second", "MD5"),
            ("two", "first", "SHA-256"),
            ("two", "second", "MD5"),
            ("", "x", "SHA-256"),
        ],
    )
    def test_neither(self, name: str, password: str, algorithm: str) -> None:
        wire = self.shared()
        asked = {params["algorithm"]: params for params in challenge(wire)}
        challenge(wire, 2, answer(asked[algorithm], username=name, password=password))
        wire.event(InviteRefused)

    def test_nobody_was_asked(self) -> None:
        wire = Wire(options=PeerOptions())
        wire.request("INVITE", 1, body=SDP)
        assert wire.event(InviteReceived).proven is None
