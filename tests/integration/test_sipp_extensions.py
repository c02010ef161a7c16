"""SIPp with PRACK and session timers: it calls us and is refreshed by UPDATE; we call it and refresh by re-INVITE."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.ports import free_port
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.sip.config import PeerOptions, SipConfig
from tieline.sip.events import (
    ByeReceived,
    Flow,
    InviteReceived,
    LegAnswered,
    LegProgress,
    PrackReceived,
    ReinviteCompleted,
    SipEvent,
    Transport,
)
from tieline.sip.stack import SipStack

SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

pytestmark = pytest.mark.needs("sipp")


class Owner:
    """Rings with early media and answers; keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[SipEvent] = []
        self.endpoint: SipEndpoint | None = None
        self._changed = asyncio.Event()

    def __call__(self, event: SipEvent) -> None:
        assert self.endpoint is not None
        self.events.append(event)
        self._changed.set()
        if isinstance(event, InviteReceived):
            stack, now = self.endpoint.stack, self.endpoint.now()
            stack.ring(event.leg_id, now, sdp=SDP, status=183)
            stack.answer(event.leg_id, SDP, now)

    def count(self, kind: type[SipEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not met():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    owner = Owner()
    address = (HOST, free_port(HOST))
    # Below the 90 s that RFC 4028 has as the least, so that the test need not wait for minutes.
    options = PeerOptions(session_expires_s=2, min_se_s=2)
    config = SipConfig(advertised={Transport.UDP: address, Transport.TCP: address})
    owner.endpoint = SipEndpoint(SipStack(config, SystemIds(), peers=lambda _: options), owner)
    await owner.endpoint.start(udp=address, tcp=address)
    yield owner
    await owner.endpoint.stop()


async def start_sipp(scenario: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "sipp", *arguments, "-i", HOST, "-sf", str(SCENARIOS / scenario), "-m", "1", "-nostdin", "-timeout", "20",
        "-timeout_error", "-recv_timeout", "10000",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def finish(process: asyncio.subprocess.Process) -> None:
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-4000:]


@pytest.mark.parametrize("mode", ["u1", "t1"])
async def test_sipp_requires_100rel_and_is_refreshed_by_update(owner: Owner, mode: str) -> None:
    assert owner.endpoint is not None
    address = owner.endpoint.address(Transport.UDP)
    assert address is not None
    target = f"{HOST}:{address[1]}"
    await finish(await start_sipp("prack_timer_caller.xml", target, "-t", mode, "-s", "service"))
    assert owner.count(PrackReceived) == 1
    assert owner.count(ByeReceived) == 1
    updates = [each for each in owner.endpoint.stack.leg_trace(1) if each.data.startswith(b"UPDATE")]
    assert len(updates) == 2


async def test_sipp_rings_reliably_and_is_refreshed_by_reinvite(owner: Owner) -> None:
    assert owner.endpoint is not None
    port = free_port(HOST)
    process = await start_sipp("prack_timer_called.xml", "-t", "u1", "-p", str(port))
    try:
        uri = f"sip:service@{HOST}:{port}"
        leg_id = owner.endpoint.act(
            lambda stack, now: stack.invite(
                Flow(Transport.UDP, (HOST, port)), uri, f"<sip:us@{HOST}>", f"<{uri}>", SDP, now
            )
        )
        await owner.until(lambda: owner.count(LegAnswered) == 1)
        progress = next(event for event in owner.events if isinstance(event, LegProgress))
        answered = next(event for event in owner.events if isinstance(event, LegAnswered))
        assert progress.body == answered.body != b""
        await owner.until(lambda: owner.count(ByeReceived) == 1)
        assert owner.count(ReinviteCompleted) == 0
        trace = owner.endpoint.stack.leg_trace(leg_id)
        assert sum(each.data.startswith(b"ACK") for each in trace) == 3
    finally:
        await finish(process)
