"""SIPp, a program that is not ours, challenges our REFER and tells by NOTIFY; and is challenged itself."""

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
    AckReceived,
    ByeCompleted,
    InviteReceived,
    NotifyReceived,
    ReferCompleted,
    SipEvent,
    Transport,
)
from tieline.sip.stack import SipStack

SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
TARGET = "<sip:+15551234567@centre.example?User-to-User=4A6F%3Bencoding%3Dhex>"
AGENT = Credentials("agent", "s3cret")

pytestmark = pytest.mark.needs("sipp")


class Owner:
    """Answers every call; transfers those to `transfer` once they are up, and ends them when the target answered."""

    def __init__(self) -> None:
        self.options = PeerOptions(credentials=AGENT)
        self.events: list[SipEvent] = []
        self.transfers: set[int] = set()

    async def start(self) -> None:
        self.address = (HOST, free_port(HOST))
        config = SipConfig(advertised={Transport.UDP: self.address, Transport.TCP: self.address})
        stack = SipStack(config, SystemIds(), None, lambda _: self.options)
        self.endpoint = SipEndpoint(stack, self)
        self.legs = SipLegs(self.endpoint)
        await self.endpoint.start(udp=self.address, tcp=self.address)

    def __call__(self, event: SipEvent) -> None:
        self.events.append(event)
        if isinstance(event, InviteReceived):
            if event.request.uri.user == "transfer":
                self.transfers.add(event.leg_id)
            self.legs.answer(event.leg_id, SDP)
        elif isinstance(event, AckReceived) and event.leg_id in self.transfers:
            assert self.legs.refer(event.leg_id, TARGET, [("X-Lead", "aB-7")], "<sip:agent@tieline.example>")
        elif isinstance(event, NotifyReceived) and event.status == 200 and event.leg_id in self.transfers:
            self.transfers.discard(event.leg_id)
            self.legs.bye(event.leg_id)

    def of(self, leg_id: int) -> list[SipEvent]:
        """The events of one leg."""
        return [event for event in self.events if getattr(event, "leg_id", None) == leg_id]


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    owner = Owner()
    await owner.start()
    yield owner
    await owner.endpoint.stop()


async def sipp(owner: Owner, scenario: str, mode: str, number: str, calls: int = 10) -> None:
    process = await asyncio.create_subprocess_exec(
        "sipp", f"{HOST}:{owner.address[1]}", "-i", HOST, "-t", mode, "-sf", str(SCENARIOS / scenario),
        "-m", str(calls), "-r", "20", "-s", number, "-nostdin", "-timeout", "30", "-timeout_error",
        "-recv_timeout", "10000", "-max_retrans", "2",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-4000:]


@pytest.mark.parametrize("mode", ["u1", "t1"])
async def test_a_challenged_refer_and_its_notifies(owner: Owner, mode: str) -> None:
    await sipp(owner, "refer.xml", mode, "transfer")
    legs = [event.leg_id for event in owner.events if isinstance(event, InviteReceived)]
    assert len(legs) == 10
    for leg_id in legs:
        completed = [event for event in owner.of(leg_id) if isinstance(event, ReferCompleted)]
        assert completed == [ReferCompleted(leg_id, 202, "Accepted")]
        told = [event for event in owner.of(leg_id) if isinstance(event, NotifyReceived)]
        assert [event.status for event in told] == [100, None, 200, 200]
        assert [event.subscription for event in told] == ["active", None, "active", "terminated"]
        ended = [event for event in owner.of(leg_id) if isinstance(event, ByeCompleted)]
        assert ended == [ByeCompleted(leg_id, 200)]


async def test_a_refer_with_the_wrong_password(owner: Owner) -> None:
    owner.options = PeerOptions(credentials=Credentials("agent", "guess"))
    await sipp(owner, "refer.xml", "u1", "transfer", 1)
    [completed] = [event for event in owner.events if isinstance(event, ReferCompleted)]
    assert (completed.status, completed.phrase) == (403, "Forbidden")


@pytest.mark.parametrize("mode", ["u1", "t1"])
async def test_a_caller_that_has_to_prove_itself(owner: Owner, mode: str) -> None:
    owner.options = PeerOptions(required=AGENT, algorithms=("MD5",))
    await sipp(owner, "digest.xml", mode, "service")
    assert [type(event).__name__ for event in owner.events].count("AckReceived") == 10
    assert owner.endpoint.stack.counters.challenged == 10
