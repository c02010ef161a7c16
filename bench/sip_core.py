"""CPU of the SIP core alone: one basic call as a called party (INVITE, 100, 200, ACK, BYE, 200), no sockets.

    python -m bench.sip_core [calls]

Prints microseconds of CPU per call, beside a reference loop that a reader can judge the machine by: it splits the same
three requests into lines and joins the same number of responses, with no protocol in it.
"""

from __future__ import annotations

import platform
import sys
import time
from typing import NamedTuple

from tieline.net.sip_endpoint import SystemIds
from tieline.sip.config import SipConfig
from tieline.sip.events import Flow, InviteReceived, Transport
from tieline.sip.stack import SipStack

_FLOW = Flow(Transport.UDP, ("127.0.0.1", 5061))
_SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Result(NamedTuple):
    """Microseconds of CPU: of one call, and of the reference loop's equivalent."""

    call_us: float
    reference_us: float

    @property
    def ratio(self) -> float:
        """How many reference loops one call costs."""
        return self.call_us / self.reference_us


def _request(method: str, call: int, cseq: int, to_tag: str, body: bytes = b"") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-{call}-{cseq}{method}\r\n"
        f"From: sipp <sip:sipp@127.0.0.1:5061>;tag={call}SIPpTag001\r\n"
        f"To: service <sip:service@127.0.0.1:5060>{to_tag}\r\n"
        f"Call-ID: {call}-1@127.0.0.1\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: sip:sipp@127.0.0.1:5061\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _play(stack: SipStack, call: int, now: float) -> None:
    stack.receive(_request("INVITE", call, 1, "", _SDP), _FLOW, now)
    stack.outgoing()
    event = stack.next_event()
    assert isinstance(event, InviteReceived)
    stack.answer(event.leg_id, _SDP, now)
    stack.outgoing()
    tag = f";tag={stack.leg(event.leg_id).local_tag}"
    stack.receive(_request("ACK", call, 1, tag), _FLOW, now)
    stack.next_event()
    stack.receive(_request("BYE", call, 2, tag), _FLOW, now)
    stack.outgoing()
    stack.next_event()
    stack.forget(event.leg_id)
    stack.next_deadline()


def measure_core(calls: int, per_second: float = 500.0) -> float:
    """CPU seconds for `calls` calls, arriving in virtual time at `per_second`, timers fired as they fall due."""
    address = {Transport.UDP: ("127.0.0.1", 5060)}
    stack = SipStack(SipConfig(advertised=address), SystemIds())
    began = time.process_time()
    for call in range(calls):
        now = call / per_second
        stack.on_deadline(now)
        _play(stack, call, now)
    return time.process_time() - began


def measure_requests(calls: int) -> float:
    """CPU seconds that making the requests themselves takes, to be taken off."""
    began = time.process_time()
    for call in range(calls):
        _request("INVITE", call, 1, "", _SDP)
        _request("ACK", call, 1, ";tag=0123456789abcdef")
        _request("BYE", call, 2, ";tag=0123456789abcdef")
    return time.process_time() - began


def measure_reference(calls: int) -> float:
    """CPU seconds of splitting three requests and joining three responses, `calls` times."""
    requests = [
        _request("INVITE", 1, 1, "", _SDP),
        _request("ACK", 1, 1, ";tag=1"),
        _request("BYE", 1, 2, ";tag=1"),
    ]
    began = time.process_time()
    for _ in range(calls):
        for request in requests:
            lines = request.decode().split("\r\n")
            fields = [line.partition(":") for line in lines[1:]]
            "\r\n".join([f"{name}: {value}" for name, _, value in fields]).encode()
    return time.process_time() - began


def run(calls: int = 20_000) -> Result:
    """Measure both, a warm-up first."""
    measure_core(calls // 10)
    core = measure_core(calls) - measure_requests(calls)
    reference = measure_reference(calls)
    return Result(core / calls * 1e6, reference / calls * 1e6)


def main() -> None:
    """Print one result with its conditions."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    result = run(calls)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {calls} calls at 500/s of virtual time"
    )
    print(f"basic call, called party: {result.call_us:.0f} us of CPU")
    print(f"reference loop:           {result.reference_us:.0f} us of CPU")
    print(f"ratio:                    {result.ratio:.1f}")


if __name__ == "__main__":
    main()
