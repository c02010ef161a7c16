"""Our requests, challenged: sent again with credentials, within bounds, or told as refused."""

from __future__ import annotations

import pytest

from tests.unit.sip.wire import SDP, UDP, Wire
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.digest import Sum, compute, read_schemes
from tieline.sip.events import (
    ByeCompleted,
    InfoCompleted,
    LegAnswered,
    LegProgress,
    LegRefused,
    NotifyReceived,
    OptionsCompleted,
    ReferCompleted,
    ReinviteCompleted,
    UpdateCompleted,
)
from tieline.sip.message import Request

US = Credentials('agent "7"', "s3cret")
OPTIONS = PeerOptions(credentials=US)
CHALLENGE = 'WWW-Authenticate: Digest realm="cc", nonce="n1", algorithm=SHA-256, qop="auth"\r\n'
PROXY = 'Proxy-Authenticate: Digest realm="edge", nonce="p1"\r\n'


def secured() -> Wire:
    return Wire(options=OPTIONS)


def proofs(request: Request, name: str = "Authorization") -> list[dict[str, str]]:
    """The credentials in a request, each checked."""
    found = []
    for value in request.headers.getall(name):
        [(scheme, params)] = read_schemes(value)
        assert scheme == "digest"
        assert params["username"] == 'agent \\"7\\"'
        assert params["uri"] == request.uri_text
        parts = Sum(
            params.get("algorithm"),
            US.username,
            params["realm"],
            US.password,
            params["nonce"],
            params.get("qop", ""),
            params.get("nc", ""),
            params.get("cnonce", ""),
        )
        assert params["response"] == compute(parts, request.method, request.uri_text, request.body)
        found.append(params)
    return found


def proof(request: Request, name: str = "Authorization") -> dict[str, str]:
    [found] = proofs(request, name)
    return found


def retried(wire: Wire) -> tuple[Request, Request]:
    """The ACK to the refusal, and the INVITE sent again."""
    ack, again = wire.take()
    assert isinstance(ack, Request)
    assert isinstance(again, Request)
    assert ack.method == "ACK"
    return ack, again


