"""SRTP on a real media process: the far end is libsrtp, fed by us with its own keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from pylibsrtp import Policy, Session

from tests.integration.test_media_process import Leg, Peer
from tests.ports import few_rtp_ports
from tests.unit.media.test_dtmf import flat, keyed
from tieline.media.g711 import PCMA, PCMU, SILENCE
from tieline.media.messages import ConnectLeg, Digit, JoinLegs, MediaStarted, Play, Played, PutClip, SrtpKeys
from tieline.media.rtp import Packet, parse
from tieline.net.media_link import MediaLink, MediaSettings

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
SUITE = "AES_CM_128_HMAC_SHA1_80"
WORD = bytes(range(160))


class SecurePeer(Peer):
    """A far end that speaks SRTP once it has keys."""

    outbound: Session | None = None
    inbound: Session | None = None
    keys: SrtpKeys | None = None

    def take_keys(self, seed: int, suite: str = SUITE) -> SrtpKeys:
        """New keys for both ways, as the leg is to know them."""
        theirs, ours = bytes([seed]) * 30, bytes([seed + 1]) * 30
        profile = SUITES[suite]
        self.outbound = Session(Policy(key=theirs, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self.inbound = Session(Policy(key=ours, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
        return SrtpKeys(suite, ours, theirs)

    def send(self, datagram: bytes) -> None:
        super().send(datagram if self.outbound is None else self.outbound.protect(datagram))

    def send_bare(self, datagram: bytes) -> None:
        super().send(datagram)

    async def receive(self) -> Packet:
        datagram = await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        if self.inbound is not None:
            datagram = self.inbound.unprotect(datagram)
        packet = parse(datagram)
        assert packet is not None
        return packet


@pytest.fixture
async def link() -> AsyncIterator[MediaLink]:
    first, last = few_rtp_ports(4)
    link = MediaLink(MediaSettings(first_port=first, last_port=last, max_calls=4))
    await link.start()
    yield link
    await link.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def connect(
    link: MediaLink,
    stack: AsyncExitStack,
    leg_id: str,
    keys: int | None,
    suite: str = SUITE,
    kind: int = PCMU,
) -> tuple[Leg, SecurePeer]:
    peer = SecurePeer(ssrc=ord(leg_id))
    stack.callback(peer.socket.close)
    leg = await Leg(link, leg_id).open()
    peer.port = leg.port
    agreed = None if keys is None else peer.take_keys(keys, suite)
    link.send(ConnectLeg(leg_id, peer.address, kind, 101, True, True, None, agreed))
    await in_step(leg)
    peer.send_audio()
    await leg.report(MediaStarted)
    return leg, peer


async def in_step(leg: Leg) -> None:
    leg.link.send(Play(leg.leg_id, 0, []))
    await leg.report(Played)


async def hear(peer: SecurePeer, payload: bytes) -> Packet:
    async with asyncio.timeout(10):
        return await peer.receive_until(lambda packet: bytes(packet.payload) == payload)


@pytest.mark.parametrize("suite", SUITES)
async def test_prompts_and_keys_under_srtp(link: MediaLink, stack: AsyncExitStack, suite: str) -> None:
    leg, peer = await connect(link, stack, "a", 1, suite)
    link.send(PutClip("word", WORD))
    link.send(Play("a", 1, ["word"]))
    await hear(peer, WORD)
    assert (await leg.report(Played)).finished
    peer.send_press(flat(keyed("42")))
    assert [(await leg.report(Digit)).digit for _ in "42"] == ["4", "2"]
    closed = await leg.close()
    assert closed.packets_unauthentic == 0
    assert closed.packets_received >= 13


async def test_what_is_not_authentic_is_dropped_and_counted(link: MediaLink, stack: AsyncExitStack) -> None:
    leg, peer = await connect(link, stack, "a", 1)
    assert peer.outbound is not None
    once = peer.outbound.protect(b"\x80\x00\x20\x00" + bytes(168))
    forged = bytearray(peer.outbound.protect(b"\x80\x00\x20\x01" + bytes(168)))
    forged[-1] ^= 1
    for datagram in (once, once, bytes(forged), b"\x80\x00\x20\x02" + bytes(168), b"junk"):
        peer.send_bare(datagram)
    peer.send_press(flat(keyed("1")))
    await leg.report(Digit)
    closed = await leg.close()
    assert closed.packets_unauthentic == 3
    assert closed.packets_discarded == 1


async def test_keys_are_changed_on_the_way(link: MediaLink, stack: AsyncExitStack) -> None:
    leg, peer = await connect(link, stack, "a", 1)
    old = peer.outbound
    assert old is not None
    peer.take_keys(11)
    new, peer.outbound = peer.outbound, old
    assert peer.inbound is not None
    keys = SrtpKeys(SUITE, bytes([12]) * 30, bytes([11]) * 30)
    link.send(ConnectLeg("a", peer.address, PCMU, 101, True, True, None, keys))
    await in_step(leg)
    peer.send_press(flat(keyed("1")))
    assert (await leg.report(Digit)).digit == "1", "still under the old key"
    peer.outbound = new
    peer.send_press(flat(keyed("2", start=80_000)))
    assert (await leg.report(Digit)).digit == "2"
    while True:
        datagram = await asyncio.get_running_loop().sock_recv(peer.socket, 2048)
        if parse(datagram) and _opens(peer.inbound, datagram):
            break
    link.send(ConnectLeg("a", peer.address, PCMU, 101, True, True, None, None))
    await in_step(leg)
    peer.outbound = peer.inbound = None
    peer.send_press(flat(keyed("3", start=160_000)))
    assert (await leg.report(Digit)).digit == "3", "plain again"


def _opens(session: Session, datagram: bytes) -> bool:
    try:
        session.unprotect(datagram)
    except Exception:
        return False
    return True


@pytest.mark.parametrize(("a_keys", "b_keys"), [(1, None), (None, 1), (1, 3)])
async def test_relay_from_and_to_srtp(
    link: MediaLink, stack: AsyncExitStack, a_keys: int | None, b_keys: int | None
) -> None:
    leg, a = await connect(link, stack, "a", a_keys)
    other, b = await connect(link, stack, "b", b_keys, "AES_CM_128_HMAC_SHA1_32")
    link.send(JoinLegs("a", "b"))
    await in_step(leg)
    for sender, hearer in ((a, b), (b, a)):
        for _ in range(3):
            sender.send_audio(WORD)
            await hear(hearer, WORD)
    a.send_press(flat(keyed("7")))
    assert (await leg.report(Digit)).digit == "7"
    event = await b.receive_until(lambda packet: packet.payload_type == 101)
    assert event.payload[0] == 7
    assert (await other.close()).packets_unauthentic == 0
    await a.receive_until(lambda packet: bytes(packet.payload) == SILENCE[PCMU])


async def test_relay_transcodes_under_srtp(link: MediaLink, stack: AsyncExitStack) -> None:
    leg, a = await connect(link, stack, "a", 1)
    _, b = await connect(link, stack, "b", 3, kind=PCMA)
    link.send(JoinLegs("a", "b"))
    await in_step(leg)
    a.send_audio(b"\x00" * 160)
    assert (await hear(b, b"\x2a" * 160)).payload_type == PCMA
