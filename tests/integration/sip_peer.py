"""A SIP peer made of text on a UDP socket: says what it is told, however wrong, and keeps what it hears."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple, cast

SDP = """v=0
o=- 1 1 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
"""
_branches = itertools.count()


class Message(NamedTuple):
    """A message that arrived, and when."""

    at: float
    text: str

    @property
    def start(self) -> str:
        """The start line."""
        return self.text.partition("\r\n")[0]

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method that the message is or answers."""
        return self.header("CSeq").split()[1]

    def header(self, name: str) -> str:
        """A header's value, empty when there is none."""
        found = re.search(rf"^{re.escape(name)}:[ \t]*(.*?)\s*$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""

    @property
    def body(self) -> str:
        """What follows the headers."""
        return self.text.partition("\r\n\r\n")[2]


class SipPeer(asyncio.DatagramProtocol):
    """One dialog at a time, with a Call-ID of its own: `fresh` begins the next."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.messages: list[Message] = []
        self._changed = asyncio.Event()
        self._taken = 0
        self.fresh()

    @classmethod
    async def open(cls, server: tuple[str, int], host: str = "127.0.0.1") -> SipPeer:
        """Bind to a free port of `host`."""
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(lambda: cls(server), local_addr=(host, 0))
        return peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.host, self.port = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.messages.append(Message(asyncio.get_running_loop().time(), data.decode("utf-8", "replace")))
        self._changed.set()

    async def close(self) -> None:
        """Close the socket."""
        self._transport.close()
        await asyncio.sleep(0)

    # -- saying -----------------------------------------------------------------------------------------------

    def fresh(self) -> None:
        """Begin a new call."""
        self.call_id = f"{secrets.token_hex(8)}@peer"
        self._tag = secrets.token_hex(4)
        self._cseq = 0
        self._to = ""
        self._target = ""

    def raw(self, data: bytes | str) -> None:
        """Send anything."""
        self._transport.sendto(data.encode() if isinstance(data, str) else data, self.server)

    def request(
        self, method: str, uri: str | None = None, *, headers: Sequence[str] = (), body: str = "",
        kind: str = "application/sdp", cseq: int | None = None, branch: str | None = None, to: str | None = None,
    ) -> str:  # fmt: skip
        """The text of a request; within the dialog once there is one."""
        if cseq is None:
            self._cseq += 1
            cseq = self._cseq
        uri = uri or self._target
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch or self.branch()};rport",
            f"From: <sip:+15557654321@{self.host}>;tag={self._tag}",
            f"To: {to or self._to or f'<{uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:peer@{self.host}:{self.port}>",
            "Max-Forwards: 70",
            *headers,
            *([f"Content-Type: {kind}"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def branch(self) -> str:
        """A branch that was not used before."""
        return f"z9hG4bK{self._tag}{next(_branches)}"

    def uri(self, number: str) -> str:
        """A number at the server."""
        return f"sip:{number}@{self.server[0]}:{self.server[1]}"

    def sdp(self, port: int = 40000) -> str:
        """An offer for a port of ours."""
        return SDP.format(host=self.host, port=port).replace("\n", "\r\n")

    # -- hearing ----------------------------------------------------------------------------------------------

    async def hear(self, wanted: str, limit_s: float = 40) -> Message:
        """The next message, of those not taken yet, whose start line begins so; earlier ones are passed over."""
        async with asyncio.timeout(limit_s):
            while True:
                while self._taken < len(self.messages):
                    message = self.messages[self._taken]
                    self._taken += 1
                    if message.start.startswith(wanted):
                        return message
                self._changed.clear()
                await self._changed.wait()

    async def final(self, limit_s: float = 40) -> Message:
        """The next final response."""
        while True:
            message = await self.hear("SIP/2.0 ", limit_s)
            if message.status >= 200:
                return message

    # -- calling ----------------------------------------------------------------------------------------------

    async def invite(
        self, number: str, *, headers: Sequence[str] = (), body: str | None = None, kind: str = "application/sdp",
        acknowledge: bool = True, port: int = 40000, uri: str | None = None,
    ) -> Message:  # fmt: skip
        """INVITE, and its final response, acknowledged."""
        target = uri or self.uri(number)
        branch = self.branch()
        self.raw(
            self.request(
                "INVITE", target, headers=headers, branch=branch, kind=kind,
                body=self.sdp(port) if body is None else body,
            )
        )  # fmt: skip
        answer = await self.final()
        if answer.status < 300:
            self._to = answer.header("To")
            self._target = answer.header("Contact").strip("<>")
            if acknowledge:
                self.ack()
        else:
            self.raw(self.request("ACK", target, cseq=self._cseq, branch=branch, to=answer.header("To")))
        return answer

    def ack(self) -> None:
        """ACK to the 200 of the last INVITE."""
        self.raw(self.request("ACK", cseq=self._cseq))

    async def ask(self, method: str, uri: str | None = None, **parts: object) -> Message:
        """A request other than INVITE, and its final response."""
        self.raw(self.request(method, uri, **parts))  # type: ignore[arg-type]
        return await self.final()

    def thank(self, request: Message) -> None:
        """200 to a request of the server's."""
        kept = [line for line in request.text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
        self.raw("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0"]) + "\r\n\r\n")

    async def bye_heard(self, limit_s: float = 40) -> Message:
        """The server's BYE, answered."""
        bye = await self.hear("BYE ", limit_s)
        self.thank(bye)
        return bye
