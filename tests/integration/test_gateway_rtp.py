"""The other end of a gateway leg's RTP, against a plain socket on loopback."""

from __future__ import annotations

import asyncio
import itertools
import socket

from tieline.gateway.rtp_end import CUSHION_FRAMES, MOST_FRAMES, RtpEnd
from tieline.media import rtp
from tieline.media.dtmf import EventReceiver, EventSender
from tieline.media.g711 import PCMA, PCMU, SILENCE, TRANSCODED
from tieline.sdp.negotiation import NegotiatedMedia

HOST = "127.0.0.1"
EVENTS = 101


class Peer:
    """A socket in the place of the media process."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)

    def agreed(self, payload_type: int = PCMU) -> NegotiatedMedia:
        return NegotiatedMedia(self.socket.getsockname(), payload_type, EVENTS, send=True, receive=True)

    async def packets(self, count: int) -> list[rtp.Packet]:
        """So many packets as they come."""
        found: list[rtp.Packet] = []
        while len(found) < count:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2048), 30)
            packet = rtp.parse(data)
            assert packet is not None
            found.append(packet)
        return found

    def send(self, end: RtpEnd, payload: bytes, sequence: int, kind: int = PCMU, timestamp: int = 0) -> None:
        data = rtp.build(payload, payload_type=kind, sequence=sequence, timestamp=timestamp, ssrc=7)
        self.socket.sendto(data, (end.local.address, end.local.port))


async def test_frames_go_out_at_an_even_pace_with_silence_where_there_is_nothing() -> None:
    peer, end = Peer(), RtpEnd(HOST)
    end.feed(b"\x10" * 160)
    assert end.waiting_s == 0
    begun = asyncio.get_running_loop().time()
    end.connect(peer.agreed())
    quiet = await peer.packets(3)
    assert {bytes(packet.payload) for packet in quiet} == {SILENCE[PCMU]}
    end.feed(b"\x10" * 160 * CUSHION_FRAMES)
    heard = await peer.packets(CUSHION_FRAMES + 2)
    loud = [packet for packet in heard if bytes(packet.payload) != SILENCE[PCMU]]
    assert len(loud) == CUSHION_FRAMES
    assert [packet.marker for packet in loud] == [True, False, False]
    every = [*quiet, *heard]
    # A loop that was held up sends what was due since then at once, but never anything before it is due.
    assert asyncio.get_running_loop().time() - begun > 0.02 * (len(every) - 1) - 0.005
    steps = {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(every)}
    assert steps == {1}
    ahead = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(every)}
    assert 160 in ahead
    assert {step % 160 for step in ahead} == {0}
    assert end.counts.starved == 1
    end.close()
    end.close()
    end.connect(peer.agreed())
    peer.socket.close()


async def test_what_would_be_heard_too_late_is_left_out() -> None:
    peer, end = Peer(), RtpEnd(HOST)
    end.connect(peer.agreed(PCMA))
    end.feed(b"\x10" * 160 * (MOST_FRAMES + 4))
    assert end.counts.overflowed == 4
    await peer.packets(1)
    loud = (await peer.packets(1))[0]
    assert bytes(loud.payload) == (b"\x10" * 160).translate(TRANSCODED[PCMU])
    assert loud.payload_type == PCMA
    end.forget()
    assert end.waiting_s == 0
    end.close()
    peer.socket.close()


async def test_keys_are_sent_as_events_each_once() -> None:
    peer, end, keys = Peer(), RtpEnd(HOST), EventReceiver()
    end.connect(peer.agreed())
    end.press("4#")
    heard = [
        keys.receive(packet.payload, packet.timestamp, packet.sequence, marker=packet.marker)
        for packet in await peer.packets(28)
        if packet.payload_type == EVENTS
    ]
    assert [digit for digit in heard if digit is not None] == ["4", "#"]
    assert not end.pressing
    end.close()
    peer.socket.close()


async def test_what_comes_is_handed_on_in_order_as_mu_law_with_the_keys_of_other_legs() -> None:
    peer = Peer()
    audio: list[bytes] = []
    keys: list[str] = []
    end = RtpEnd(HOST, audio.append, keys.append)
    peer.send(end, b"\x01" * 160, 1)
    await asyncio.sleep(0.05)
    end.connect(peer.agreed())
    for sequence in (10, 11, 14, 13, 14):
        peer.send(end, bytes([sequence]) * 160, sequence)
    peer.send(end, b"\x05" * 160, 15, PCMA)
    peer.send(end, b"\x05" * 160, 16, 96)
    peer.socket.sendto(b"no rtp", (end.local.address, end.local.port))
    event = EventSender()
    event.enqueue("7")
    step = event.step(800)
    assert step is not None
    peer.send(end, step.payload, 17, EVENTS, 800)
    peer.send(end, step.payload, 18, EVENTS, 800)
    await asyncio.sleep(0.1)
    expected = [bytes([each]) * 160 for each in (10, 11, 14)]
    assert audio == [*expected, (b"\x05" * 160).translate(TRANSCODED[PCMA])]
    assert keys == ["7"]
    assert (end.counts.lost, end.counts.late) == (3, 2)
    end.close()
    peer.socket.close()
