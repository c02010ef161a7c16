"""Targets in which we are the one who asks: what peers make of our requests, and fields that only they fill."""

from __future__ import annotations

from contextlib import suppress

from fuzz.parts import PEER, SDP
from tieline.errors import Conflict, NotFound
from tieline.model.uui import Uui, decode_uui, pairs_of
from tieline.sip.config import Credentials, PeerOptions
from tieline.sip.digest import read_challenges
from tieline.sip.digest_client import DigestSession
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, LegAnswered, ReinviteReceived, Transport, UpdateReceived
from tieline.sip.message import Limits, Request, parse_message
from tieline.sip.stack import SipStack
from tieline.testing.loopback import Loopback

US = Credentials("trunk", "s3cret")
OPTIONS = PeerOptions(credentials=US, session_expires_s=90)
WIDE = Limits(message_bytes=2**22, header_lines=2**16, line_chars=2**20)


def fuzz_client(data: bytes) -> None:
    """A call and a registration of ours: each part of the input is a response to our newest request.

    A part is `STATUS PHRASE`, header lines, an empty line and a body; what matches it to our request is put in. Once
    the call is up, a REFER, an UPDATE and a re-INVITE follow. Whatever we send can be read again, and all of it ends.
    """
    network = Loopback()
    stack = network.add("192.0.2.1", options=OPTIONS).stack
    flow = Flow(Transport.UDP, PEER)
    leg = stack.invite(flow, "sip:+15550100@192.0.2.9", "<sip:a@192.0.2.1>", "<sip:b@192.0.2.9>", SDP, 0.0)
    stack.register(flow, "sip:192.0.2.9", "sip:a@192.0.2.9", "a", 300, 0.0)
    asked: list[Request] = []
    for number, part in enumerate(data.split(b"\x00\x00")[:64]):
        asked += _sent(stack)
        request = asked[-1 - number % min(2, len(asked))]
        stack.receive(_answer(request, part), flow, network.now)
        _go_on(stack, leg, number, network.now)
        asked += _sent(stack)
        network.run_for(0.2)
    with suppress(Conflict, NotFound):
        stack.cancel(leg, network.now)
    with suppress(Conflict, NotFound):
        stack.bye(leg, network.now)
    for _ in range(50):
        network.run_for(2_000.0)
        for each in stack.leg_ids():
            with suppress(Conflict, NotFound):
                stack.bye(each, network.now)
    assert stack.is_idle(), "a leg or a transaction outlives every timer"


def _sent(stack: SipStack) -> list[Request]:
    """The requests that want a response; each message that we send has to be one."""
    found: list[Request] = []
    for outgoing in stack.outgoing():
        message = parse_message(outgoing.data, WIDE)
        if isinstance(message, Request) and message.method != "ACK":
            found.append(message)
    return found


def _answer(request: Request, part: bytes) -> bytes:
    head, _, body = part.partition(b"\r\n\r\n")
    status, _, lines = head.partition(b"\r\n")
    tag = b"" if b";tag=" in request.headers["To"].encode("utf-8", "surrogateescape") else b";tag=theirs"
    mine = [
        f"{name}: {request.headers[name]}".encode("utf-8", "surrogateescape")
        for name in ("Via", "From", "Call-ID", "CSeq", "To")
    ]
    length = b"Content-Length: %d" % len(body)
    kept = [b"SIP/2.0 " + status, *mine[:-1], mine[-1] + tag, *([lines] if lines else []), length]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def _go_on(stack: SipStack, leg: int, number: int, now: float) -> None:
    """Use a verb once the call is up, and answer what is offered."""
    event = stack.next_event()
    while event is not None:
        with suppress(Conflict, NotFound):
            if isinstance(event, LegAnswered):
                stack.refer(leg, "<sip:+15550199@192.0.2.9>", now)
            elif isinstance(event, ReinviteReceived):
                stack.accept_reinvite(leg, SDP, now)
            elif isinstance(event, UpdateReceived):
                stack.accept_update(leg, SDP, now)
        event = stack.next_event()
    with suppress(Conflict, NotFound):
        if number % 5 == 3:
            stack.reinvite(leg, SDP, now)
        elif number % 5 == 4:
            stack.update(leg, SDP, now)


def fuzz_challenge(data: bytes) -> None:
    """Challenges, one a line, and our answer to all of them: no more lines than servers that we remember."""
    values = [line for line in data.decode("utf-8", "surrogateescape").splitlines() if line]
    session = DigestSession(US)
    for challenge in read_challenges(values):
        session.learn("Authorization", challenge, "cnonce")
    lines = session.lines("INVITE", "sip:a@192.0.2.9", b"")
    assert "s3cret" not in lines or "s3cret" in data.decode("utf-8", "surrogateescape"), (
        "the password is told"
    )
    assert len(lines.splitlines()) <= 8, "a challenge has made header lines of its own"


def fuzz_uui(data: bytes) -> None:
    """A User-to-User field: what is read is printable."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(MessageMalformed):
        found = decode_uui(text)
        if isinstance(found, Uui):
            assert found.text.isprintable(), "a control character passes"
            pairs_of(found.text)
