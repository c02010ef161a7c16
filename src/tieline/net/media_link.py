"""The server's end of the media processes: starts them, speaks to them, and starts them again when they die.

Commands for one leg go to the process that holds it; clips go to all of them, and again to one that was started
anew. When a process dies, each of its legs gets a `LegClosed` that nobody asked for, with empty figures, and its
calls end; the others do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from tieline.errors import ConfigurationError, Unavailable
from tieline.media.framing import FrameReader, FramingError, frame
from tieline.media.messages import (
    CloseLeg,
    Command,
    DropClip,
    FiguresTold,
    LegClosed,
    LegNotOpened,
    LegOpened,
    LegReport,
    MediaReady,
    OpenLeg,
    PutClip,
    Report,
    TellFigures,
)
from tieline.net.media_process import ProcessSettings
from tieline.net.rtp_port import check_port_range, even_ports

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 3.0
OPEN_TIMEOUT_S: Final = 3.0
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_LAST_S: Final = 5.0
# A process that has lived so long had no fault in its start: the next restart is prompt again.
_HEALTHY_S: Final = 30.0

OnReport = Callable[[Report], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Where RTP is received. Ports `first_port` to `last_port`, both included, are shared out to the processes."""

    bind_host: str = "127.0.0.1"
    first_port: int = 20000
    last_port: int = 20999
    processes: int = 1
    max_calls: int = 1

    def shares(self) -> list[list[int]]:
        """The even ports of each process. Raises `ConfigurationError` when they are fewer than the calls."""
        check_port_range(self.first_port, self.last_port, self.max_calls)
        ports = even_ports(self.first_port, self.last_port)
        if self.processes < 1 or self.processes > len(ports):
            raise ConfigurationError(
                f"{self.processes} media processes for {len(ports)} RTP ports; each needs at least one",
                field="rtp.media_processes",
            )
        return [list(ports[number :: self.processes]) for number in range(self.processes)]


