"""Our calls through Kamailio, which challenges every request with SHA-256, to SIPp behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tieline.net.sip_endpoint import SipEndpoint, SystemIds
from tieline.net.sip_legs import SipLegs
from tieline.sip.config import Credentials, PeerOptions, SipConfig
from tieline.sip.events import (
    ByeCompleted,
    Flow,
    InfoCompleted,
    LegAnswered,
    LegRefused,
    SipEvent,
    Transport,
)
from tieline.sip.stack import SipStack

HOST = "127.0.0.1"
CONFIG = Path(__file__).parent / "kamailio" / "edge.cfg"
ANSWERER = Path(__file__).parent / "sipp" / "behind.xml"
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

pytestmark = [pytest.mark.needs("sipp"), pytest.mark.needs("kamailio")]


class Caller:
    """Our endpoint, whose events are waited for."""

    def __init__(self, password: str) -> None:
        self.address = (HOST, free_port(HOST))
        self.events: asyncio.Queue[SipEvent] = asyncio.Queue()
        options = PeerOptions(credentials=Credentials("agent", password))
        stack = SipStack(
            SipConfig(advertised={Transport.UDP: self.address}), SystemIds(), None, lambda _: options
        )
        self.endpoint = SipEndpoint(stack, self.events.put_nowait)
        self.legs = SipLegs(self.endpoint)

    async def heard(self, kind: type[SipEvent]) -> SipEvent:
        """The next event, other than progress, which is of this kind."""
        event = await asyncio.wait_for(self.events.get(), 15)
        while type(event).__name__ == "LegProgress":
            event = await asyncio.wait_for(self.events.get(), 15)
        assert isinstance(event, kind), event
        return event


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[int]:
    """Kamailio's port, with SIPp answering behind it."""
    port, behind = free_port(HOST), free_port(HOST)
    text = CONFIG.read_text(encoding="utf-8")
    text = text.replace("LISTEN\n", f"{HOST}:{port}\n").replace("NEXTPORT", str(behind))
    (tmp_path / "edge.cfg").write_text(text.replace("NEXT", f"{HOST}:{behind}"), encoding="utf-8")
    proxy = await asyncio.create_subprocess_exec(
        "kamailio", "-DD", "-E", "-m", "32", "-f", str(tmp_path / "edge.cfg"), "-Y", str(tmp_path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    answerer = await asyncio.create_subprocess_exec(
        "sipp", "-sf", str(ANSWERER), "-i", HOST, "-p", str(behind), "-nostdin",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield port
    for process in (proxy, answerer):
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("password", ["s3cret", "guess"])
async def test_every_request_is_challenged(edge: int, password: str) -> None:
    caller = Caller(password)
    await caller.endpoint.start(udp=caller.address)
    try:
        flow = Flow(Transport.UDP, (HOST, edge))
        leg_id = caller.legs.invite(
            flow, f"sip:desk@{HOST}:{edge}", "<sip:agent@edge>", "<sip:desk@edge>", SDP
        )
        if password == "guess":
            refused = await caller.heard(LegRefused)
            assert isinstance(refused, LegRefused)
            assert refused.status == 407
            return
        await caller.heard(LegAnswered)
        # From here on the credentials go along at once, each with the nonce counted on.
        for _ in range(2):
            before = len(caller.endpoint.stack.leg_trace(leg_id))
            caller.endpoint.act(lambda stack, now: stack.info(leg_id, "application/dtmf", b"1", now))
            assert await caller.heard(InfoCompleted) == InfoCompleted(leg_id, 200)
            sent = caller.endpoint.stack.leg_trace(leg_id)[before:]
            assert b"Proxy-Authorization: Digest" in sent[0].data
            assert not any(entry.data.startswith(b"SIP/2.0 407") for entry in sent)
        caller.legs.bye(leg_id)
        assert await caller.heard(ByeCompleted) == ByeCompleted(leg_id, 200)
    finally:
        await caller.endpoint.stop()
