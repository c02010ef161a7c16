"""The softphone's ear and keypad: an RTP socket that records what arrives and sends silence or digits."""

from __future__ import annotations

import asyncio
import os
import socket
import wave
from pathlib import Path

from tieline.media import rtp
from tieline.media.dtmf import EventSender
from tieline.media.g711 import FRAME_BYTES, SILENCE, decode, peak
from tieline.sdp.negotiation import NegotiatedMedia

FRAME_S = 0.02
QUIET = 500
"""Peak of a 16-bit frame below which it counts as silence."""

MAX_RECORDED_S = 600


class PhoneAudio:
    """One call's audio at the caller's end. Frames are 160 bytes of G.711, 20 ms."""

    def __init__(self, host: str) -> None:
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._on_readable)
        self._media: NegotiatedMedia | None = None
        self._digits = EventSender()
        self._sequence = 0
        self._timestamp = 0
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._heard = bytearray()
        self._loud_frames = 0
        self._quiet_run = 0
        self._changed = asyncio.Event()
        self.packets_received = 0

    def connect(self, media: NegotiatedMedia) -> None:
        """Send and hear as negotiated, from now on."""
        self._media = media
        if self._timer is None:
            self._due = self._loop.time()
            self._send_frame()

    @property
    def heard_s(self) -> float:
        """Seconds of sound, silence not counted."""
        return self._loud_frames * FRAME_S

    @property
    def recording(self) -> bytes:
        """Everything heard as 16-bit mono PCM at 8 kHz."""
        return bytes(self._heard)

    def press(self, digits: str) -> None:
        """Press keys, sent as telephone-events (RFC 4733)."""
        self._digits.enqueue(digits)

    async def keys_sent(self) -> None:
        """Wait until all pressed keys have been sent."""
        while self._digits:
            await self._next_frame()

    async def speech_ended(self, *, quiet_s: float = 0.5) -> None:
        """Wait until sound has been heard and has been followed by `quiet_s` of silence."""
        heard_before = self._loud_frames
        while self._loud_frames == heard_before or self._quiet_run * FRAME_S < quiet_s:
            await self._next_frame()

    def save(self, path: Path) -> None:
        """Write what was heard as a WAV file."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(self.recording)

    def close(self) -> None:
        """Hang the receiver up."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._changed.set()

    async def _next_frame(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _on_readable(self) -> None:
        try:
            datagram = self._socket.recv(2048)
        except OSError:
            return
        packet = rtp.parse(datagram)
        if packet is None or self._media is None or packet.payload_type != self._media.payload_type:
            return
        self.packets_received += 1
        pcm = decode(packet.payload, packet.payload_type)
        if len(self._heard) < MAX_RECORDED_S * 16000:
            self._heard += pcm
        if peak(pcm) >= QUIET:
            self._loud_frames += 1
            self._quiet_run = 0
        else:
            self._quiet_run += 1

    def _send_frame(self) -> None:
        """One frame now, the next 20 ms after this one was due."""
        media = self._media
        if media is not None and media.send:
            self._socket.sendto(self._packet(media), media.remote)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME_BYTES) & 0xFFFFFFFF
        self._changed.set()
        self._due += FRAME_S
        self._timer = self._loop.call_at(self._due, self._send_frame)

    def _packet(self, media: NegotiatedMedia) -> bytes:
        event = self._digits.step(self._timestamp) if media.dtmf_payload_type is not None else None
        if event is not None and media.dtmf_payload_type is not None:
            return rtp.build(
                event.payload,
                payload_type=media.dtmf_payload_type,
                sequence=self._sequence,
                timestamp=event.timestamp,
                ssrc=self._ssrc,
                marker=event.marker,
            )
        return rtp.build(
            SILENCE[media.payload_type],
            payload_type=media.payload_type,
            sequence=self._sequence,
            timestamp=self._timestamp,
            ssrc=self._ssrc,
            marker=self._sequence == 0,
        )