class _Process(asyncio.Protocol):
    """One media process and the stream to it. `start` may be called again after `lost`."""

    def __init__(self, link: MediaLink, settings: ProcessSettings) -> None:
        self._link = link
        self._settings = settings
        self._transport: asyncio.Transport | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._reader = FrameReader()
        self._decoder: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
        self._encoder = msgspec.msgpack.Encoder()
        self._waiting: list[bytes] = []
        self._ready: asyncio.Future[None] | None = None
        self.gone = asyncio.Event()
        self.up = False
        self.legs: dict[str, OnReport] = {}

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready. Raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        self._reader = FrameReader()
        self._ready = loop.create_future()
        self.gone.clear()
        try:
            arguments = [str(theirs.fileno()), msgspec.json.encode(self._settings).decode()]
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tieline.net.media_process", *arguments,
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise Unavailable(f"the media process cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
        await loop.create_unix_connection(lambda: self, sock=ours)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._ready
        except TimeoutError:
            await self.stop()
            raise Unavailable("the media process did not become ready") from None

    async def stop(self) -> None:
        """Close the stream, which ends the process; kill it when it does not."""
        if self._transport is not None:
            self._transport.close()
        if self._child is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()

    @property
    def pid(self) -> int | None:
        """The process's id while it is up."""
        return self._child.pid if self._child is not None and self.up else None

    def send(self, command: Command) -> None:
        """Queue a command; those of one turn of the loop leave in one write."""
        if self._transport is None:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(frame(self._encoder.encode(command)))

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()

    # -- asyncio.Protocol -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand reports to whoever opened the leg."""
        try:
            reports = [self._decoder.decode(message) for message in self._reader.feed(data)]
        except (FramingError, msgspec.DecodeError):
            _log.exception("the media process sent what is no report")
            if self._transport is not None:
                self._transport.abort()
            return
        for report in reports:
            if isinstance(report, MediaReady):
                self.up = True
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(None)
                continue
            if isinstance(report, FiguresTold):
                for figures in report.legs:
                    self._tell(figures)
                continue
            self._tell(report)

    def _tell(self, report: LegReport) -> None:
        """Hand a leg's report to whoever opened it."""
        listener = self.legs.get(report.leg_id)
        if isinstance(report, LegClosed | LegNotOpened):
            self.legs.pop(report.leg_id, None)
        if listener is not None:
            self._link.deliver(listener, report)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has died or was stopped: its legs are over."""
        self._transport = None
        self._waiting.clear()
        self.up = False
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(Unavailable("the media process ended as it started"))
        legs, self.legs = self.legs, {}
        for leg_id, listener in legs.items():
            self._link.deliver(listener, LegClosed(leg_id, 0, 0, 0, 0, 0.0, 0))
        self.gone.set()


class MediaLink:
    """All media processes of a server. Use from one event loop.

    `open_leg`, `send` and `put_clip` are what calls need; `start` and `stop` belong to whoever builds the server.
    """

    def __init__(self, settings: MediaSettings) -> None:
        self._processes = [
            _Process(self, ProcessSettings(settings.bind_host, ports)) for ports in settings.shares()
        ]
        self._process_of: dict[str, _Process] = {}
        self._clips: dict[str, bytes] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._restarts = 0

    @property
    def restarts(self) -> int:
        """How often a process had to be started again."""
        return self._restarts

    @property
    def up(self) -> bool:
        """Whether every process is up."""
        return all(process.up for process in self._processes)

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that are up."""
        return [process.pid for process in self._processes if process.pid is not None]

    @property
    def legs(self) -> int:
        """How many legs are open."""
        return sum(len(process.legs) for process in self._processes)

    async def start(self) -> None:
        """Start every process. Raises `Unavailable`; then nothing is left running."""
        try:
            await asyncio.gather(*(process.start() for process in self._processes))
        except Unavailable:
            await asyncio.gather(*(process.stop() for process in self._processes))
            raise
        self._keepers = [asyncio.create_task(self._keep(process)) for process in self._processes]

    async def stop(self) -> None:
        """End every process; open legs get their unasked `LegClosed`."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in self._processes))

    async def open_leg(self, leg_id: str, listener: OnReport, beside: str | None = None) -> int:
        """Bind an RTP port on the least busy process; every later report of the leg goes to `listener`.

        With `beside`, on the process that holds that leg. Raises `Unavailable` when no process is up or none has a
        port free.
        """
        wanted = self._processes if beside is None else [self._process_of.get(beside)]
        running = [process for process in wanted if process is not None and process.up]
        if not running:
            raise Unavailable("the media process is being restarted", retry_after_s=BACKOFF_LAST_S)
        process = min(running, key=lambda candidate: len(candidate.legs))
        if leg_id in self._process_of:
            raise Unavailable(f"leg {leg_id} is open already")
        opened: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        process.legs[leg_id] = lambda report: None if opened.done() else opened.set_result(report)
        self._process_of[leg_id] = process
        process.send(OpenLeg(leg_id))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                report = await opened
        except (TimeoutError, asyncio.CancelledError) as interruption:
            self._process_of.pop(leg_id, None)
            process.legs.pop(leg_id, None)
            process.send(CloseLeg(leg_id))
            if isinstance(interruption, TimeoutError):
                raise Unavailable("the media process does not answer") from None
            raise
        if not isinstance(report, LegOpened):
            self._process_of.pop(leg_id, None)
            reason = report.reason if isinstance(report, LegNotOpened) else "the media process died"
            raise Unavailable(f"no RTP port: {reason}", reason=reason)
        if leg_id not in process.legs:
            raise Unavailable("the media process died", reason="the media process died")
        process.legs[leg_id] = listener
        return report.port

    def send(self, command: Command) -> None:
        """Carry out a command after all those before it; one for a leg that is gone is dropped."""
        if isinstance(command, PutClip):
            self.put_clip(command.clip_id, command.pcmu)
        elif isinstance(command, DropClip):
            self.drop_clip(command.clip_id)
        elif isinstance(command, TellFigures):
            for process in self._processes:
                process.send(command)
        else:
            holding = self._process_of.get(command.leg_id)
            if holding is not None:
                holding.send(command)

    def put_clip(self, clip_id: str, pcmu: bytes) -> None:
        """Give a clip (8 kHz µ-law) to every process, and to each that is started later."""
        self._clips[clip_id] = pcmu
        command = PutClip(clip_id, pcmu)
        for process in self._processes:
            process.send(command)

    def drop_clip(self, clip_id: str) -> None:
        """Forget a clip everywhere."""
        if self._clips.pop(clip_id, None) is not None:
            for process in self._processes:
                process.send(DropClip(clip_id))

    def deliver(self, listener: OnReport, report: Report) -> None:
        """Hand a report to a leg's listener; its failure is logged and concerns no other leg."""
        if isinstance(report, LegClosed):
            self._process_of.pop(report.leg_id, None)
        try:
            listener(report)
        except Exception:
            _log.exception("a report of the media process could not be handled")

    async def _keep(self, process: _Process) -> None:
        """Start a process again whenever it dies, sooner if it had lived for a while."""
        loop = asyncio.get_running_loop()
        delay, started_at = BACKOFF_FIRST_S, loop.time()
        while True:
            await process.gone.wait()
            if loop.time() - started_at > _HEALTHY_S:
                delay = BACKOFF_FIRST_S
            _log.error("the media process ended; starting it again")
            await process.stop()
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACKOFF_LAST_S)
            started_at = loop.time()
            self._restarts += 1
            try:
                await process.start()
            except Unavailable:
                _log.exception("the media process could not be started")
                process.gone.set()
                continue
            for clip_id, pcmu in self._clips.items():
                process.send(PutClip(clip_id, pcmu))
