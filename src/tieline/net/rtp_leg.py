"""One leg on its socket: the two halves of `tieline.media`, driven by datagrams and by the clock.

This is the packet path. It runs inside the media process's own loop, one datagram or one frame at a time, awaits
nothing and logs nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final

from tieline.media.latch import Address
from tieline.media.messages import (
    ConnectLeg,
    Digit,
    LegClosed,
    MediaStarted,
    MediaTimedOut,
    Played,
    Report,
)
from tieline.media.playout import Clip
from tieline.media.receiver import Receiver
from tieline.media.sender import Sender

MAX_DATAGRAM: Final = 2048
_MAPPED: Final = "::ffff:"


class RtpLeg:
    """`on_readable` when the socket has a datagram, `tick` once every 20 ms; reports go to `report`.

    `scratch` is a buffer of `MAX_DATAGRAM` bytes that all legs share.
    """

    __slots__ = (
        "_frame",
        "_receive_into",
        "_receiver",
        "_report",
        "_scratch",
        "_send_to",
        "_sender",
        "_sending",
        "_sent",
        "_silence_timeout_s",
        "_socket",
        "_started",
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
        seed = os.urandom(10)
        self._sender = Sender(
            int.from_bytes(seed[:4], "big"), int.from_bytes(seed[4:6], "big"), int.from_bytes(seed[6:], "big")
        )
        self._receiver = Receiver()
        self._frame = -1
        self._sending = False
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
        self._sending = command.send
        both = command.send and command.receive
        self._silence_timeout_s = command.silence_timeout_s if both else None

    def play(self, play_id: int, clips: list[Clip]) -> None:
        """Play clips after what is playing."""
        self._sender.playout.enqueue(play_id, clips)
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
        receiver = self._receiver
        digit = receiver.receive(self._scratch[:length], source, monotonic())
        if not self._started and receiver.started:
            self._started = True
            self._report(MediaStarted(self.leg_id, _plain(source)))
        if digit is not None:
            self._report(Digit(self.leg_id, digit))

    def tick(self, frame: int, now: float) -> None:
        """Send what is due. `frame` numbers the 20 ms frames of the process's clock."""
        frames = frame - self._frame if self._frame >= 0 else 1
        self._frame = frame
        target = self._receiver.latch.target
        sender = self._sender
        if self._sending and target is not None:
            try:
                self._send_to(sender.packet(frames), target)
                self._sent += 1
            except OSError:
                self._unsent += 1
            if sender.playout.ended:
                self._report_ended()
        else:
            sender.skip(frames)
        timeout = self._silence_timeout_s
        if timeout is not None and now - self._receiver.heard_at > timeout:
            self._silence_timeout_s = None
            self._report(MediaTimedOut(self.leg_id))

    def close(self) -> LegClosed:
        """Close the socket; plays that were under way are reported cut."""
        self.stop_play()
        self._socket.close()
        receiver = self._receiver
        reception = receiver.reception
        return LegClosed(
            leg_id=self.leg_id,
            packets_received=reception.packets,
            packets_sent=self._sent,
            packets_lost=reception.lost,
            packets_discarded=receiver.refused + reception.discarded,
            jitter_ms=round(reception.jitter_ms, 2),
            digits_received=receiver.digits,
            packets_late=reception.late,
            packets_unsent=self._unsent,
            sources=reception.sources,
            peak_level=round(receiver.loudest / 32768, 3),
        )

    def _report_ended(self) -> None:
        ended = self._sender.playout.ended
        for play_id, finished, seconds in ended:
            self._report(Played(self.leg_id, play_id, finished, seconds))
        ended.clear()


def _plain(source: Address) -> tuple[str, int]:
    """Host and port of a socket address, an IPv4 host in IPv6 clothing without them."""
    return str(source[0]).removeprefix(_MAPPED), int(source[1])