class TestInvite:
    def test_answered(self) -> None:
        wire = secured()
        leg_id, first = wire.calling()
        wire.respond(first, 100, tag=None)
        wire.respond(first, 401, extra=CHALLENGE, tag="edge")
        ack, again = retried(wire)
        assert ack.headers["CSeq"] == "1 ACK"
        assert again.headers["CSeq"] == "2 INVITE"
        assert again.call_id == first.call_id
        assert again.from_.tag == first.from_.tag
        assert again.to.tag is None
        assert again.via.branch != first.via.branch
        assert again.body == SDP
        assert (proof(again)["nc"], proof(again)["algorithm"]) == ("00000001", "SHA-256")
        same = {"Contact", "Allow", "Max-Forwards", "Content-Type", "User-Agent", "Content-Length"}
        assert all(again.headers[name] == first.headers[name] for name in same)
        assert wire.events() == []
        wire.respond(again, 180)
        assert wire.event(LegProgress).leg_id == leg_id
        wire.respond(again, 200, body=SDP)
        assert wire.event(LegAnswered).leg_id == leg_id
        ack = wire.take_request("ACK")
        assert ack.headers["CSeq"] == "2 ACK"
        assert ack.headers["Authorization"] == again.headers["Authorization"]
        wire.stack.bye(leg_id, wire.now)
        bye = wire.take_request("BYE")
        assert bye.headers["CSeq"] == "3 BYE"
        assert proof(bye)["nc"] == "00000002"

    def test_wrong_credentials_are_told(self) -> None:
        wire = secured()
        leg_id, first = wire.calling()
        wire.respond(first, 401, extra=CHALLENGE)
        _, again = retried(wire)
        wire.respond(again, 401, extra=CHALLENGE.replace("n1", "n2"))
        refused = wire.event(LegRefused)
        assert (refused.leg_id, refused.status) == (leg_id, 401)
        assert wire.statuses() == ["ACK"]
        wire.wait(130)
        assert wire.stack.is_idle()

    @pytest.mark.parametrize("options", [PeerOptions(), PeerOptions(credentials=Credentials("a\r\nb", "x"))])
    def test_nothing_to_answer_with(self, options: PeerOptions) -> None:
        wire = Wire(options=options)
        _, invite = wire.calling()
        wire.respond(invite, 401, extra=CHALLENGE)
        assert wire.event(LegRefused).status == 401
        assert wire.statuses() == ["ACK"]

    @pytest.mark.parametrize(
        "extra", ["", 'WWW-Authenticate: Basic realm="x"\r\n', "WWW-Authenticate: Digest\r\n"]
    )
    def test_nothing_to_answer(self, extra: str) -> None:
        wire = secured()
        _, invite = wire.calling()
        wire.respond(invite, 401, extra=extra)
        assert wire.event(LegRefused).status == 401

    def test_stale_once_more(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        for nonce in ("n1", "n2", "n3"):
            wire.respond(
                invite, 401, extra=CHALLENGE.replace("n1", nonce).replace(", qop", ", stale=True, qop")
            )
            sent = wire.take()
            assert isinstance(sent[-1], Request)
            invite = sent[-1]
        assert invite.method == "ACK"
        assert wire.event(LegRefused).status == 401

    def test_proxy_then_server(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        wire.respond(invite, 407, extra=PROXY)
        _, invite = retried(wire)
        assert proofs(invite) == []
        assert "qop" not in proof(invite, "Proxy-Authorization")
        wire.respond(invite, 401, extra=CHALLENGE)
        _, invite = retried(wire)
        assert invite.headers["CSeq"] == "3 INVITE"
        assert proof(invite)["realm"] == "cc"
        assert proof(invite, "Proxy-Authorization")["nonce"] == "p1"
        wire.respond(invite, 200, body=SDP)
        wire.event(LegAnswered)
        ack = wire.take_request("ACK")
        assert ack.headers["Authorization"] == invite.headers["Authorization"]
        assert ack.headers["Proxy-Authorization"] == invite.headers["Proxy-Authorization"]

    def test_several_realms_at_once(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        wire.respond(
            invite,
            401,
            extra=CHALLENGE
            + 'WWW-Authenticate: Digest realm="cc", nonce="later", algorithm=MD5\r\n'
            + 'WWW-Authenticate: Digest realm="fork", nonce="f", algorithm=MD5-sess, opaque="o"\r\n'
            + PROXY,
        )
        _, invite = retried(wire)
        assert [each["realm"] for each in proofs(invite)] == ["cc", "fork"]
        assert proofs(invite)[1]["opaque"] == "o"
        assert proofs(invite)[1]["cnonce"]
        assert proof(invite, "Proxy-Authorization")["realm"] == "edge"

    def test_too_many_realms(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        lines = [f'WWW-Authenticate: Digest realm="{each}", nonce="n"\r\n' for each in range(7)]
        wire.respond(invite, 401, extra="".join(lines))
        assert wire.event(LegRefused).status == 401

    def test_auth_int(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        wire.respond(invite, 401, extra=CHALLENGE.replace('"auth"', '"auth-int"'))
        _, invite = retried(wire)
        assert proof(invite)["qop"] == "auth-int"

    def test_cancelled_before_the_challenge(self) -> None:
        wire = secured()
        leg_id, invite = wire.calling()
        wire.stack.cancel(leg_id, wire.now)
        wire.respond(invite, 401, extra=CHALLENGE)
        assert wire.statuses() == ["ACK"]
        assert wire.event(LegRefused).status == 401

    def test_cancelled_after_the_challenge(self) -> None:
        wire = secured()
        leg_id, invite = wire.calling()
        wire.respond(invite, 100, tag=None)
        wire.respond(invite, 401, extra=CHALLENGE)
        _, again = retried(wire)
        wire.stack.cancel(leg_id, wire.now)
        assert wire.take() == []
        wire.respond(invite, 401, extra=CHALLENGE)
        assert wire.statuses() == ["ACK"]
        wire.respond(again, 100, tag=None)
        cancel = wire.take_request("CANCEL")
        assert cancel.headers["CSeq"] == "2 CANCEL"
        assert cancel.via.branch == again.via.branch
        assert proofs(cancel) == []
        wire.respond(cancel, 200)
        wire.respond(again, 487)
        assert wire.event(LegRefused).status == 487

    def test_forked(self) -> None:
        wire = secured()
        _, invite = wire.calling()
        wire.respond(invite, 401, extra=CHALLENGE)
        _, again = retried(wire)
        wire.respond(again, 200, tag="a", body=SDP)
        wire.take()
        wire.respond(again, 200, tag="b", body=SDP)
        ack, bye = wire.take()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert ack.headers["Authorization"] == again.headers["Authorization"]
        wire.respond(bye, 401, extra=CHALLENGE.replace("n1", "n2"))
        assert proof(wire.take_request("BYE"))["nonce"] == "n2"

    def test_own_headers_and_routes_are_kept(self) -> None:
        wire = secured()
        headers = [("X-Lead", "aB"), ("User-to-User", "4A;encoding=hex")]
        wire.stack.invite(
            UDP, "sip:2@c", "<sip:a@b>", "<sip:2@c>", None, wire.now, headers, ("<sip:p1;lr>", "<sip:p2;lr>")
        )
        invite = wire.take_request("INVITE")
        wire.respond(invite, 401, extra=CHALLENGE)
        ack, again = retried(wire)
        assert ack.headers.getall("Route") == again.headers.getall("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert again.headers["X-Lead"] == "aB"
        assert again.headers["User-to-User"] == "4A;encoding=hex"


class TestInCall:
    def test_reinvite(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.respond(wire.take_request("INVITE"), 407, extra=PROXY)
        _, again = retried(wire)
        assert proof(again, "Proxy-Authorization")["nonce"] == "p1"
        wire.respond(again, 200, body=b"answer")
        assert wire.event(ReinviteCompleted) == ReinviteCompleted(leg_id, 200, b"answer")
        ack = wire.take_request("ACK")
        assert ack.headers["CSeq"] == "2 ACK"
        assert ack.headers["Proxy-Authorization"] == again.headers["Proxy-Authorization"]
        wire.stack.reinvite(leg_id, SDP, wire.now)
        assert proof(wire.take_request("INVITE"), "Proxy-Authorization")["nonce"] == "p1"

    def test_reinvite_refused(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.reinvite(leg_id, SDP, wire.now)
        wire.respond(wire.take_request("INVITE"), 401, extra=CHALLENGE)
        again = wire.take()[-1]
        assert isinstance(again, Request)
        wire.respond(again, 401, extra=CHALLENGE)
        assert wire.event(ReinviteCompleted).status == 401
        wire.stack.reinvite(leg_id, SDP, wire.now)

    def test_refer(self) -> None:
        wire = secured()
        leg_id, tag = wire.in_call()
        target = "<sip:1@cc?User-to-User=4A%3Bencoding%3Dhex>"
        wire.stack.refer(leg_id, target, wire.now, [("X-A", "b")])
        first = wire.take_request("REFER")
        wire.respond(first, 401, extra=CHALLENGE)
        again = wire.take_request("REFER")
        assert proof(again)["realm"] == "cc"
        assert again.headers["Refer-To"] == target
        assert again.headers["X-A"] == "b"
        # The peer may name either attempt in its NOTIFYs.
        for cseq, attempt in enumerate((first, again), 2):
            event = f"Event: refer;id={attempt.cseq[0]}\r\n"
            wire.request(
                "NOTIFY", cseq, to_tag=tag, body=b"SIP/2.0 100 Trying", extra=event, kind="message/sipfrag"
            )
        assert [type(event) for event in wire.events()] == [NotifyReceived, NotifyReceived]
        wire.respond(again, 202)
        assert wire.event(ReferCompleted).status == 202

    def test_info(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.info(leg_id, "application/dtmf", b"1", wire.now)
        wire.respond(wire.take_request("INFO"), 401, extra=CHALLENGE)
        again = wire.take_request("INFO")
        assert again.body == b"1"
        wire.respond(again, 401, extra=CHALLENGE)
        assert wire.event(InfoCompleted) == InfoCompleted(leg_id, 401)

    def test_a_new_nonce_for_what_was_sent_at_once(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        for nonce in ("n1", "n2"):
            wire.stack.info(leg_id, "application/dtmf", b"1", wire.now)
            wire.respond(wire.take_request("INFO"), 401, extra=CHALLENGE.replace("n1", nonce))
            again = wire.take_request("INFO")
            assert (proof(again)["nonce"], proof(again)["nc"]) == (nonce, "00000001")
            wire.respond(again, 200)
            assert wire.event(InfoCompleted).status == 200

    def test_bye_is_not_lost(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.bye(leg_id, wire.now, [("X-Outcome", "sold")])
        wire.respond(wire.take_request("BYE"), 401, extra=CHALLENGE)
        again = wire.take_request("BYE")
        assert again.headers["X-Outcome"] == "sold"
        wire.respond(again, 200)
        assert wire.event(ByeCompleted) == ByeCompleted(leg_id, 200)

    def test_nothing_but_bye_is_sent_again_once_the_call_ends(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.info(leg_id, "application/dtmf", b"1", wire.now)
        info = wire.take_request("INFO")
        wire.stack.bye(leg_id, wire.now)
        wire.take()
        wire.respond(info, 401, extra=CHALLENGE)
        assert wire.event(InfoCompleted).status == 401
        assert wire.take() == []


class TestUpdate:
    def test_answered(self) -> None:
        wire = secured()
        leg_id, _ = wire.in_call()
        wire.stack.update(leg_id, b"offer", wire.now)
        wire.respond(wire.take_request("UPDATE"), 401, extra=CHALLENGE)
        again = wire.take_request("UPDATE")
        assert again.body == b"offer"
        assert proof(again)["nc"] == "00000001"
        wire.respond(again, 200, body=b"answer")
        assert wire.event(UpdateCompleted).status == 200


class TestOptions:
    def test_answered(self) -> None:
        wire = secured()
        options_id = wire.stack.options(UDP, "sip:cc@192.0.2.1", wire.now)
        first = wire.take_request("OPTIONS")
        wire.respond(first, 401, extra=CHALLENGE)
        again = wire.take_request("OPTIONS")
        assert again.headers["CSeq"] == "2 OPTIONS"
        assert again.call_id == first.call_id
        wire.respond(again, 401, extra=CHALLENGE.replace("n1", "n2").replace("qop", "stale=true, qop"))
        again = wire.take_request("OPTIONS")
        assert again.headers["CSeq"] == "3 OPTIONS"
        assert len(proofs(again)) == 1
        wire.respond(again, 200)
        assert wire.event(OptionsCompleted) == OptionsCompleted(options_id, 200)
