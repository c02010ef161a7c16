"""A peer made of text: sends requests and responses to one stack and reads what comes back."""

from __future__ import annotations

from typing import TypeVar

from tieline.sip.config import Admit, BusyFor, PeerOptions, SipConfig
from tieline.sip.events import Flow, SipEvent, Transport
from tieline.sip.message import Request, Response, parse_message
from tieline.sip.stack import SipStack
from tieline.testing.loopback import SeededIds

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
PEER = ("192.0.2.1", 5060)
OURS = ("192.0.2.2", 5060)
UDP = Flow(Transport.UDP, PEER)
TCP = Flow(Transport.TCP, PEER, 7)

Event = TypeVar("Event", bound=SipEvent)


def config(**changes: object) -> SipConfig:
    return SipConfig(**{"advertised": {Transport.UDP: OURS, Transport.TCP: OURS}, **changes})  # type: ignore[arg-type]


class Wire:
    """`now` is moved by `wait`. Branches count up, so every request is a new transaction unless told otherwise."""

    def __init__(
        self,
        settings: SipConfig | None = None,
        flow: Flow = UDP,
        admit: Admit | None = None,
        options: PeerOptions | None = None,
        busy: BusyFor | None = None,
    ) -> None:
        peers = None if options is None else lambda _: options
        self.stack = SipStack(settings or config(), SeededIds("ours"), admit, peers, busy)
        self.flow = flow
        self.now = 0.0
        self.sent: list[Request | Response] = []
        self.flows: list[Flow] = []
        self._branch = 0

    def raw(self, data: bytes, flow: Flow | None = None) -> None:
        self.stack.receive(data, flow or self.flow, self.now)

    def request(
        self,
        method: str,
        cseq: int,
        *,
        to_tag: str | None = None,
        body: bytes = b"",
        branch: str | None = None,
        call_id: str = "call@peer",
        from_tag: str = "theirs",
        uri: str = "sip:100@192.0.2.2",
        extra: str = "",
        contact: str | None = "<sip:peer@192.0.2.1:5060>",
        via: str | None = None,
        kind: str = "application/sdp",
    ) -> str:
        """Send a request; gives its branch."""
        if branch is None:
            self._branch += 1
            branch = f"z9hG4bK-{self._branch}"
        via = via or f"SIP/2.0/{self.flow.transport.value} 192.0.2.1:5060;branch={branch}"
        tag = "" if to_tag is None else f";tag={to_tag}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via}",
            "Max-Forwards: 70",
            f"From: <sip:peer@192.0.2.1>;tag={from_tag}",
            f"To: <sip:100@192.0.2.2>{tag}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
        ]
        if contact is not None:
            lines.append(f"Contact: {contact}")
        if body:
            lines.append(f"Content-Type: {kind}")
        head = "\r\n".join(lines) + "\r\n" + extra + f"Content-Length: {len(body)}\r\n\r\n"
        self.raw(head.encode() + body)
        return branch

    def respond(
        self,
        to: Request,
        status: int,
        *,
        tag: str | None = "theirs",
        body: bytes = b"",
        extra: str = "",
        contact: str | None = "<sip:peer@192.0.2.1:5060>",
    ) -> None:
        """Answer a request that the stack sent."""
        given = to.headers["To"]
        lines = [
            f"SIP/2.0 {status} Whatever",
            f"Via: {to.headers['Via']}",
            f"From: {to.headers['From']}",
            f"To: {given}" if tag is None or "tag=" in given else f"To: {given};tag={tag}",
            f"Call-ID: {to.call_id}",
            f"CSeq: {to.headers['CSeq']}",
        ]
        if contact is not None:
            lines.append(f"Contact: {contact}")
        head = "\r\n".join(lines) + "\r\n" + extra + f"Content-Length: {len(body)}\r\n\r\n"
        self.raw(head.encode() + body)

    def take(self) -> list[Request | Response]:
        """What the stack sent since the last time."""
        queued = self.stack.outgoing()
        self.flows = [outgoing.flow for outgoing in queued]
        return [parse_message(outgoing.data) for outgoing in queued]

    def statuses(self) -> list[int | str]:
        """What the stack sent since the last time, as status codes and methods."""
        return [each.status if isinstance(each, Response) else each.method for each in self.take()]

    def take_request(self, method: str) -> Request:
        found = [each for each in self.take() if isinstance(each, Request) and each.method == method]
        assert len(found) == 1
        return found[0]

    def take_response(self, status: int) -> Response:
        found = [each for each in self.take() if isinstance(each, Response) and each.status == status]
        assert len(found) == 1
        return found[0]

    def events(self) -> list[SipEvent]:
        found = []
        event = self.stack.next_event()
        while event is not None:
            found.append(event)
            event = self.stack.next_event()
        return found

    def event(self, kind: type[Event]) -> Event:
        """The only event since the last time, which is of this kind."""
        found = self.events()
        assert len(found) == 1, found
        assert isinstance(found[0], kind)
        return found[0]

    def wait(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        deadline = self.stack.next_deadline()
        while deadline is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.stack.on_deadline(self.now)
            deadline = self.stack.next_deadline()
        self.now = end

    # ------------------------------------------------------------------------------------------ stories

    def called(self, **changes: object) -> tuple[int, str, str]:
        """A call offered to us: leg, our tag, the INVITE's branch."""
        from tieline.sip.events import InviteReceived

        branch = self.request("INVITE", 1, **{"body": SDP, **changes})  # type: ignore[arg-type]
        leg_id = self.event(InviteReceived).leg_id
        self.take()
        return leg_id, self.stack.leg(leg_id).local_tag, branch

    def in_call(self, **changes: object) -> tuple[int, str]:
        """A call that we answered: leg and our tag."""
        leg_id, tag, _ = self.called(**changes)
        self.stack.answer(leg_id, SDP, self.now)
        self.request("ACK", 1, to_tag=tag)
        self.events()
        self.take()
        return leg_id, tag

    def calling(self, sdp: bytes | None = SDP) -> tuple[int, Request]:
        """A call that we make: leg and its INVITE."""
        leg_id = self.stack.invite(
            self.flow, "sip:200@192.0.2.1", "<sip:me@192.0.2.2>", "<sip:200@192.0.2.1>", sdp, self.now
        )
        return leg_id, self.take_request("INVITE")

    def in_our_call(self) -> int:
        """A call that we made and the peer answered."""
        leg_id, invite = self.calling()
        self.respond(invite, 200, body=SDP)
        self.events()
        self.take()
        return leg_id
