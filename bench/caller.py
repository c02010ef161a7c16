"""A calling party as a program of its own: the basic call over UDP, TCP or TLS, so many a second, with set-up times.

    python -m bench.caller '{"host": "127.0.0.1", "port": 5060, "transport": "tls", "calls": 100, "rate": 50}'

TLS is OpenSSL's, by Python's `ssl`. The answer, a line of JSON, says how many calls succeeded, what the others got,
and the times from INVITE to 200. It speaks no more SIP than it needs: a request goes out, again after 0.5 s, 1 s, ...
over UDP, until its final response has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

T1_S = 0.5
GIVE_UP_S = 16.0
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CALL_ID = re.compile(rb"\r\ncall-id:[ \t]*(\S+)", re.IGNORECASE)
_CSEQ = re.compile(rb"\r\ncseq:[ \t]*(\d+)", re.IGNORECASE)
_TO = re.compile(rb"\r\nto:[^\r]*", re.IGNORECASE)
_CONTACT = re.compile(rb"\r\ncontact:[^<\r]*<([^>\r]+)>", re.IGNORECASE)
_SDP = """v=0\r
o=- 1 1 IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=audio {port} RTP/AVP 0\r
"""


class Plan(msgspec.Struct, frozen=True):
    """What to do. With `reuse` all calls share one connection (or socket), else each has its own.

    A call that is up is ended after `hold_s`.
    """

    host: str
    port: int
    transport: str = "udp"
    source: str = "127.0.0.1"
    number: str = "200"
    calls: int = 1
    rate: float = 10.0
    reuse: bool = True
    ca: str | None = None
    media_port: int = 40000
    hold_s: float = 0.0


class Result(msgspec.Struct):
    """What came of it; `setup_ms` is sorted. `refused` counts statuses; 0 is no answer, or no connection."""

    good: int = 0
    resent: int = 0
    setup_ms: list[float] = msgspec.field(default_factory=list)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    retry_after: int = 0

    def setup(self, share: float) -> float:
        """The set-up time in ms that so large a share of the calls did not exceed; NaN without calls."""
        if not self.setup_ms:
            return float("nan")
        return self.setup_ms[min(len(self.setup_ms) - 1, int(share * len(self.setup_ms)))]


class Wire:
    """One socket or connection: `send` for what goes out; complete messages that come are handed to their calls."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.waiting: dict[bytes, asyncio.Queue[bytes]] = {}
        self.reliable = plan.transport != "udp"
        self.address = (plan.source, 0)
        self.send: Callable[[bytes], None]
        self._close: Callable[[], None]
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> Wire:
        """Bind or connect. Raises `OSError`."""
        plan = self.plan
        if not self.reliable:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(plan.source, 0), remote_addr=(plan.host, plan.port)
            )
            self.send, self._close = transport.sendto, transport.close
            self.address = transport.get_extra_info("sockname")
            return self
        context = None
        if plan.transport == "tls":
            context = ssl.create_default_context(cafile=plan.ca)
        reader, writer = await asyncio.open_connection(
            plan.host, plan.port, ssl=context, local_addr=(plan.source, 0)
        )
        self.send, self._close = writer.write, writer.close
        self.address = writer.get_extra_info("sockname")
        self._task = asyncio.create_task(self._read(reader))
        return self

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                self.take(head + await reader.readexactly(int(length[1]) if length else 0))

    def take(self, message: bytes) -> None:
        """Hand a message to its call."""
        found = _CALL_ID.search(message)
        queue = self.waiting.get(found[1]) if found else None
        if queue is not None:
            queue.put_nowait(message)

    def close(self) -> None:
        """Close the socket."""
        if self._task is not None:
            self._task.cancel()
        self._close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._wire.take(data)


