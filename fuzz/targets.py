"""What is fuzzed: each target takes bytes and fails only by a defect of ours.

A target raises nothing but `AssertionError` or the error that it found. Peer input may be refused, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fuzz.client import fuzz_challenge, fuzz_client, fuzz_uui
from fuzz.parts import INVITE, LOCAL, PEER, SDP
from tieline.media.dtmf import digits_of_info
from tieline.media.receiver import Receiver
from tieline.sdp.description import SdpError
from tieline.sdp.negotiation import accept_answer, answer, offer, reanswer
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, InviteReceived, ReinviteReceived, Transport
from tieline.sip.framing import StreamFramer, Unframed
from tieline.sip.message import Limits, parse_message
from tieline.sip.stack import SipStack
from tieline.testing.loopback import Loopback

Target = Callable[[bytes], None]


def fuzz_message(data: bytes) -> None:
    """A SIP message: read it and everything that can be read of it."""
    try:
        message = parse_message(data, Limits())
    except MessageMalformed:
        return
    for read in ("via", "cseq", "from_", "to", "call_id", "contact", "content_type", "uri"):
        try:
            getattr(message, read, None)
        except MessageMalformed:
            continue
    assert dict(message.headers.items()) is not None


def fuzz_stack(data: bytes) -> None:
    """A user agent with one call up: parts of the input arrive as datagrams, time passes, and all of it ends."""
    network = Loopback()
    stack = network.add("192.0.2.1").stack
    flow = Flow(Transport.UDP, PEER)
    stack.receive(INVITE, flow, 0.0)
    tag = _take(stack)
    for part in data.split(b"\x00\x00"):
        stack.receive(part.replace(b"TAG", tag), flow, network.now)
        _take(stack)
        network.run_for(0.3)
    for leg_id in stack.leg_ids():
        stack.bye(leg_id, network.now) if stack.leg(leg_id).state == "confirmed" else None
    network.run_for(80_000.0)
    assert stack.leg_ids() == [], "a leg outlives every timer"
    assert stack.is_idle(), "a transaction outlives every timer"


def _take(stack: SipStack) -> bytes:
    """Answer what is offered; our tag in the first call."""
    tag = b"TAG"
    event = stack.next_event()
    while event is not None:
        if isinstance(event, InviteReceived):
            tag = stack.leg(event.leg_id).local_tag.encode()
            stack.answer(event.leg_id, SDP, 0.0)
        elif isinstance(event, ReinviteReceived):
            stack.accept_reinvite(event.leg_id, SDP, 0.0)
        event = stack.next_event()
    return tag


def fuzz_stream(data: bytes) -> None:
    """A TCP stream in pieces: the same messages come out however it is cut."""
    whole = list(_frames(data, len(data) or 1))
    assert list(_frames(data, 7)) == whole, "the cut changes the messages"


def _frames(data: bytes, size: int) -> Iterator[bytes | Unframed]:
    framer = StreamFramer(Limits())
    for start in range(0, len(data), size):
        for message in framer.feed(data[start : start + size]):
            yield message
            if isinstance(message, Unframed):
                return


def fuzz_sdp(data: bytes) -> None:
    """A session description as offer, as answer and as a renewed offer; what we answer can be read again."""
    try:
        made = answer(data, LOCAL)
    except SdpError:
        made = None
    if made is not None:
        again = reanswer(data, LOCAL, made.answer)
        assert again.media == made.media, "the same offer agreed twice differs"
    ours = offer(LOCAL, None)
    try:
        accept_answer(ours, data)
    except SdpError:
        return


def fuzz_rtp(data: bytes) -> None:
    """RTP datagrams of one leg, each with its length before it."""
    receiver = Receiver()
    receiver.connect(PEER, 101, 0.0)
    at, now = 0, 0.0
    while at < len(data):
        length = data[at] + 12
        datagram = memoryview(bytearray(data[at + 1 : at + 1 + length]))
        digit = receiver.receive(datagram, PEER, now)
        assert digit is None or digit in set("0123456789*#ABCD"), "a key that no phone has"
        at += 1 + length
        now += 0.02


def fuzz_info(data: bytes) -> None:
    """Bodies of INFO requests."""
    for kind in ("application/dtmf-relay", "application/dtmf"):
        assert set(digits_of_info(kind, data)) <= set("0123456789*#ABCD"), "a key that no phone has"


TARGETS: dict[str, Target] = {
    "message": fuzz_message,
    "stack": fuzz_stack,
    "stream": fuzz_stream,
    "sdp": fuzz_sdp,
    "rtp": fuzz_rtp,
    "info": fuzz_info,
    "client": fuzz_client,
    "challenge": fuzz_challenge,
    "uui": fuzz_uui,
}
"""Every target by name."""
