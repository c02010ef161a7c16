"""One leg on its socket: the two halves of `tieline.media`, driven by datagrams and by the clock.

A leg may be joined with another: what it hears is then sent on by the other one at once, in the same buffer.

This is the packet path. It runs inside the media process's own loop, one datagram or one frame at a time, awaits
nothing and logs nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from tieline.media.g711 import G711
from tieline.media.latch import Address
from tieline.media.messages import (
    ConnectLeg,
    Digit,
    LegClosed,
    LegFigures,
    MediaStarted,
    MediaTimedOut,
    Played,
    Report,
    SrtpKeys,
)
from tieline.media.playout import Clip
from tieline.media.receiver import Receiver
from tieline.media.relay import Relay
from tieline.media.rtp import Packet
from tieline.media.sender import Sender
from tieline.media.srtp import Opener, Protector, Unprotectable

MAX_DATAGRAM: Final = 2048
_MAPPED: Final = "::ffff:"
_Figures = TypeVar("_Figures", bound=LegFigures)
# A joined leg for which nothing has come so long (in frames) sends silence of its own: 200 ms.
_UNFED_FRAMES: Final = 10


class RtpLeg:
    """`on_readable` when the socket has a datagram, `tick` once every 20 ms; reports go to `report`.

    `scratch` is a buffer of `MAX_DATAGRAM` bytes that all legs share.
    """

    __slots__ = (
        "_fed",
        "_frame",
        "_open",
        "_opener",
        "_protector",
        "_receive_into",
        "_receiver",
        "_receiving",
        "_relay",
        "_report",
        "_scratch",
        "_send_to",
        "_sender",
        "_sending",
        "_sent",
        "_silence_timeout_s",
        "_socket",
        "_started",
        "_to",
        "_unfed",
        "_unsent",
        "descriptor",
        "leg_id",
        "port",
    )

    def __init__(
        self,
        leg_id: str,
        bound: socket.socket,
        port: int,
        scratch: memoryview,
        report: Callable[[Report], None],
    ) -> None:
        self.leg_id = leg_id
        self.port = port
        self.descriptor = bound.fileno()
        self._socket = bound
        self._report = report
        self._scratch = scratch
        self._receive_into = bound.recvfrom_into
        self._send_to = bound.sendto
        self._sender = _new_sender()
        self._receiver = Receiver()
        self._relay = Relay(self._sender)
        self._protector: Protector | None = None
        self._opener = Opener()
        self._open: Callable[[bytes], bytes | None] | None = None
        self._to: RtpLeg | None = None
        self._fed = False
        self._unfed = 0
        self._frame = -1
        self._sending = False
        self._receiving = False
        self._started = False
        self._silence_timeout_s: float | None = None
        self._sent = 0
        self._unsent = 0

    def connect(self, command: ConnectLeg) -> None:
        """Take what was negotiated, or negotiated anew.

        The silence timeout applies only while both sides send: a peer that holds the call owes us nothing.
        """
        host, port = command.remote
        if self._socket.family == socket.AF_INET6 and ":" not in host:
            host = _MAPPED + host
        self._receiver.connect((host, port), command.dtmf_payload_type, monotonic())
        self._sender.connect(command.payload_type, command.dtmf_payload_type)
        self._set_keys(command.srtp)
        self._sending = command.send
        self._receiving = command.receive
        both = command.send and command.receive
        self._silence_timeout_s = command.silence_timeout_s if both else None

    def _set_keys(self, keys: SrtpKeys | None) -> None:
        """Speak SRTP with these keys, or plain RTP. Keys that have not changed go on with their counters."""
        if keys is None:
            self._protector = self._open = None
            self._opener.clear()
            return
        protector = self._protector
        if protector is None or (protector.suite, protector.key) != (keys.suite, keys.ours):
            self._protector = Protector(keys.suite, keys.ours)
        self._opener.set_key(keys.suite, keys.theirs, keys.mki_bytes)
        self._open = self._opener.open

    def join(self, to: RtpLeg | None, *, fed: bool) -> None:
        """Send what is heard here on to the leg `to`; `fed` says whether another leg sends to this one."""
        self._to = to
        self._receiver.relaying = to is not None
        if fed and not self._fed:
            self._relay.restart()
            self._unfed = _UNFED_FRAMES
        self._fed = fed

    def play(self, play_id: int, clips: list[Clip], *, loop: bool) -> None:
        """Play clips after what is playing."""
        self._sender.playout.enqueue(play_id, clips, loop=loop)
        self._report_ended()

    def stop_play(self) -> None:
        """Cut what is playing."""
        self._sender.playout.stop()
        self._report_ended()

    def send_digits(self, digits: str) -> None:
        """Send keypad digits."""
        self._sender.send_digits(digits)

    def on_readable(self) -> None:
        """Read one datagram; the loop comes back for the next."""
        try:
            length, source = self._receive_into(self._scratch)
        except OSError:
            return
        datagram: bytes | memoryview = self._scratch[:length]
        if self._open is not None:
            opened = self._open(bytes(datagram))
            if opened is None:
                return
            datagram = opened
        receiver = self._receiver
        digit = receiver.receive(datagram, source, monotonic())
        if not self._started and receiver.started:
            self._started = True
            self._report(MediaStarted(self.leg_id, _plain(source)))
        if digit is not None:
            self._report(Digit(self.leg_id, digit))
        if self._to is not None and self._receiving and receiver.accepted is not None:
            self._to.send_on(receiver.accepted)

    def send_on(self, packet: Packet) -> None:
        """Send the other leg's packet; audio yields to what is played here, and keys to keys sent here.

        The packet may lie in the shared buffer, and is gone afterwards.
        """
        sender = self._sender
        target = self._receiver.latch.target
        if not self._sending or target is None or sender.digits:
            return
        if sender.playout.playing and packet.payload_type in G711:
            return
        length = self._relay.write(packet, self._scratch)
        if not length:
            return
        self._unfed = 0
        self._transmit(self._scratch[:length], target)

    def _transmit(self, packet: bytes | bytearray | memoryview, target: Address) -> None:
        try:
            if self._protector is not None:
                packet = self._protector.protect(bytes(packet))
            self._send_to(packet, target)
            self._sent += 1
        except (OSError, Unprotectable):
            self._unsent += 1

    def tick(self, frame: int, now: float) -> None:
        """Send what is due. `frame` numbers the 20 ms frames of the process's clock."""
        frames = frame - self._frame if self._frame >= 0 else 1
        self._frame = frame
        target = self._receiver.latch.target
        sender = self._sender
        if not self._sending or target is None or (self._fed and self._is_fed(frames)):
            sender.skip(frames)
        else:
            self._transmit(sender.packet(frames), target)
            if sender.playout.ended:
                self._report_ended()
        timeout = self._silence_timeout_s
        if timeout is not None and now - self._receiver.heard_at > timeout:
            self._silence_timeout_s = None
            self._report(MediaTimedOut(self.leg_id))

    def close(self) -> LegClosed:
        """Close the socket; plays that were under way are reported cut."""
        self.stop_play()
        self._socket.close()
        return self._told(LegClosed)

    def figures(self) -> LegFigures:
        """How the sound got through so far."""
        return self._told(LegFigures)

    def _told(self, kind: type[_Figures]) -> _Figures:
        receiver = self._receiver
        reception = receiver.reception
        return kind(
            leg_id=self.leg_id,
            packets_received=reception.packets,
            packets_sent=self._sent,
            packets_lost=reception.lost,
            packets_discarded=receiver.refused + reception.discarded + self._opener.replayed,
            jitter_ms=round(reception.jitter_ms, 2),
            digits_received=receiver.digits,
            packets_late=reception.late,
            packets_unsent=self._unsent,
            sources=reception.sources,
            peak_level=round(receiver.loudest / 32768, 3),
            packets_unauthentic=self._opener.unauthentic,
        )

    def _is_fed(self, frames: int) -> bool:
        """Whether the other leg provides what there is to hear, so that we need not."""
        self._unfed += frames
        sender = self._sender
        return self._unfed <= _UNFED_FRAMES and not sender.digits and not sender.playout.playing

    def _report_ended(self) -> None:
        ended = self._sender.playout.ended
        for play_id, finished, seconds in ended:
            self._report(Played(self.leg_id, play_id, finished, seconds))
        ended.clear()


def _new_sender() -> Sender:
    """A stream that begins at random numbers (RFC 3550 section 5.1)."""
    seed = os.urandom(10)
    first = (
        int.from_bytes(seed[4:6], "big") >> 1
    )  # the lower half: SRTP counts its wraps (RFC 3711 section 3.3.1)
    return Sender(int.from_bytes(seed[:4], "big"), first, int.from_bytes(seed[6:], "big"))


def _plain(source: Address) -> tuple[str, int]:
    """Host and port of a socket address, an IPv4 host in IPv6 clothing without them."""
    return str(source[0]).removeprefix(_MAPPED), int(source[1])