class Call:
    """One call on a wire: `set_up`, then `end`. `media_port` of the far end is known once it has been set up."""

    def __init__(self, wire: Wire, name: str, result: Result, media_port: int) -> None:
        self.media_port = 0
        self._wire, self._result = wire, result
        host, port = wire.address[:2]
        plan = wire.plan
        self._id = f"{name}@{host}"
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        wire.waiting[self._id.encode()] = self._queue
        self._uri = f"sip:{plan.number}@{plan.host}:{plan.port}"
        self._here = f"{host}:{port}"
        self._name = name
        self._to = f"To: <{self._uri}>"
        self._offer = _SDP.format(host=host, port=media_port)

    def _request(self, method: str, cseq: int, body: str = "") -> bytes:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        transport = self._wire.plan.transport
        return (
            f"{method} {self._uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport.upper()} {self._here};branch=z9hG4bK{self._name}{method}\r\n"
            f"From: <sip:+15557654321@{self._here}>;tag={self._name}\r\n{self._to}\r\nCall-ID: {self._id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:bench@{self._here};transport={transport}>\r\n"
            f"Max-Forwards: 70\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def _ask(self, request: bytes, cseq: int) -> bytes:
        """Send a request; its final response, empty when none came."""
        loop = asyncio.get_running_loop()
        wire, repeat_s = self._wire, T1_S
        ends_at = loop.time() + GIVE_UP_S
        wire.send(request)
        provisional = False
        while (left := ends_at - loop.time()) > 0:
            wait = left if wire.reliable or provisional else min(left, repeat_s)
            try:
                async with asyncio.timeout(wait):
                    message = await self._queue.get()
            except TimeoutError:
                if not wire.reliable and not provisional:
                    wire.send(request)
                    self._result.resent += 1
                    repeat_s *= 2
                continue
            counted = _CSEQ.search(message)
            if not message.startswith(b"SIP/2.0 ") or counted is None or int(counted[1]) != cseq:
                continue
            if message[8:9] != b"1":
                return message
            provisional = True
        return b""

    async def set_up(self) -> bool:
        """INVITE, and ACK what comes; True when the call is up."""
        result = self._result
        began = time.perf_counter()
        answer = await self._ask(self._request("INVITE", 1, self._offer), 1)
        took_ms = (time.perf_counter() - began) * 1000
        status = answer[8:11].decode() or "0"
        tagged = _TO.search(answer)
        if tagged is not None:
            self._to = tagged[0].decode().strip()
            contact = _CONTACT.search(answer)
            if status == "200" and contact is not None:
                self._uri = contact[1].decode()
            self._wire.send(self._request("ACK", 1))
        if status != "200":
            result.refused[status] = result.refused.get(status, 0) + 1
            result.retry_after += b"\r\nretry-after:" in answer.lower()
            return False
        found = re.search(rb"\r\nm=audio (\d+)", answer)
        self.media_port = int(found[1]) if found else 0
        result.setup_ms.append(round(took_ms, 3))
        return True

    async def end(self) -> bool:
        """BYE; True when it was answered."""
        answer = await self._ask(self._request("BYE", 2), 2)
        self._wire.waiting.pop(self._id.encode(), None)
        return answer.startswith(b"SIP/2.0 200")


async def play(plan: Plan) -> Result:
    """Make the calls, evenly paced; each is ended when it has been up for as long as the plan says."""
    result = Result()
    loop = asyncio.get_running_loop()
    shared = await Wire(plan).open() if plan.reuse else None
    started, run_name = loop.time(), f"{time.time_ns():x}"

    async def one(number: int) -> None:
        await asyncio.sleep(started + number / plan.rate - loop.time())
        try:
            wire = shared or await Wire(plan).open()
        except OSError:
            result.refused["0"] = result.refused.get("0", 0) + 1
            return
        call = Call(wire, f"{run_name}-{number}", result, plan.media_port)
        if await call.set_up():
            await asyncio.sleep(plan.hold_s)
            result.good += await call.end()
        if wire is not shared:
            wire.close()

    await asyncio.gather(*(one(number) for number in range(plan.calls)))
    if shared is not None:
        shared.close()
    result.setup_ms.sort()
    return result


def main() -> int:
    """Play what the argument says and print what came of it."""
    if len(sys.argv) != 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        return 0 if len(sys.argv) == 2 else 2
    plan = msgspec.convert(json.loads(sys.argv[1]), Plan)
    print(msgspec.json.encode(asyncio.run(play(plan))).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
