"""Audio on real calls: garbage, silence, a new address, digits that nobody may read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rtp_end import RtpEnd
from tests.integration.served import Served, serving
from tests.integration.sip_peer import SipPeer

SILENCE_TIMEOUT_S = 2.0
SECRET_DIGITS = "739154826"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits two seconds for audio, and logs all it may."""
    settings: dict[str, dict[str, Any]] = {
        "rtp": {"silence_timeout_s": SILENCE_TIMEOUT_S},
        "log": {"level": "debug"},
    }
    with serving(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


@pytest.fixture
async def peer(served: Served) -> AsyncIterator[SipPeer]:
    opened = await SipPeer.open(served.sip_udp)
    yield opened
    await opened.close()


async def test_no_audio_ends_the_call(served: Served, peer: SipPeer, ear: RtpEnd) -> None:
    reserved = await served.reserve(shared_id="mute", act="hold")
    assert (await peer.invite(reserved["dni"], port=ear.port)).status == 200
    bye = await peer.bye_heard()
    assert bye.header("Reason")
    call = await served.ended_call(peer.call_id)
    assert call["termination"] == {"fault": "trunk", "reason": "no_media", "detail": ""}
    assert (await served.handoff("mute")).answer["status"] == "ended_without_handoff"


async def test_garbage_does_no_harm(served: Served, peer: SipPeer, ear: RtpEnd) -> None:
    reserved = await served.reserve(shared_id="garbage")
    assert (await peer.invite(reserved["dni"], port=ear.port)).status == 200
    await ear.anything()
    for size in (0, 1, 2, 11, 12, 13, 200, 1500, 9000):
        ear.send_raw(os.urandom(size))
    for first in (0x00, 0x40, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF):
        ear.send_raw(bytes([first]) + os.urandom(40))
        ear.send_raw(bytes([first, 101]) + os.urandom(10) + b"\xff\xff\xff\xff")
    # Somebody else's audio, from another address, is not taken for the caller's.
    stranger = await RtpEnd.open("127.0.0.9")
    stranger.remote = ear.remote
    await stranger.send_silence(0.1)
    speaking = asyncio.create_task(ear.speech())
    while not speaking.done():
        await ear.send_silence(0.1)
    await speaking
    await ear.press("2")
    bye = await peer.bye_heard()
    assert bye.header("X-Destination") == "service"
    assert not any(packet.loud for packet in stranger.heard)
    await stranger.close()


async def test_a_new_address(served: Served, peer: SipPeer, ear: RtpEnd) -> None:
    """A re-INVITE moves the caller's audio; the answer is for the same port of ours, and keys come from there."""
    reserved = await served.reserve(shared_id="moves", act="hold")
    assert (await peer.invite(reserved["dni"], port=ear.port)).status == 200
    await ear.anything()
    await ear.send_silence(0.2)
    moved = await RtpEnd.open()
    answer = await peer.ask("INVITE", body=peer.sdp(moved.port).replace("o=- 1 1", "o=- 1 2"))
    assert answer.status == 200
    peer.ack()
    await moved.anything(10)
    await moved.press("58")
    heard = len(ear.heard)
    await moved.send_silence(0.5)
    assert len(ear.heard) - heard <= 2, "the old address is left alone"
    assert (await peer.ask("BYE")).status == 200
    call = await served.ended_call(peer.call_id)
    assert (await served.conversation(call["id"]))["data"]["pressed"] == "58"
    await moved.close()


async def test_a_bad_reinvite_leaves_the_call_as_it_was(served: Served, peer: SipPeer, ear: RtpEnd) -> None:
    reserved = await served.reserve(shared_id="stays", act="menu")
    assert (await peer.invite(reserved["dni"], port=ear.port)).status == 200
    await ear.anything()
    answer = await peer.ask("INVITE", body=peer.sdp(0).replace("RTP/AVP 0", "RTP/AVP 18"))
    assert answer.status == 488
    peer.raw(peer.request("ACK", cseq=2, to=answer.header("To")))
    await ear.press("1")
    assert (await peer.bye_heard()).header("X-Destination") == "sales"


@pytest.mark.parametrize("by", ["rtp", "info"])
async def test_personal_digits_are_written_nowhere(
    served: Served, peer: SipPeer, ear: RtpEnd, by: str
) -> None:
    reserved = await served.reserve(shared_id=f"secret-{by}", act="secret")
    assert (await peer.invite(reserved["dni"], port=ear.port)).status == 200
    await ear.anything()
    if by == "rtp":
        await ear.press(SECRET_DIGITS)
    else:
        for digit in SECRET_DIGITS:
            body = f"Signal={digit}\r\nDuration=100\r\n"
            assert (await peer.ask("INFO", body=body, kind="application/dtmf-relay")).status == 200
    bye = await peer.bye_heard()
    assert bye.header("X-Destination") == "vault"
    call = await served.ended_call(peer.call_id)
    whole = await served.conversation(call["id"])
    assert [turn["user_input"] for turn in whole["turns"] if turn["channel"] == "keypad"][:1] == [None]
    shown = await served.command("calls", "show", call["id"])
    assert SECRET_DIGITS not in shown
    assert "Signal=" not in shown
    for path in files_of(served.folder):
        content = path.read_bytes()
        assert SECRET_DIGITS.encode() not in content, path
        assert f"Signal={SECRET_DIGITS[0]}".encode() not in content, path


def files_of(folder: Path) -> list[Path]:
    """Everything that the server has written: log, database and its journals."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {"tieline.log", "tieline.db"} <= {path.name for path in found}
    return found
