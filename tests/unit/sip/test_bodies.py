"""Session descriptions inside other bodies: found, passed over, refused, and never a fault of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sip.wire import SDP, Wire
from tieline.sip.bodies import ACCEPTED, Session, read_session
from tieline.sip.config import PeerOptions
from tieline.sip.events import (
    AckReceived,
    InviteReceived,
    InviteRefused,
    LegAnswered,
    LegProgress,
    PrackReceived,
    ReinviteCompleted,
    ReinviteReceived,
    UpdateReceived,
)
from tieline.sip.message import Headers, Response

MIXED = "multipart/mixed;boundary=b1"
SDP_PART = b"Content-Type: application/sdp\r\n\r\n" + SDP
ISUP = b"Content-Type: application/ISUP\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x00\xff"
ALTERNATIVE = "multipart/alternative;boundary=b1"
EARLY = b"Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\n"
WHERE = b"Content-Type: application/pidf+xml\r\nContent-ID: <where@peer>\r\n\r\n<presence/>"
MUST = b"Content-Type: application/isup\r\nContent-Disposition: signal; handling=required\r\n\r\n\x01"
OTHER = SDP.replace(b"4000", b"4444")


def multipart(*parts: bytes, boundary: str = "b1", end: bytes = b"\r\n") -> bytes:
    line = b"--" + boundary.encode()
    return b"".join([line + end + part + end for part in parts]) + line + b"--" + end


def with_header(line: bytes) -> bytes:
    return SDP_PART.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


MIX = multipart(ISUP, SDP_PART, WHERE)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (None, SDP),
        ("application/sdp", SDP),
        ("Application/SDP ; charset=utf-8", SDP),
        (MIXED, MIX),
        (MIXED, multipart(SDP_PART)),
        (MIXED, multipart(SDP_PART, b"Content-Type: application/sdp\r\n\r\n" + OTHER)),
        (MIXED, b"preamble\r\n" + multipart(SDP_PART) + b"epilogue"),
        (MIXED, multipart(SDP_PART)[: -len(b"\r\n--b1--\r\n")]),
        (MIXED, multipart(SDP_PART).replace(b"--b1\r\n", b"--b1 \t\r\n")),
        (MIXED, multipart(b"\r\nplain text", SDP_PART)),
        (MIXED, multipart(b"Content-Type:\r\n application/sdp\r\nx\r\n\r\n" + SDP)),
        (MIXED, multipart(b"c: broken", SDP_PART)),
        (MIXED, multipart(b"Content-Type: text/plain\r\n\r\n--b1x\r\n", SDP_PART)),
        (MIXED, multipart(with_header(b"Content-Transfer-Encoding: binary"))),
        (MIXED, multipart(with_header(b"Content-Disposition: session;handling=required"))),
        (MIXED, multipart(EARLY + OTHER, SDP_PART)),
        (MIXED, multipart(b"Content-Type: multipart/x;boundary=b2\r\n\r\n" + multipart(SDP_PART, boundary="b2"))),
        ('multipart/related; type="application/sdp"; boundary="b 1"', multipart(SDP_PART, boundary="b 1")),
        (ALTERNATIVE, multipart(b"Content-Type: application/sdp\r\n\r\n" + OTHER, SDP_PART, MUST)),
        ("multipart/mixed;BOUNDARY=b1", MIX),
    ],
)  # fmt: skip
def test_found(kind: str | None, body: bytes) -> None:
    assert read_session(kind, body) == Session(SDP)


def test_lines_that_end_with_a_lone_lf() -> None:
    body = multipart(SDP_PART.replace(b"\r\n", b"\n"), end=b"\n")
    assert read_session(MIXED, body) == Session(SDP.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("text/plain", SDP, "body is not SDP"),
        (MIXED, multipart(ISUP, WHERE), "no SDP part"),
        (MIXED, b"no delimiter", "no SDP part"),
        (MIXED, multipart(SDP_PART, MUST), "has to be understood"),
        (MIXED, multipart(MUST.replace(b"required", b'"Required";x=y'), SDP_PART), "has to be understood"),
        (MIXED, multipart(with_header(b"Content-Transfer-Encoding: base64")), "no SDP"),
        (MIXED, multipart(*[WHERE] * 16, SDP_PART), "no SDP part"),
        ("multipart/mixed", MIX, "without boundary"),
        ("multipart/mixed;boundary=", MIX, "without boundary"),
        (MIXED, multipart(b"Content-Type: multipart/mixed\r\n\r\nx", SDP_PART), "without boundary"),
    ],
)  # fmt: skip
def test_refused(kind: str, body: bytes, why: str) -> None:
    found = read_session(kind, body)
    assert found.sdp == b""
    assert why in found.refused


def test_parts_of_parts_are_read_three_deep() -> None:
    body = SDP_PART
    for depth in (3, 2, 1):
        body = multipart(body, boundary=f"b{depth}")
        assert read_session(f"multipart/mixed;boundary=b{depth}", body) == Session(SDP)
        body = f"Content-Type: multipart/mixed;boundary=b{depth}\r\n\r\n".encode() + body
    assert read_session("multipart/mixed;boundary=b0", multipart(body, boundary="b0")).refused


@given(
    st.sampled_from([None, MIXED, ALTERNATIVE, "multipart/mixed", 'multipart/x;boundary="']),
    st.lists(st.sampled_from([b"--b1", b"--b1--", b"\r\n", b"\n", SDP_PART, MUST, b"--"]) | st.binary(max_size=9)),
)  # fmt: skip
def test_nothing_raises(kind: str | None, pieces: list[bytes]) -> None:
    found = read_session(kind, b"".join(pieces))
    assert not (found.sdp and found.refused)


# -- on the wire ----------------------------------------------------------------------------------------------------

KIND = f"Content-Type: {MIXED}\r\n"


def answered(wire: Wire) -> str:
    """A call that a multipart INVITE opens; its To tag."""
    wire.request("INVITE", 1, body=MIX, kind=MIXED)
    offered = wire.event(InviteReceived)
    assert offered.request.sdp == SDP
    assert offered.request.body == MIX
    wire.stack.answer(offered.leg_id, SDP, wire.now)
    tag = wire.stack.leg(offered.leg_id).local_tag
    wire.request("ACK", 1, to_tag=tag)
    assert wire.event(AckReceived).body == b""
    wire.take()
    return tag


def test_calls_and_offers() -> None:
    wire = Wire()
    tag = answered(wire)
    wire.request("INVITE", 2, to_tag=tag, body=MIX, kind=MIXED)
    renewed = wire.event(ReinviteReceived)
    assert renewed.offer == SDP
    wire.stack.accept_reinvite(renewed.leg_id, SDP, wire.now)
    wire.request("ACK", 2, to_tag=tag)
    wire.events()
    wire.request("UPDATE", 3, to_tag=tag, body=MIX, kind=MIXED)
    assert wire.event(UpdateReceived).offer == SDP


@pytest.mark.parametrize("body", [multipart(ISUP), multipart(SDP_PART, MUST)])
def test_refused_with_what_we_take(body: bytes) -> None:
    wire = Wire()
    wire.request("INVITE", 1, body=body, kind=MIXED)
    assert wire.take_response(415).headers["Accept"] == ACCEPTED
    wire.event(InviteRefused)
    wire = Wire()
    tag = answered(wire)
    wire.request("UPDATE", 2, to_tag=tag, body=body, kind=MIXED)
    assert wire.take_response(415).headers["Accept"] == ACCEPTED
    wire.request("INVITE", 3, to_tag=tag, body=body, kind=MIXED)
    assert wire.take_response(415).headers["Accept"] == ACCEPTED


def test_an_answer_in_an_ack() -> None:
    wire = Wire()
    wire.request("INVITE", 1)
    leg_id = wire.event(InviteReceived).leg_id
    wire.stack.answer(leg_id, SDP, wire.now)
    wire.request("ACK", 1, to_tag=wire.stack.leg(leg_id).local_tag, body=MIX, kind=MIXED)
    assert wire.event(AckReceived).body == SDP


def test_an_answer_in_a_prack() -> None:
    wire = Wire(options=PeerOptions())
    wire.request("INVITE", 1, extra="Require: 100rel\r\n")
    leg_id = wire.event(InviteReceived).leg_id
    wire.stack.ring(leg_id, wire.now, sdp=SDP, status=183)
    rseq = next(
        each.headers["RSeq"] for each in wire.take() if isinstance(each, Response) and "RSeq" in each.headers
    )
    tag = wire.stack.leg(leg_id).local_tag
    wire.request("PRACK", 2, to_tag=tag, extra=f"RAck: {rseq} 1 INVITE\r\n", body=MIX, kind=MIXED)
    assert wire.event(PrackReceived).body == SDP


def test_answers_to_our_calls() -> None:
    wire = Wire()
    leg_id, invite = wire.calling()
    wire.respond(invite, 183, body=MIX, extra=KIND)
    assert wire.event(LegProgress).body == SDP
    wire.respond(invite, 200, body=MIX, extra=KIND)
    assert wire.event(LegAnswered).body == SDP
    wire.take()
    wire.stack.reinvite(leg_id, SDP, wire.now)
    wire.respond(wire.take_request("INVITE"), 200, body=MIX, extra=KIND)
    assert wire.event(ReinviteCompleted).body == SDP


def test_a_response_whose_body_we_cannot_read_has_no_session() -> None:
    response = Response(200, "OK", Headers([("Content-Type", MIXED)]), multipart(ISUP))
    assert response.sdp == b""
