"""One browser's audio by WebRTC: an offer in, an answer out, µ-law both ways until either side is gone.

G.711 is preferred, for that is what calls are made of: what goes out is packed as it is, and nothing is encoded. Opus
is spoken with a browser that offers no G.711. Decoding runs in aiortc's own thread, encoding of Opus in one of the
loop's. Importing this module loads FFmpeg's libraries, which takes a moment: see `tieline.gateway.browser_calls`.
"""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import get_capabilities
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from av import AudioFrame, AudioResampler
from av.packet import Packet

from tieline.errors import InvalidInput, TielineError
from tieline.gateway.ice import advertise, gather_at, without_names
from tieline.gateway.ice_place import IcePlace
from tieline.media.g711 import PCMU, SAMPLE_RATE, decode, encode
from tieline.observe.logging import get_logger

MAX_OFFER: Final = 20_000
"""Longest offer, in characters."""

WAITING_FRAMES: Final = 50
_TIME_BASE: Final = fractions.Fraction(1, SAMPLE_RATE)
_PREFERRED: Final = ("audio/PCMU", "audio/PCMA", "audio/opus")

OnAudio = Callable[[bytes], None]
OnState = Callable[[bool], None]


@dataclass(slots=True)
class _Codec:
    """What was agreed on; `encoded` says that µ-law goes out as it is."""

    encoded: bool = False


class _Mouth(MediaStreamTrack):
    """What the browser is to hear: whatever is `put`, at the pace at which it is put."""

    kind = "audio"

    def __init__(self, codec: _Codec) -> None:
        super().__init__()
        self._codec = codec
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._timestamp = 0

    def put(self, pcmu: bytes) -> None:
        """One frame of µ-law; the oldest is left out when too many wait."""
        if self._frames.qsize() >= WAITING_FRAMES:
            self._frames.get_nowait()
        self._frames.put_nowait(pcmu)

    def stop(self) -> None:
        """No more."""
        self._frames.put_nowait(None)
        super().stop()

    async def recv(self) -> Packet[Any] | AudioFrame:
        """The next frame. Raises `MediaStreamError` after `stop`."""
        pcmu = await self._frames.get()
        if pcmu is None:
            raise MediaStreamError
        frame: Packet[Any] | AudioFrame
        if self._codec.encoded:
            frame = Packet(pcmu)
        else:
            frame = AudioFrame(format="s16", layout="mono", samples=len(pcmu))
            frame.planes[0].update(decode(pcmu, PCMU))
            frame.sample_rate = SAMPLE_RATE
        frame.pts = self._timestamp
        frame.time_base = _TIME_BASE
        self._timestamp += len(pcmu)
        return frame


class BrowserAudio:
    """The peer connection to one browser. Use it in a running loop, and `close` it.

    `on_audio` is given what the browser hears from its microphone, as µ-law; `on_up` is told once media flows, and
    `on_gone` once it does not any more: True when the browser has closed it, False when it broke.
    """

    def __init__(
        self, place: IcePlace, on_audio: OnAudio, on_up: Callable[[], None], on_gone: OnState
    ) -> None:
        self.codec = ""
        self.packets = 0
        self._place = place
        self._on_audio = on_audio
        self._on_up = on_up
        self._on_gone = on_gone
        self._agreed = _Codec()
        self._mouth = _Mouth(self._agreed)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._peer.addTransceiver(self._mouth, "sendrecv")
        transceiver.setCodecPreferences(_codecs())
        self._peer.on("connectionstatechange", self._on_state)
        self._peer.on("track", self._on_track)
        self._hearing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._up = False
        self._log = get_logger("gateway")

    async def accept(self, offer: str, client: str) -> str:
        """The answer to a browser's offer; `client` is the address that it came from.

        Raises `InvalidInput` for an offer that is none of audio, and `Unavailable` without a free port.
        """
        if len(offer) > MAX_OFFER:
            raise InvalidInput("the browser's offer is too long")
        try:
            answer = await self._answer(without_names(offer, client))
        except TielineError:
            raise
        except Exception as error:
            # Whatever aiortc makes of it: the offer is what came from outside.
            self._log.info("< unusable offer of a browser", detail=repr(error)[:200])
            raise InvalidInput("the browser's offer cannot be used: it has no audio that we know") from None
        return advertise(answer, self._place.advertised)

    async def _answer(self, offer: str) -> str:
        await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if len(self._peer.getTransceivers()) != 1:
            raise InvalidInput("the browser's offer has to be of one audio stream and nothing else")
        gather_at(self._peer, self._place)
        answer = await self._peer.createAnswer()
        await self._peer.setLocalDescription(answer)
        self.codec = _first_codec(self._peer.localDescription.sdp)
        self._agreed.encoded = self.codec == "PCMU"
        return str(self._peer.localDescription.sdp)

    def send(self, pcmu: bytes) -> None:
        """Let the browser hear a frame."""
        if self._up:
            self._mouth.put(pcmu)

    def close(self) -> None:
        """End it; `on_gone` is not told."""
        self._on_gone = _ignore
        self._on_up = lambda: None
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def closed(self) -> None:
        """Wait until everything is given back; `close` was called."""
        if self._closing is not None:
            await self._closing

    async def _close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        self._mouth.stop()
        await self._peer.close()

    def _on_state(self) -> None:
        state = self._peer.connectionState
        if state == "connected" and not self._up:
            self._up = True
            self._on_up()
        elif state in {"failed", "closed"} and self._closing is None:
            self._up = False
            gone, self._on_gone = self._on_gone, _ignore
            gone(state == "closed")

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(track), name="browser audio")

    async def _hear(self, track: MediaStreamTrack) -> None:
        """Bring what the browser sends into µ-law at 8 kHz."""
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                self.packets += 1
                for each in resampler.resample(frame):
                    pcm = bytes(each.planes[0])[: each.samples * 2]
                    self._on_audio(encode(pcm, PCMU))


def _ignore(_: object) -> None:
    pass


def _codecs() -> list[RTCRtpCodecCapability]:
    """What is spoken, best first."""
    known = get_capabilities("audio").codecs
    return [codec for kind in _PREFERRED for codec in known if codec.mimeType == kind]


def _first_codec(sdp: str) -> str:
    """The name of the codec that an answer lists first."""
    formats = next(line for line in sdp.splitlines() if line.startswith("m=audio ")).split()
    named = {"0": "PCMU", "8": "PCMA"}
    for line in sdp.splitlines():
        if line.startswith("a=rtpmap:"):
            number, _, name = line.removeprefix("a=rtpmap:").partition(" ")
            named[number] = name.partition("/")[0]
    return named.get(formats[3], "")
