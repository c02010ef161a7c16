"""A real media process on loopback, driven through the link by real UDP sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest

from tests.ports import few_rtp_ports
from tests.unit.media.test_dtmf import Press, flat, keyed
from tieline.errors import Unavailable
from tieline.media.g711 import PCMA, SILENCE, ulaw_to_alaw
from tieline.media.messages import (
    CloseLeg,
    ConnectLeg,
    Digit,
    DropClip,
    LegClosed,
    LegFigures,
    MediaStarted,
    MediaTimedOut,
    Play,
    Played,
    PutClip,
    Report,
    SendDigits,
    StopPlay,
    TellFigures,
)
from tieline.media.rtp import Packet, build, parse
from tieline.net.media_link import MediaLink, MediaSettings

R = TypeVar("R", bound=Report)
CLIP = bytes(range(160)) + bytes(reversed(range(160))) + b"\x01" * 160


class Peer:
    """The far end of a leg: a socket with a sequence number and a clock of its own."""

    def __init__(self, host: str = "127.0.0.1", ssrc: int = 7) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.host = host
        self.ssrc = ssrc
        self.sequence = 0
        self.port = 0

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.socket.getsockname()[1]

    def send_audio(self, payload: bytes = SILENCE[0], kind: int = 0) -> None:
        self.sequence += 1
        self.send(
            build(
                payload,
                payload_type=kind,
                sequence=self.sequence,
                timestamp=160 * self.sequence,
                ssrc=self.ssrc,
            )
        )

    def send_press(self, packets: Press, kind: int = 101) -> None:
        for payload, timestamp, _, marker in packets:
            self.sequence += 1
            self.send(
                build(payload, payload_type=kind, sequence=self.sequence, timestamp=timestamp, ssrc=self.ssrc,
                      marker=marker)
            )  # fmt: skip

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, (self.host, self.port))

    async def receive(self) -> Packet:
        packet = parse(await asyncio.get_running_loop().sock_recv(self.socket, 2048))
        assert packet is not None
        return packet

    async def receive_until(self, wanted: Callable[[Packet], bool]) -> Packet:
        while True:
            packet = await self.receive()
            if wanted(packet):
                return packet


class Leg:
    """A leg with the reports that it has sent."""

    def __init__(self, link: MediaLink, leg_id: str) -> None:
        self.link = link
        self.leg_id = leg_id
        self.port = 0
        self._reports: asyncio.Queue[Report] = asyncio.Queue()

    async def open(self) -> Leg:
        self.port = await self.link.open_leg(self.leg_id, self._reports.put_nowait)
        return self

    async def connect(
        self, peer: Peer, *, kind: int = 0, dtmf: int | None = 101, send: bool = True, receive: bool = True,
        timeout: float | None = None, announced: tuple[str, int] | None = None, wait: bool = True,
    ) -> None:  # fmt: skip
        """Tell the leg what was negotiated; when it sends, wait until it does."""
        peer.port = self.port
        self.link.send(ConnectLeg(self.leg_id, announced or peer.address, kind, dtmf, send, receive, timeout))
        if send and wait:
            # An empty play ends at the first frame: by then the process knows what was negotiated.
            self.link.send(Play(self.leg_id, 0, []))
            assert (await self.report(Played)).play_id == 0

    async def report(self, kind: type[R]) -> R:
        """The next report, which has to be of this kind."""
        report = await self._reports.get()
        assert isinstance(report, kind), report
        return report

    async def close(self) -> LegClosed:
        self.link.send(CloseLeg(self.leg_id))
        return await self.report(LegClosed)


@pytest.fixture
async def link() -> AsyncIterator[MediaLink]:
    first, last = few_rtp_ports(4)
    link = MediaLink(MediaSettings(first_port=first, last_port=last, max_calls=4))
    await link.start()
    yield link
    await link.stop()
    assert link.pids == []


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    peer.socket.close()


@pytest.fixture
async def leg(link: MediaLink) -> Leg:
    return await Leg(link, "one").open()


async def test_a_clip_arrives_byte_for_byte(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer)
    link.send(PutClip("clip", CLIP))
    link.send(Play("one", 1, ["clip", "unknown", "clip"]))
    first = await peer.receive_until(lambda packet: packet.marker)
    packets = [first, *[await peer.receive() for _ in range(5)]]
    assert b"".join(bytes(packet.payload) for packet in packets) == CLIP * 2
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in packets] == list(range(6))
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in packets] == [
        160 * n for n in range(6)
    ]
    assert bytes((await peer.receive()).payload) == SILENCE[0]
    assert await leg.report(Played) == Played("one", 1, True, 0.12)


async def test_figures_are_told_while_the_leg_is_open(link: MediaLink, leg: Leg, peer: Peer) -> None:
    other = await Leg(link, "two").open()
    await leg.connect(peer)
    for _ in range(3):
        peer.send_audio()
    peer.sequence += 1  # one is lost
    peer.send_audio()
    await leg.report(MediaStarted)
    told = LegFigures("one", 0, 0, 0, 0, 0.0, 0)
    while told.packets_received < 4:
        link.send(TellFigures())
        told = await leg.report(LegFigures)
        assert (await other.report(LegFigures)).packets_received == 0
    assert (told.packets_received, told.packets_lost, told.leg_id) == (4, 1, "one")
    assert told.packets_sent > 0
    closed = await leg.close()
    assert (closed.packets_received, closed.packets_lost) == (4, 1)


async def test_a_clip_is_played_in_a_law_too(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, kind=PCMA)
    link.put_clip("clip", CLIP)
    link.send(Play("one", 1, ["clip"]))
    first = await peer.receive_until(lambda packet: packet.marker)
    packets = [first, await peer.receive(), await peer.receive()]
    assert b"".join(bytes(packet.payload) for packet in packets) == ulaw_to_alaw(CLIP)
    assert {packet.payload_type for packet in packets} == {PCMA}


async def test_a_play_can_be_cut(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer)
    link.put_clip("long", b"\x01" * 80000)
    link.send(Play("one", 1, ["long"]))
    link.send(Play("one", 2, ["long"]))
    await peer.receive_until(lambda packet: packet.marker)
    link.send(StopPlay("one"))
    first, second = await leg.report(Played), await leg.report(Played)
    assert (first.play_id, first.finished, second) == (1, False, Played("one", 2, False, 0.0))
    assert 0 < first.seconds < 10
    await peer.receive_until(lambda packet: bytes(packet.payload) == SILENCE[0])


async def test_a_dropped_clip_is_played_no_more(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer)
    link.put_clip("clip", CLIP)
    link.send(DropClip("clip"))
    link.send(DropClip("clip"))
    link.send(Play("one", 1, ["clip"]))
    assert await leg.report(Played) == Played("one", 1, True, 0.0)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda run: run, id="whole"),
        pytest.param(lambda run: [(*packet[:3], False) for packet in run], id="no marker"),
        pytest.param(lambda run: run[4:], id="start lost"),
        pytest.param(lambda run: run[:-3], id="all ends lost"),
        pytest.param(lambda run: run[-1:], id="one packet left"),
        pytest.param(lambda run: [packet for packet in run for _ in range(2)], id="doubled"),
    ],
)
async def test_digits_are_heard_whatever_the_network_does(
    leg: Leg, peer: Peer, damage: Callable[[Press], Press]
) -> None:
    await leg.connect(peer)
    peer.send_press(flat(damage(run) for run in keyed("1105#", start=1000, sequence=0)))
    await leg.report(MediaStarted)
    assert [(await leg.report(Digit)).digit for _ in range(5)] == list("1105#")
    assert (await leg.close()).digits_received == 5


async def test_digits_are_sent(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, dtmf=97)
    link.send(SendDigits("one", "5"))
    first = await peer.receive_until(lambda packet: packet.payload_type == 97)
    packets = [first, *[await peer.receive() for _ in range(9)]]
    assert first.marker
    assert {packet.timestamp for packet in packets} == {first.timestamp}
    assert bytes(packets[-1].payload) == b"\x05\x8a\x05\x00"


async def test_audio_goes_to_where_it_comes_from(leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, announced=("127.0.0.1", 9))
    peer.send_audio()
    assert (await leg.report(MediaStarted)).source == peer.address
    await peer.receive()


async def test_a_stranger_neither_speaks_nor_listens(leg: Leg, peer: Peer) -> None:
    await leg.connect(peer)
    peer.send_audio()
    await leg.report(MediaStarted)
    stranger = Peer(ssrc=666)
    stranger.port = leg.port
    stranger.send_audio(b"\x80" * 160)
    stranger.send_press(keyed("9", start=1, sequence=1)[0])
    stranger.send(b"not RTP at all")
    peer.send_press(keyed("1", start=9000, sequence=1)[0])
    assert (await leg.report(Digit)).digit == "1"
    await peer.receive()
    closed = await leg.close()
    assert (closed.packets_discarded, closed.digits_received, closed.peak_level) == (13, 1, 0.0)
    with pytest.raises(BlockingIOError):
        stranger.socket.recv(2048)
    stranger.socket.close()


async def test_silence_from_the_peer_is_told(leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, timeout=0.2)
    assert await leg.report(MediaTimedOut) == MediaTimedOut("one")


async def test_silence_on_hold_is_not(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, timeout=0.05, send=False)
    other = await Leg(link, "two").open()
    await other.connect(peer, timeout=0.3)
    await other.report(MediaTimedOut)
    assert (await leg.close()).packets_sent == 0


async def test_a_play_waits_out_the_hold(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.connect(peer, send=False)
    link.put_clip("clip", CLIP)
    link.send(Play("one", 1, ["clip"]))
    await leg.connect(peer, wait=False)
    assert bytes((await peer.receive()).payload) == CLIP[:160]
    assert (await leg.report(Played)).finished


async def test_the_figures_of_a_leg(leg: Leg, peer: Peer) -> None:
    await leg.connect(peer)
    peer.send_audio(b"\x80" * 160)
    peer.sequence += 2
    peer.send_audio()
    peer.send_press(keyed("1", start=9000, sequence=1)[0])
    peer.send_press(keyed("2", start=19000, sequence=1)[0][:1])
    await leg.report(MediaStarted)
    assert [(await leg.report(Digit)).digit for _ in range(2)] == ["1", "2"]
    closed = await leg.close()
    assert (closed.packets_received, closed.packets_lost, closed.packets_discarded) == (14, 2, 0)
    assert closed.packets_sent >= 1
    assert (closed.digits_received, closed.sources, closed.packets_unsent) == (2, 1, 0)
    assert closed.peak_level == pytest.approx(0.98, abs=0.02)


async def test_a_range_that_is_used_up(link: MediaLink) -> None:
    legs = [await Leg(link, str(number)).open() for number in range(4)]
    assert len({leg.port for leg in legs}) == 4
    assert all(leg.port % 2 == 0 for leg in legs)
    with pytest.raises(Unavailable, match="no RTP port is free"):
        await Leg(link, "5").open()
    with pytest.raises(Unavailable, match="open already"):
        await Leg(link, "1").open()
    await legs[2].close()
    assert (await Leg(link, "5").open()).port == legs[2].port
    assert link.legs == 4


async def test_a_leg_whose_opener_gave_up_leaves_nothing(link: MediaLink) -> None:
    opening = asyncio.create_task(link.open_leg("one", lambda _: None))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert link.legs == 0
    legs = [await Leg(link, str(number)).open() for number in range(4)]
    assert len(legs) == 4


async def test_commands_for_legs_that_are_gone_do_no_harm(link: MediaLink, leg: Leg, peer: Peer) -> None:
    await leg.close()
    await leg.connect(peer, wait=False)
    for command in (Play("one", 1, []), StopPlay("one"), SendDigits("one", "1"), CloseLeg("one")):
        link.send(command)
    await Leg(link, "two").open()
    assert link.restarts == 0


async def test_a_killed_process_is_started_again_and_has_its_clips(
    link: MediaLink, leg: Leg, peer: Peer
) -> None:
    await leg.connect(peer)
    link.put_clip("clip", CLIP)
    await peer.receive()
    (pid,) = link.pids
    os.kill(pid, signal.SIGKILL)
    assert await leg.report(LegClosed) == LegClosed("one", 0, 0, 0, 0, 0.0, 0)
    with pytest.raises(Unavailable, match="restarted"):
        await Leg(link, "early").open()
    async with asyncio.timeout(30):
        while not link.up:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert link.restarts == 1
    assert link.pids != [pid]
    again = await Leg(link, "one").open()
    await again.connect(peer)
    link.send(Play("one", 1, ["clip"]))
    packet = await peer.receive_until(lambda packet: packet.marker)
    assert bytes(packet.payload) == CLIP[:160]
    assert (await again.report(Played)).finished


async def test_two_processes_share_the_legs_and_fail_apart(peer: Peer) -> None:
    first, last = few_rtp_ports(4)
    link = MediaLink(MediaSettings(first_port=first, last_port=last, processes=2, max_calls=4))
    async with AsyncExitStack() as stack:
        await link.start()
        stack.push_async_callback(link.stop)
        legs = [await Leg(link, str(number)).open() for number in range(4)]
        assert len({leg.port for leg in legs}) == 4
        os.kill(link.pids[0], signal.SIGKILL)
        lost = [leg for leg in legs if (leg.port - first) % 4 == 0]
        for leg in lost:
            await leg.report(LegClosed)
        for leg in legs:
            if leg not in lost:
                await leg.connect(peer)
                await peer.receive()


async def test_a_listener_that_raises_disturbs_nobody(link: MediaLink, peer: Peer) -> None:
    def listener(report: Report) -> None:
        raise ZeroDivisionError

    port = await link.open_leg("bad", listener)
    good = await Leg(link, "good").open()
    peer.port = port
    link.send(ConnectLeg("bad", peer.address, 0, 101, True, True, None))
    peer.send_audio()
    link.send(CloseLeg("bad"))
    assert (await good.close()).leg_id == "good"


async def test_an_address_that_is_not_ours_is_told() -> None:
    link = MediaLink(MediaSettings(bind_host="192.0.2.1"))
    await link.start()
    with pytest.raises(Unavailable, match="no socket"):
        await link.open_leg("one", lambda _: None)
    await link.stop()


async def test_a_process_that_cannot_start_is_told() -> None:
    link = MediaLink(MediaSettings(bind_host="no address"))
    with pytest.raises(Unavailable, match="ended as it started"):
        await link.start()


async def test_ipv6() -> None:
    first, last = few_rtp_ports(1, "::")
    link = MediaLink(MediaSettings(bind_host="::", first_port=first, last_port=last))
    await link.start()
    leg = await Leg(link, "one").open()
    for host in ("::1", "127.0.0.1"):
        peer = Peer(host)
        await leg.connect(peer)
        await peer.receive()
        peer.socket.close()
    four = Peer("127.0.0.1")
    await leg.connect(four)
    four.send_audio()
    assert (await leg.report(MediaStarted)).source == four.address
    four.socket.close()
    await link.stop()
