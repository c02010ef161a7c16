"""A scripted peer's RTP on real sockets: what it hears, and what it sends as its `Sound` says."""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from struct import pack
from typing import TYPE_CHECKING

from tieline.media import rtp
from tieline.media.dtmf import EventReceiver, EventSender
from tieline.media.g711 import FRAME_BYTES, PCMA, PCMU, SILENCE, decode, encode, peak

if TYPE_CHECKING:
    from tieline.testing.contact_center.dialog import PeerDialog

FRAME_S = 0.02
QUIET = 500
"""Peak of a 16-bit frame below which it counts as silence."""
TONE = encode(
    b"".join(pack("=h", round(8000 * math.sin(2 * math.pi * 400 * n / 8000))) for n in range(FRAME_BYTES)),
    PCMU,
)
"""One frame of 400 Hz: eight whole waves."""


class PeerAudio:
    """The sound of one call. Times are the loop's; `keys` are the digits that came in RTP."""

    def __init__(self, host: str, call: PeerDialog) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._sound = call.centre.manners.sound
        self._receiving = _bound(host)
        self._sending = _bound(host) if self._sound.other_port else self._receiving
        self.port: int = self._receiving.getsockname()[1]
        for end in {
            self._receiving,
            self._sending,
        }:  # who sends from elsewhere hears there too, as behind a NAT
            self._loop.add_reader(end, self._on_readable, end)
        self._digits = EventSender()
        self._events = EventReceiver()
        self._echo: deque[bytes] = deque(maxlen=50)
        self._sequence = self._timestamp = 0
        self._ssrc = self.port
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._quiet_run = 0
        self._loud_frames = 0
        self.packets_received = 0
        self.packets_sent = 0
        self.keys = ""
        self.closed = False

    @property
    def heard_s(self) -> float:
        """Seconds of sound, silence not counted."""
        return self._loud_frames * FRAME_S

    @property
    def quiet_s(self) -> float:
        """How long it has been quiet, by the packets that came."""
        return self._quiet_run * FRAME_S

    @property
    def pressing(self) -> bool:
        """Whether keys are still being sent."""
        return bool(self._digits) and not self.closed

    def start(self) -> None:
        """Send from now on."""
        if self._timer is None and not self.closed:
            self._due = self._loop.time()
            self._send_frame()

    def press(self, keys: str) -> None:
        """Press keys, sent as telephone-events."""
        self._digits.enqueue(keys)

    async def keys_sent(self) -> None:
        """Wait until all pressed keys have been sent."""
        while self.pressing:  # noqa: ASYNC110
            await asyncio.sleep(FRAME_S)

    async def speech_ended(self, *, quiet_s: float = 0.5, within_s: float = 30.0) -> None:
        """Wait until sound was heard and then `quiet_s` of silence, or the call is over. Raises `TimeoutError`."""
        before = self._loud_frames
        async with asyncio.timeout(within_s):
            while not self.closed:
                if self._loud_frames > before and self.quiet_s >= quiet_s:
                    return
                await asyncio.sleep(FRAME_S)

    def close(self) -> None:
        """Be silent and deaf from now on; what was counted stays."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for end in {self._receiving, self._sending}:
            self._loop.remove_reader(end)
            end.close()

    def _on_readable(self, end: socket.socket) -> None:
        try:
            packet = rtp.parse(end.recv(2048))
        except OSError:
            return
        if packet is None:
            return
        self.packets_received += 1
        if packet.payload_type not in {PCMU, PCMA}:
            key = self._events.receive(
                packet.payload, packet.timestamp, packet.sequence, marker=packet.marker
            )
            self.keys += key or ""
            return
        self._echo.append(bytes(packet.payload))
        if peak(decode(packet.payload, packet.payload_type)) >= QUIET:
            self._loud_frames += 1
            self._quiet_run = 0
        else:
            self._quiet_run += 1

    def _send_frame(self) -> None:
        """One frame now, the next 20 ms after this one was due."""
        remote = self._call.remote_rtp
        packet = self._packet()
        if remote is not None and packet is not None:
            self._sending.sendto(packet, remote)
            self.packets_sent += 1
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME_BYTES) & 0xFFFFFFFF
        self._due += FRAME_S
        self._timer = self._loop.call_at(self._due, self._send_frame)

    def _packet(self) -> bytes | None:
        event = self._digits.step(self._timestamp) if self._call.remote_events is not None else None
        if event is not None and self._call.remote_events is not None:
            return rtp.build(
                event.payload, payload_type=self._call.remote_events, sequence=self._sequence,
                timestamp=event.timestamp, ssrc=self._ssrc, marker=event.marker and self._sound.marker,
            )  # fmt: skip
        payload = self._payload()
        if payload is None:
            return None
        return rtp.build(
            payload, payload_type=PCMU, sequence=self._sequence, timestamp=self._timestamp, ssrc=self._ssrc
        )

    def _payload(self) -> bytes | None:
        if self._sound.sends == "nothing":
            return None
        if self._sound.sends == "tone":
            return TONE
        if self._sound.sends == "echo" and self._echo:
            return self._echo.popleft()
        return SILENCE[PCMU]


def _bound(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((host, 0))
    return made
