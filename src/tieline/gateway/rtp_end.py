"""The other end of a gateway leg's RTP: G.711 in and out of the media process, over a loopback port.

What comes from the media process is handed on frame by frame; what comes from the other side is sent at an even pace,
20 ms a packet, silence where there is nothing: the media process takes a peer that sends nothing for gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tieline.media import rtp
from tieline.media.dtmf import EventReceiver, EventSender
from tieline.media.g711 import FRAME_BYTES, FRAME_MS, G711, PCMA, PCMU, SILENCE, TRANSCODED
from tieline.net.addresses import bound_socket
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia

FRAME_S: Final = FRAME_MS / 1000
CUSHION_FRAMES: Final = 3
"""Frames that are gathered before any is sent, at first and after each gap: what the other side's jitter may be."""

MOST_FRAMES: Final = 15
"""Frames that may wait; beyond them the oldest are left out, or the caller would be heard later and later."""

_MOST_BEHIND: Final = 10
_MAX_DATAGRAM: Final = 2048
_READS: Final = 16

OnAudio = Callable[[bytes], None]
OnDigit = Callable[[str], None]


@dataclass(slots=True)
class RtpCounts:
    """What one end has done: packets in and out, those lost or too late on the way in, frames that were missing."""

    received: int = 0
    lost: int = 0
    late: int = 0
    sent: int = 0
    starved: int = 0
    overflowed: int = 0


def _nothing(_: object) -> None:
    pass


class RtpEnd:
    """Bound to `host`, which the media process reaches. `on_audio` is given each payload in order, as µ-law.

    `on_digit` is told of keys that another leg of the call presses. Use it in a running loop, and `close` it.
    """

    def __init__(
        self, host: str, on_audio: OnAudio = _nothing, on_digit: OnDigit = _nothing, *, session_id: int = 1
    ) -> None:
        self.counts = RtpCounts()
        self._loop = asyncio.get_running_loop()
        self._socket = bound_socket(host, 0, socket.SOCK_DGRAM)
        self._local = LocalMedia(address=host, port=self._socket.getsockname()[1], session_id=session_id)
        self._on_audio = on_audio
        self._on_digit = on_digit
        self._media: NegotiatedMedia | None = None
        self._pending = bytearray()
        self._flowing = False
        self._keys = EventSender()
        self._heard_keys = EventReceiver()
        self._sequence = int.from_bytes(os.urandom(2), "big") >> 1
        self._timestamp = int.from_bytes(os.urandom(4), "big")
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._source = -1
        self._newest = 0
        self._quiet = True
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(self._socket, self._on_readable)

    @property
    def local(self) -> LocalMedia:
        """What the leg's SDP says."""
        return self._local

    @property
    def waiting_s(self) -> float:
        """How much of the other side's audio has not been sent yet, in seconds."""
        return len(self._pending) / FRAME_BYTES * FRAME_S

    def connect(self, media: NegotiatedMedia) -> None:
        """Send and hear as negotiated, from now on; nothing once it is closed."""
        if self._closed:
            return
        self._media = media
        # The kernel then lets nobody else's datagrams in.
        self._socket.connect(media.remote)
        if self._timer is None:
            self._due = self._loop.time()
            self._send_frame()

    def feed(self, pcmu: bytes) -> None:
        """Audio of the other side, µ-law of any length, to be sent after what waits already."""
        if self._media is None:
            return
        self._pending += pcmu
        surplus = len(self._pending) - MOST_FRAMES * FRAME_BYTES
        if surplus > 0:
            frames = -(-surplus // FRAME_BYTES)
            self.counts.overflowed += frames
            del self._pending[: frames * FRAME_BYTES]

    def forget(self) -> None:
        """What waits is not sent any more."""
        self._pending.clear()

    def press(self, digits: str) -> None:
        """Press keys, sent as telephone-events (RFC 4733) in place of audio."""
        self._keys.enqueue(digits)

    @property
    def pressing(self) -> bool:
        """Whether keys are still being sent."""
        return bool(self._keys)

    def close(self) -> None:
        """Give the port back. May be repeated."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    # -- from the media process -------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        for _ in range(_READS):
            try:
                datagram = self._socket.recv(_MAX_DATAGRAM)
            except OSError:
                return
            packet = rtp.parse(datagram)
            if packet is not None and self._media is not None:
                self._take(packet, self._media)

    def _take(self, packet: rtp.Packet, media: NegotiatedMedia) -> None:
        if packet.payload_type == media.dtmf_payload_type:
            digit = self._heard_keys.receive(
                packet.payload, packet.timestamp, packet.sequence, marker=packet.marker
            )
            self._is_next(packet)
            if digit is not None:
                self._on_digit(digit)
        elif packet.payload_type in G711 and self._is_next(packet):
            payload = bytes(packet.payload)
            self._on_audio(payload.translate(TRANSCODED[PCMA]) if packet.payload_type == PCMA else payload)

    def _is_next(self, packet: rtp.Packet) -> bool:
        """Count a packet; False when a later one has been handed on before it."""
        self.counts.received += 1
        ahead = (packet.sequence - self._newest) & 0xFFFF
        if packet.ssrc != self._source:
            self._source = packet.ssrc
        elif ahead == 0 or ahead >= 0x8000:
            self.counts.late += 1
            return False
        else:
            self.counts.lost += ahead - 1
        self._newest = packet.sequence
        return True

    # -- to the media process ---------------------------------------------------------------------------------

    def _send_frame(self) -> None:
        """One frame now, the next 20 ms after this one was due; what a stall has cost is passed over."""
        media = self._media
        if media is None:
            return
        if media.send:
            try:
                self._socket.send(self._packet(media))
                self.counts.sent += 1
            except OSError:
                pass  # the media process is being restarted; the call notices by itself
        frames = 1
        behind = int((self._loop.time() - self._due) / FRAME_S)
        if behind > _MOST_BEHIND:
            frames += behind
        self._due += frames * FRAME_S
        self._timestamp = (self._timestamp + frames * FRAME_BYTES) & 0xFFFFFFFF
        self._timer = self._loop.call_at(self._due, self._send_frame)

    def _packet(self, media: NegotiatedMedia) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        audio = self._next_audio()
        key = self._keys.step(self._timestamp) if media.dtmf_payload_type is not None else None
        if key is not None and media.dtmf_payload_type is not None:
            self._quiet = True
            return self._built(key.payload, media.dtmf_payload_type, key.timestamp, marker=key.marker)
        marker, self._quiet = self._quiet and audio is not None, audio is None
        if audio is None:
            audio = SILENCE[media.payload_type]
        elif media.payload_type == PCMA:
            audio = audio.translate(TRANSCODED[PCMU])
        return self._built(audio, media.payload_type, self._timestamp, marker=marker)

    def _built(self, payload: bytes, payload_type: int, timestamp: int, *, marker: bool) -> bytes:
        return rtp.build(
            payload,
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self._ssrc,
            marker=marker,
        )

    def _next_audio(self) -> bytes | None:
        """The frame that is due, None while there is none or too few have been gathered."""
        waiting = len(self._pending)
        if not self._flowing and waiting < CUSHION_FRAMES * FRAME_BYTES:
            return None
        if waiting < FRAME_BYTES:
            self._flowing = False
            self.counts.starved += 1
            return None
        self._flowing = True
        frame = bytes(self._pending[:FRAME_BYTES])
        del self._pending[:FRAME_BYTES]
        return frame
