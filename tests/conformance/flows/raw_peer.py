"""A peer that sends what the flow says, message by message, to one stack of ours; it repeats nothing by itself."""

from __future__ import annotations

from tieline.sip.config import PeerOptions, SipConfig
from tieline.sip.events import Flow, SipEvent, Transport
from tieline.sip.message import Request, Response, parse_message
from tieline.sip.stack import SipStack
from tieline.testing.loopback import SeededIds

US, PEER = "192.0.2.1", "192.0.2.2"
FLOW = Flow(Transport.UDP, (PEER, 5060))
OFFER, ANSWER = b"v=0 offer", b"v=0 answer"


class RawPeer:
    """The other side of one dialog. `now` is virtual time, which `wait` lets pass."""

    def __init__(self, options: PeerOptions | None = None) -> None:
        chosen = options or PeerOptions(session_expires_s=None, reliable=False)
        config = SipConfig(advertised={Transport.UDP: (US, 5060)})
        self.stack = SipStack(config, SeededIds("flows"), peers=lambda _: chosen)
        self.now = 0.0
        self.branches = 0
        self.cseq = 0
        self.us_tag = ""
        self.call_id = "flow@peer"
        self.our_uri = f"sip:tieline@{US}"
        self.events: list[SipEvent] = []

    def take(self) -> list[Request | Response]:
        """What the stack has sent since the last look; its events go to `events`."""
        sent = [parse_message(outgoing.data) for outgoing in self.stack.outgoing()]
        event = self.stack.next_event()
        while event is not None:
            self.events.append(event)
            event = self.stack.next_event()
        for message in sent:
            if isinstance(message, Response) and message.to.tag:
                self.us_tag = self.us_tag or message.to.tag
            if isinstance(message, Request) and message.from_.tag:
                self.us_tag = self.us_tag or message.from_.tag
                self.call_id = message.call_id
        return sent

    def wait(self, seconds: float) -> list[Request | Response]:
        """Let time pass; what the stack sent meanwhile."""
        until = self.now + seconds
        sent: list[Request | Response] = []
        while True:
            due = self.stack.next_deadline()
            if due is None or due > until:
                break
            self.now = max(due, self.now)
            self.stack.on_deadline(self.now)
            sent += self.take()
        self.now = until
        return sent

    def request(
        self,
        method: str,
        body: bytes = b"",
        *,
        cseq: int | None = None,
        branch: str | None = None,
        lines: str = "",
    ) -> list[Request | Response]:
        """Send a request of the dialog (or the one that begins it); what the stack sent at once."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        if branch is None:
            self.branches += 1
            branch = f"z9hG4bKpeer{self.branches}"
        tag = f";tag={self.us_tag}" if self.us_tag else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {self.our_uri} SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:peer@{PEER}>;tag=peer\r\nTo: <{self.our_uri}>{tag}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:peer@{PEER}>\r\n{lines}{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        self.stack.receive(text.encode() + body, FLOW, self.now)
        return self.take()

    def reply(
        self, to: Request, status: int, body: bytes = b"", *, tag: str = "peer", lines: str = ""
    ) -> list[Request | Response]:
        """Answer a request of the stack's; what the stack sent at once."""
        headers = to.headers
        mark = "" if to.to.tag or status == 100 else f";tag={tag}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"SIP/2.0 {status} Flow\r\nVia: {headers['via']}\r\nFrom: {headers['from']}\r\n"
            f"To: {headers['to']}{mark}\r\nCall-ID: {to.call_id}\r\nCSeq: {headers['cseq']}\r\n"
            f"Contact: <sip:peer@{PEER}>\r\n{lines}{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        self.stack.receive(text.encode() + body, FLOW, self.now)
        return self.take()

    def call_out(self, sdp: bytes | None = OFFER) -> tuple[int, Request]:
        """Our stack calls the peer; the leg and the INVITE."""
        uri = f"sip:peer@{PEER}"
        leg = self.stack.invite(FLOW, uri, f"<sip:us@{US}>", f"<{uri}>", sdp, self.now)
        (invite,) = self.take()
        assert isinstance(invite, Request)
        return leg, invite


def statuses(messages: list[Request | Response]) -> list[int]:
    """The statuses of the responses among them."""
    return [message.status for message in messages if isinstance(message, Response)]


def methods(messages: list[Request | Response]) -> list[str]:
    """The methods of the requests among them."""
    return [message.method for message in messages if isinstance(message, Request)]


def requests(messages: list[Request | Response]) -> list[Request]:
    """The requests among them."""
    return [message for message in messages if isinstance(message, Request)]
