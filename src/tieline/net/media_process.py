"""The media process: RTP sockets of many legs on one loop, driven by one clock.

Started by the server as `python -m tieline.net.media_process FD SETTINGS`, with one end of a socket pair as FD and
`ProcessSettings` in JSON. It ends when the server's end closes.

The loop is `epoll` and nothing else: a datagram costs one wake-up, one read and one call, and the clock is looked
at between any few of them, so that a rush of incoming packets cannot delay outgoing ones.
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import msgspec

from tieline.media.framing import FrameReader, frame
from tieline.media.messages import (
    CloseLeg,
    Command,
    ConnectLeg,
    DropClip,
    FiguresTold,
    JoinLegs,
    LegNotOpened,
    LegOpened,
    MediaReady,
    OpenLeg,
    PartLegs,
    Play,
    Played,
    PutClip,
    Report,
    SendDigits,
    StopPlay,
    TellFigures,
)
from tieline.media.playout import Clip
from tieline.net.media_clock import FrameClock
from tieline.net.rtp_leg import MAX_DATAGRAM, RtpLeg
from tieline.net.rtp_port import PortPool

_MAX_OUTGOING: Final = 16 * 1024 * 1024
_LINK_CHUNK: Final = 256 * 1024
_EVENTS_PER_CLOCK: Final = 16
_MAX_EVENTS: Final = 256
_TOLD_AT_ONCE: Final = 16
_NICENESS: Final = -10


class ProcessSettings(msgspec.Struct, frozen=True):
    """What a media process is told at its start: where to bind, and the ports that are its own."""

    bind_host: str
    ports: list[int]


class MediaProcess:
    """Legs, clips and the link to the server. `run` returns when the server has gone."""

    def __init__(self, link: socket.socket, settings: ProcessSettings) -> None:
        link.setblocking(False)
        self._link = link
        self._epoll = select.epoll()
        ports = settings.ports
        self._ports = PortPool(settings.bind_host, ports, secrets.randbelow(len(ports)))
        self._clock = FrameClock(monotonic(), note_defect)
        self._legs: dict[str, RtpLeg] = {}
        self._partner_of: dict[str, str] = {}
        self._clips: dict[str, Clip] = {}
        self._to_tell: list[str] = []
        self._scratch = memoryview(bytearray(MAX_DATAGRAM))
        self._reader = FrameReader()
        self._decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
        self._encoder = msgspec.msgpack.Encoder()
        self._outgoing = bytearray()
        self._blocked = False
        self._running = True
        self._on_event: dict[int, Callable[[], None]] = {link.fileno(): self._on_link}
        self._epoll.register(link.fileno(), select.EPOLLIN)
        self._verbs: dict[type, Callable[[Any], None]] = {
            OpenLeg: self._open_leg,
            ConnectLeg: self._connect_leg,
            PutClip: self._put_clip,
            DropClip: self._drop_clip,
            Play: self._play,
            StopPlay: self._stop_play,
            SendDigits: self._send_digits,
            JoinLegs: self._join_legs,
            PartLegs: self._part_legs,
            CloseLeg: self._close_leg,
            TellFigures: self._tell_figures,
        }

    def run(self) -> None:
        """Serve until the link closes."""
        self._report(MediaReady(os.getpid(), self._ports.free))
        clock, poll, on_event = self._clock, self._epoll.poll, self._on_event
        while self._running:
            if self._to_tell:
                self._tell_some()
            if self._outgoing and not self._blocked:
                self._flush()
            wait = clock.wait_s(monotonic())
            count = 0
            for descriptor, _ in poll(wait, _MAX_EVENTS):
                handler = on_event.get(descriptor)
                if handler is None:
                    continue
                try:
                    handler()
                except Exception:
                    note_defect()
                count += 1
                if count % _EVENTS_PER_CLOCK == 0:
                    clock.run(monotonic())
            clock.run(monotonic())
        for leg in self._legs.values():
            leg.close()
        self._epoll.close()

    # -- the link to the server -------------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        self._outgoing += frame(self._encoder.encode(report))

    def _flush(self) -> None:
        """Write what is waiting; the rest goes when the link is writable again."""
        try:
            sent = self._link.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._running = False
            return
        del self._outgoing[:sent]
        blocked = bool(self._outgoing)
        if len(self._outgoing) > _MAX_OUTGOING:
            self._running = False
        if blocked != self._blocked:
            self._blocked = blocked
            self._epoll.modify(self._link.fileno(), select.EPOLLIN | (select.EPOLLOUT if blocked else 0))

    def _on_link(self) -> None:
        if self._blocked:
            self._flush()
        try:
            chunk = self._link.recv(_LINK_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._running = False
            return
        for message in self._reader.feed(chunk):
            try:
                command = self._decoder.decode(message)
                self._verbs[type(command)](command)
            except Exception:
                note_defect()

    # -- commands ---------------------------------------------------------------------------------------------

    def _open_leg(self, command: OpenLeg) -> None:
        leg_id = command.leg_id
        try:
            found = None if leg_id in self._legs else self._ports.bind()
        except OSError as error:
            self._report(LegNotOpened(leg_id, f"no socket: {error.strerror}"))
            return
        if found is None:
            taken = "the leg is open already" if leg_id in self._legs else "no RTP port is free"
            self._report(LegNotOpened(leg_id, taken))
            return
        bound, port = found
        leg = RtpLeg(leg_id, bound, port, self._scratch, self._report)
        self._legs[leg_id] = leg
        self._on_event[leg.descriptor] = leg.on_readable
        self._epoll.register(leg.descriptor, select.EPOLLIN)
        self._clock.add(leg, monotonic())
        self._report(LegOpened(leg_id, port))

    def _connect_leg(self, command: ConnectLeg) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None:
            leg.connect(command)

    def _put_clip(self, command: PutClip) -> None:
        self._clips[command.clip_id] = Clip(command.pcmu)

    def _drop_clip(self, command: DropClip) -> None:
        self._clips.pop(command.clip_id, None)

    def _play(self, command: Play) -> None:
        """Play the clips that are known; a play on a leg that is gone ends at once, unheard."""
        leg = self._legs.get(command.leg_id)
        if leg is None:
            self._report(Played(command.leg_id, command.play_id, False, 0.0))
            return
        clips = [self._clips[name] for name in command.clip_ids if name in self._clips]
        leg.play(command.play_id, clips, loop=command.loop)

    def _stop_play(self, command: StopPlay) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None:
            leg.stop_play()

    def _send_digits(self, command: SendDigits) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None:
            leg.send_digits(command.digits)

    def _join_legs(self, command: JoinLegs) -> None:
        """Join two legs that are open; each leaves the leg that it was joined with before."""
        leg_id, other_id = command.leg_id, command.other_id
        leg, other = self._legs.get(leg_id), self._legs.get(other_id)
        if leg is None or other is None or leg is other:
            return
        if self._partner_of.get(leg_id) != other_id:
            self._part(leg_id)
            self._part(other_id)
            self._partner_of[leg_id], self._partner_of[other_id] = other_id, leg_id
        leg.join(None if command.early else other, fed=True)
        other.join(leg, fed=not command.early)

    def _part_legs(self, command: PartLegs) -> None:
        self._part(command.leg_id)

    def _part(self, leg_id: str) -> None:
        other_id = self._partner_of.pop(leg_id, None)
        if other_id is not None:
            del self._partner_of[other_id]
            self._legs[leg_id].join(None, fed=False)
            self._legs[other_id].join(None, fed=False)

    def _close_leg(self, command: CloseLeg) -> None:
        self._part(command.leg_id)
        leg = self._legs.pop(command.leg_id, None)
        if leg is None:
            return
        self._clock.remove(leg)
        self._epoll.unregister(leg.descriptor)
        del self._on_event[leg.descriptor]
        closed = leg.close()
        self._ports.release(leg.port)
        self._report(closed)

    def _tell_figures(self, _: TellFigures) -> None:
        self._to_tell = list(self._legs)

    def _tell_some(self) -> None:
        """Tell of a few legs at each turn of the loop: all at once would hold the clock up where there are many."""
        ids = self._to_tell[-_TOLD_AT_ONCE:]
        del self._to_tell[-_TOLD_AT_ONCE:]
        legs = [self._legs[leg_id].figures() for leg_id in ids if leg_id in self._legs]
        if legs:
            self._report(FiguresTold(legs))


def note_defect() -> None:
    """Tell of a defect of ours; in one leg it must not silence the others."""
    traceback.print_exc(file=sys.stderr)


def main(arguments: list[str]) -> None:
    """Take the link and the settings from the command line and serve."""
    # The server decides when media ends: a Ctrl-C in its terminal reaches this process too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Audio cannot wait: where the system allows it (CAP_SYS_NICE), this process goes before others.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    link = socket.socket(fileno=int(arguments[0]))
    process = MediaProcess(link, msgspec.json.decode(arguments[1], type=ProcessSettings))
    gc.freeze()
    process.run()


if __name__ == "__main__":
    main(sys.argv[1:])
