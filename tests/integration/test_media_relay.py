"""Two legs of a real media process joined: what one side says by real UDP, the other hears."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.integration.test_media_process import Leg, Peer
from tests.ports import few_rtp_ports
from tests.unit.media.test_dtmf import flat, keyed
from tieline.media.dtmf import EventReceiver
from tieline.media.g711 import PCMA, PCMU, SILENCE, decode, encode
from tieline.media.messages import (
    ConnectLeg,
    Digit,
    JoinLegs,
    MediaStarted,
    MediaTimedOut,
    PartLegs,
    Play,
    Played,
    PutClip,
    StopPlay,
)
from tieline.media.rtp import Packet
from tieline.net.media_link import MediaLink, MediaSettings

WORD = bytes(range(160))
OTHER_WORD = bytes(reversed(range(160)))


@pytest.fixture
async def link() -> AsyncIterator[MediaLink]:
    first, last = few_rtp_ports(6)
    link = MediaLink(MediaSettings(first_port=first, last_port=last, max_calls=6))
    await link.start()
    yield link
    await link.stop()


class Side:
    """A leg and the peer at its end."""

    def __init__(self, link: MediaLink, leg_id: str) -> None:
        self.leg = Leg(link, leg_id)
        self.peer = Peer(ssrc=ord(leg_id))

    async def open(self, stack: AsyncExitStack, **how: object) -> Side:
        stack.callback(self.peer.socket.close)
        await self.leg.open()
        await self.leg.connect(self.peer, **how)  # type: ignore[arg-type]
        if how.get("receive", True):
            self.peer.send_audio()
            await self.leg.report(MediaStarted)
        return self

    async def hear(self, payload: bytes) -> Packet:
        async with asyncio.timeout(10):
            return await self.peer.receive_until(lambda packet: bytes(packet.payload) == payload)

    async def hears_no(self, payload: bytes, seconds: float = 0.3) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.peer.receive_until(lambda packet: bytes(packet.payload) == payload)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def pair(
    link: MediaLink, stack: AsyncExitStack, early: bool = False, **how: object
) -> tuple[Side, Side]:
    a = await Side(link, "a").open(stack)
    b = await Side(link, "b").open(stack, **how)
    link.send(JoinLegs("a", "b", early))
    await in_step(a, b)
    return a, b


async def in_step(*sides: Side) -> None:
    """Wait until the process has carried out what it was told: an empty play ends at once."""
    for side in sides:
        side.leg.link.send(Play(side.leg.leg_id, 0, []))
        await side.leg.report(Played)


async def talk(peer: Peer, payload: bytes, kind: int = PCMU, packets: int = 5) -> None:
    for _ in range(packets):
        peer.send_audio(payload, kind)
        await asyncio.sleep(0.02)


async def test_both_hear_each_other_on_one_stream_of_ours(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack)
    before = await b.peer.receive()
    for _ in range(10):
        a.peer.send_audio(WORD)
        b.peer.send_audio(OTHER_WORD)
        heard = await b.hear(WORD)
        assert (heard.ssrc, heard.payload_type) == (before.ssrc, PCMU)
        await a.hear(OTHER_WORD)
        await asyncio.sleep(0.02)
    following = await b.peer.receive_until(lambda packet: bytes(packet.payload) == SILENCE[PCMU])
    assert 0 < (following.sequence - before.sequence) & 0xFFFF < 60
    closed = await a.leg.close()
    assert closed.packets_received == 11
    assert closed.peak_level > 0


async def test_every_number_comes_once_and_time_runs_forward(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack)
    talking = asyncio.create_task(talk(a.peer, WORD, packets=30))
    heard = [await b.peer.receive() for _ in range(40)]
    await talking
    assert sum(bytes(packet.payload) == WORD for packet in heard) >= 25
    numbers = [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard]
    assert numbers == list(range(len(heard)))
    times = [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard]
    assert times == sorted(set(times))


async def test_loss_and_duplicates_do_no_harm(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack)
    a.peer.send_audio(WORD)
    first = await b.hear(WORD)
    a.peer.sequence += 3
    a.peer.send_audio(WORD)
    second = await b.hear(WORD)
    assert (second.sequence - first.sequence) & 0xFFFF == 4
    a.peer.sequence -= 1
    a.peer.send_audio(WORD)
    a.peer.send(b"\x80")
    a.peer.send_audio(OTHER_WORD)
    third = await b.hear(OTHER_WORD)
    assert (third.sequence - second.sequence) & 0xFFFF == 1


async def test_codecs_are_translated(link: MediaLink, stack: AsyncExitStack) -> None:
    """A tone said in µ-law is the same tone in A-law, at the same level."""
    a, b = await pair(link, stack, kind=PCMA)
    tone = b"".join(
        round(8000 * math.sin(2 * math.pi * 1000 * n / 8000)).to_bytes(2, "little", signed=True)
        for n in range(160)
    )
    said = encode(tone, PCMU)
    talking = asyncio.create_task(talk(a.peer, said, packets=5))
    heard = await b.peer.receive_until(lambda packet: bytes(packet.payload) != SILENCE[PCMA])
    await talking
    assert heard.payload_type == PCMA
    assert power_at(decode(heard.payload, PCMA), 1000) == pytest.approx(power_at(tone, 1000), rel=0.1)
    assert power_at(decode(heard.payload, PCMA), 2300) < 0.01 * power_at(tone, 1000)


def power_at(pcm: bytes, frequency: float) -> float:
    """The power at one frequency (a bin of the Fourier transform)."""
    samples = memoryview(pcm).cast("h")
    turns = [2 * math.pi * frequency * n / 8000 for n in range(len(samples))]
    real = sum(sample * math.cos(turn) for sample, turn in zip(samples, turns, strict=True))
    imaginary = sum(sample * math.sin(turn) for sample, turn in zip(samples, turns, strict=True))
    return (real**2 + imaginary**2) / len(samples) ** 2


async def test_keys_are_relayed_and_told(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack, dtmf=96)
    a.peer.send_press(flat(keyed("5")))
    packets = [await b.peer.receive_until(lambda packet: packet.payload_type == 96) for _ in range(11)]
    assert len({packet.timestamp for packet in packets}) == 1
    receiver = EventReceiver()
    digits = [
        receiver.receive(packet.payload, packet.timestamp, packet.sequence, marker=packet.marker)
        for packet in packets
    ]
    assert [digit for digit in digits if digit] == ["5"]
    assert packets[0].marker
    assert int.from_bytes(packets[-1].payload[2:], "big") == 8 * 160
    assert (await a.leg.report(Digit)).digit == "5"
    b.peer.send_press(flat(keyed("9")), kind=96)
    assert (await b.leg.report(Digit)).digit == "9"


async def test_a_side_without_telephone_events_gets_none(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack, dtmf=None)
    a.peer.send_press(flat(keyed("5")))
    assert (await a.leg.report(Digit)).digit == "5"
    a.peer.send_audio(WORD)
    heard = [await b.peer.receive()]
    while bytes(heard[-1].payload) != WORD:
        heard.append(await b.peer.receive())
    assert {packet.payload_type for packet in heard} == {PCMU}


async def test_what_is_played_covers_what_is_relayed(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack)
    link.send(PutClip("whisper", b"\x11" * 160))
    link.send(Play("b", 1, ["whisper"], loop=True))
    await b.hear(b"\x11" * 160)
    talking = asyncio.create_task(talk(a.peer, WORD, packets=40))
    assert await b.hears_no(WORD)
    b.peer.send_audio(OTHER_WORD)
    await a.hear(OTHER_WORD)
    link.send(StopPlay("b"))
    played = await b.leg.report(Played)
    assert not played.finished
    await b.hear(WORD)
    await talking


async def test_early_media_goes_one_way(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack, early=True)
    b.peer.send_audio(WORD)
    await a.hear(WORD)
    talking = asyncio.create_task(talk(a.peer, OTHER_WORD, packets=20))
    assert await b.hears_no(OTHER_WORD)
    await talking
    link.send(JoinLegs("a", "b"))
    await in_step(a, b)
    a.peer.send_audio(OTHER_WORD)
    await b.hear(OTHER_WORD)


@pytest.mark.parametrize(("send", "receive"), [(False, True), (True, False)])
async def test_hold_is_respected(link: MediaLink, stack: AsyncExitStack, send: bool, receive: bool) -> None:
    """A side on hold hears nothing; what one says that we do not want to hear goes nowhere."""
    a, b = await pair(link, stack)
    link.send(ConnectLeg("b", b.peer.address, PCMU, 101, send, receive, None))
    link.send(Play("a", 0, []))
    await a.leg.report(Played)
    for side, heard in ((a, send), (b, receive)):
        other = b if side is a else a
        talking = asyncio.create_task(talk(side.peer, WORD, packets=12))
        assert await other.hears_no(WORD, 0.3) is not heard
        await talking
    link.send(ConnectLeg("b", b.peer.address, PCMU, 101, True, True, None))
    await in_step(b)
    a.peer.send_audio(WORD)
    await b.hear(WORD)


async def test_a_side_may_move_and_change_its_source(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack)
    a.peer.send_audio(WORD)
    first = await b.hear(WORD)
    moved = Peer(ssrc=77)
    stack.callback(moved.socket.close)
    moved.port = a.leg.port
    moved.sequence = 40_000
    link.send(ConnectLeg("a", moved.address, PCMU, 101, True, True, None))
    await in_step(a)
    moved.send_audio(OTHER_WORD)
    heard = await b.hear(OTHER_WORD)
    assert heard.ssrc == first.ssrc
    assert 0 < (heard.sequence - first.sequence) & 0xFFFF < 50
    b.peer.send_audio(WORD)
    await moved.receive_until(lambda packet: bytes(packet.payload) == WORD)


@pytest.mark.parametrize("end", ["part", "close", "other"])
async def test_the_join_ends(link: MediaLink, stack: AsyncExitStack, end: str) -> None:
    a, b = await pair(link, stack)
    a.peer.send_audio(WORD)
    await b.hear(WORD)
    if end == "part":
        link.send(PartLegs("b"))
        link.send(PartLegs("b"))
    elif end == "close":
        await a.leg.close()
    else:
        c = await Side(link, "c").open(stack)
        link.send(JoinLegs("a", "c"))
        await in_step(a, c)
        a.peer.send_audio(OTHER_WORD)
        await c.hear(OTHER_WORD)
    await in_step(b)
    talking = asyncio.create_task(talk(a.peer, OTHER_WORD, packets=12))
    assert await b.hears_no(OTHER_WORD)
    await b.hear(SILENCE[PCMU])
    await talking


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a", "none"), ("none", "a")])
async def test_what_cannot_be_joined_is_left_alone(
    link: MediaLink, stack: AsyncExitStack, one: str, other: str
) -> None:
    a = await Side(link, "a").open(stack)
    link.send(JoinLegs(one, other))
    await in_step(a)
    await a.hear(SILENCE[PCMU])


async def test_silence_is_counted_for_each_leg(link: MediaLink, stack: AsyncExitStack) -> None:
    a, b = await pair(link, stack, timeout=0.4)
    talking = asyncio.create_task(talk(a.peer, WORD, packets=40))
    await b.leg.report(MediaTimedOut)
    await talking
