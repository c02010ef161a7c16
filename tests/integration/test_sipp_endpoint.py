"""SIPp, a program that is not ours, calls a bare endpoint whose owner rings, answers and hangs up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.sip.config import SipConfig
from tieline.sip.events import (
    ByeReceived,
    InfoReceived,
    InviteReceived,
    ReinviteReceived,
    SipEvent,
    Transport,
)
from tieline.sip.stack import SipStack

SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

pytestmark = pytest.mark.needs("sipp")


class Owner:
    """Rings or answers by the number dialled; `silent` numbers only ring; an INFO is thanked with a BYE."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.endpoint: SipEndpoint | None = None

    def __call__(self, event: SipEvent) -> None:
        assert self.endpoint is not None
        stack, now = self.endpoint.stack, self.endpoint.now()
        self.events[type(event).__name__] += 1
        if isinstance(event, InviteReceived):
            stack.ring(event.leg_id, now)
            if event.request.uri.user != "silent":
                stack.answer(event.leg_id, SDP, now)
        elif isinstance(event, ReinviteReceived):
            stack.accept_reinvite(event.leg_id, SDP, now)
        elif isinstance(event, InfoReceived):
            stack.bye(event.leg_id, now, [("X-contained", "true")])
        elif isinstance(event, ByeReceived):
            stack.forget(event.leg_id)


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    owner = Owner()
    address = (HOST, free_port(HOST))
    stack = SipStack(SipConfig(advertised={Transport.UDP: address, Transport.TCP: address}), SystemIds())
    owner.endpoint = SipEndpoint(stack, owner)
    await owner.endpoint.start(udp=address, tcp=address)
    yield owner
    await owner.endpoint.stop()


async def sipp(owner: Owner, mode: str, scenario: list[str], calls: int, number: str = "service") -> None:
    assert owner.endpoint is not None
    address = owner.endpoint.address(Transport.UDP)
    assert address is not None
    process = await asyncio.create_subprocess_exec(
        "sipp", f"{HOST}:{address[1]}", "-i", HOST, "-t", mode, *scenario, "-m", str(calls), "-r", "50", "-s", number,
        "-nostdin", "-max_socket", "1000", "-timeout", "30", "-timeout_error", "-recv_timeout", "10000",
        "-max_retrans", "2",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-4000:]


@pytest.mark.parametrize("mode", ["u1", "un", "t1", "tn"])
async def test_basic_call(owner: Owner, mode: str) -> None:
    await sipp(owner, mode, ["-sn", "uac"], 40)
    assert owner.endpoint is not None
    assert owner.events["InviteReceived"] == owner.events["AckReceived"] == owner.events["ByeReceived"] == 40
    assert owner.endpoint.stack.leg_ids() == []
    assert owner.endpoint.stack.counters.retransmissions_sent == 0


@pytest.mark.parametrize("mode", ["u1", "t1"])
async def test_cancel(owner: Owner, mode: str) -> None:
    await sipp(owner, mode, ["-sf", str(SCENARIOS / "cancel.xml")], 20, "silent")
    assert owner.events["InviteCancelled"] == 20


@pytest.mark.parametrize("mode", ["u1", "t1"])
async def test_hold_by_reinvite_then_info_and_bye_from_us(owner: Owner, mode: str) -> None:
    await sipp(owner, mode, ["-sf", str(SCENARIOS / "hold.xml")], 20)
    assert owner.events["ReinviteReceived"] == 20
    assert owner.events["InfoReceived"] == 20
    assert owner.events["AckReceived"] == 40
    assert owner.events["ByeCompleted"] == 20
