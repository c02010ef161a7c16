"""Test calls by microphone against a whole server, with a WebRTC peer in the place of the browser."""

from __future__ import annotations

import array
import asyncio
import fractions
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from av import AudioFrame

from tests.integration.served import DESK, RESOURCES, SECRETS, eventually
from tieline.admin.test_calls import TestCallOrder, TestCallView
from tieline.config import load_settings
from tieline.errors import InvalidInput
from tieline.gateway.studio_calls import StudioCallState
from tieline.media.g711 import peak
from tieline.model.principal import COMMAND_LINE
from tieline.resources.plan import Applier
from tieline.server import Server

RATE = 8000
LOUD = 1000


class Tone(MediaStreamTrack):
    """A tone of 440 Hz, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._begun = time.monotonic()

    async def recv(self) -> AudioFrame:
        """The next 20 ms."""
        frame = AudioFrame(format="s16", layout="mono", samples=160)
        samples = [int(8000 * math.sin(2 * math.pi * 440 * (self._at + n) / RATE)) for n in range(160)]
        frame.planes[0].update(array.array("h", samples).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += 160
        await asyncio.sleep(max(0.0, self._begun + self._at / RATE - time.monotonic()))
        return frame


class Browser:
    """A peer as a browser would be, with only the codecs named."""

    def __init__(self, *codecs: str) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self.peer.addTransceiver(Tone(), "sendrecv")
        rates = {"opus": (48000, 2), "PCMU": (8000, 1)}
        transceiver.setCodecPreferences(
            [RTCRtpCodecCapability(f"audio/{name}", *rates[name]) for name in codecs]
        )
        self.loudest = 0
        self.peer.on("track", self._on_track)
        self._hearing: list[asyncio.Task[None]] = []

    async def offer(self) -> str:
        """What it offers."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """The server's answer."""
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        """The page is closed."""
        await self.peer.close()
        await asyncio.gather(*self._hearing, return_exceptions=True)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._hearing.append(asyncio.create_task(self._hear(track)))

    async def _hear(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self.loudest = max(self.loudest, peak(bytes(frame.planes[0])[: frame.samples * 2]))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server in this process with the project desk."""
    settings = load_settings(
        environ={},
        overrides={
            "store.path": str(tmp_path / "tieline.db"), "http.port": 0, "sip.udp_host": "127.0.0.1",
            "sip.udp_port": 0, "sip.tcp_host": "", "rtp.port_first": 41000, "rtp.port_last": 41999,
            "studio.enabled": False, "server.max_lag_ms": 0,
        },
    )  # fmt: skip
    made = Server(settings)
    await made.store.open(made.clock.utc())
    text = RESOURCES.format(desk=DESK, numbers="+15550100-+15550109")
    applier = Applier(
        file=tmp_path / "r.yaml", text=text, environ=SECRETS, random_bytes=lambda size: b"x" * size
    )
    await made.store.apply(lambda current: applier.plan(current).resources, made.clock.utc())
    await made.store.close()
    made = Server(settings)
    await made.start()
    yield made
    await made.drain(1.0)
    await made.stop()


async def call(server: Server, browser: Browser, **fields: Any) -> TestCallView:
    """Place a call; it is up."""
    admin = server.outward.admin.test_calls
    order = TestCallOrder(project="desk", callee="200", caller="+15557654321", **fields)
    placed, answer = await admin.place_voice(COMMAND_LINE, order, await browser.offer())
    await browser.accept(answer)

    async def talking() -> TestCallView | None:
        view = await admin.progress(COMMAND_LINE, placed.id)
        return view if view.state is StudioCallState.TALKING else None

    return await eventually(talking)


async def over(server: Server, placed: TestCallView) -> TestCallView:
    """The call once its last write is there."""

    async def ended() -> TestCallView | None:
        view = await server.outward.admin.test_calls.progress(COMMAND_LINE, placed.id)
        return view if view.termination is not None else None

    return await eventually(ended)


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_tone_in_prompt_out_and_keys(server: Server, codec: str) -> None:
    browser = Browser(codec)
    placed = await call(server, browser)
    await eventually(lambda: browser.loudest > LOUD)
    admin = server.outward.admin.test_calls
    admin.press(COMMAND_LINE, placed.id, "1")
    admin.press(COMMAND_LINE, placed.id, "#")

    async def heard() -> bool:
        view = await admin.progress(COMMAND_LINE, placed.id)
        return any(turn.user_input == "1" for turn in view.turns)

    await eventually(heard)
    admin.hang_up(COMMAND_LINE, placed.id)
    view = await over(server, placed)
    assert view.media is not None
    assert view.media["peak_level"] > 0.15
    assert view.media["packets_lost"] == 0
    assert view.media["digits_received"] >= 1
    await browser.close()


async def test_closing_the_page_is_a_bye(server: Server) -> None:
    browser = Browser("PCMU")
    placed = await call(server, browser)
    await browser.close()
    view = await over(server, placed)
    assert view.termination is not None
    assert view.termination["reason"] == "caller_hung_up"
    assert "browser was closed" in view.termination["detail"]


async def test_an_offer_that_is_none_is_refused(server: Server) -> None:
    admin = server.outward.admin.test_calls
    order = TestCallOrder(project="desk")
    for offer in ("", "v=0", "hello", "x" * 30_000):
        with pytest.raises(InvalidInput):
            await admin.place_voice(COMMAND_LINE, order, offer)
    assert server.registry.sessions() == []
