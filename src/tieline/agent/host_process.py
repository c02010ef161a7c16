"""The server's end of one agent host: starts the process, passes sockets to it, hears what becomes of runners."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tieline.agent.control import Exited, Fork, Forked, FromHost, Importing, Load
from tieline.agent.settings import AgentSettings
from tieline.agent.spec import Finding, Level, ProjectSpec
from tieline.agent.wire import BadFrame, Inbox, encode

READ_SIZE = 64 * 1024
MAX_FDS = 8
END_LIMIT_S = 1.0
"""How long a host may take to end by itself; one that is stuck in a customer's import is killed then."""
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def spawn_host(
    root: str, lifeline: int, kept_environment: tuple[str, ...]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a host for the project in `root`. Returns the process and our end of its control socket."""
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in kept_environment if name in os.environ}
    paths = [str(PACKAGE_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tieline.agent.host", str(theirs.fileno()), str(lifeline)],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), lifeline),
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


class HostProcess:
    """One host process and its control socket, on the running event loop.

    `on_forked(runner_id, pidfd)`, `on_exited(Exited)` and `on_lost()` are called as the host reports; `on_lost` once,
    when the process is gone without having been asked to go.
    """

    def __init__(
        self,
        lifeline: int,
        settings: AgentSettings,
        *,
        on_forked: Callable[[int, int], None],
        on_exited: Callable[[Exited], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._lifeline = lifeline
        self._settings = settings
        self._on_forked = on_forked
        self._on_exited = on_exited
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._inbox: Inbox[FromHost] = Inbox(FromHost)
        self._ending: asyncio.Task[None] | None = None
        self._loaded: asyncio.Future[tuple[Finding, ...]] = self._loop.create_future()
        self._importing = "project.yaml"

    @property
    def pid(self) -> int | None:
        """The host's process id, once it is started."""
        return None if self._process is None else self._process.pid

    async def load(self, spec: ProjectSpec, secrets: dict[str, str]) -> tuple[Finding, ...]:
        """Start the process and load the project. An error finding says why it could not be loaded."""
        settings = self._settings
        self._process, self._control = spawn_host(spec.root, self._lifeline, settings.kept_environment)
        load = Load(
            spec=spec,
            secrets=secrets,
            memory_bytes=settings.memory_mb * 1024 * 1024,
            runs_per_runner=settings.runs_per_runner,
        )
        self._control.setblocking(False)
        try:
            async with asyncio.timeout(settings.load_limit_s):
                await self._loop.sock_sendall(self._control, encode(load))
                self._loop.add_reader(self._control, self._receive)
                return await asyncio.shield(self._loaded)
        except TimeoutError:
            self.close()
            message = f"importing it did not end within {settings.load_limit_s:g} s."
        except OSError:
            self.close()
            message = "its process ended while it was imported."
        return (Finding(file=self._importing, level=Level.ERROR, message=message),)

    def fork(self, runner_id: int, link: socket.socket) -> bool:
        """Ask for a runner that serves `link` (which stays open here). False when the host cannot be asked."""
        if self._control is None:
            return False
        try:
            socket.send_fds(self._control, [encode(Fork(runner_id=runner_id))], [link.fileno()])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Ask the process to end its runners and itself, and see to it that it does."""
        control, self._control = self._control, None
        if control is not None:
            self._loop.remove_reader(control)
            control.close()
        if self._process is not None and self._ending is None:
            self._ending = self._loop.create_task(self._end(self._process))

    @property
    def ended(self) -> bool:
        """Whether a closed process is gone."""
        return self._ending is not None and self._ending.done()

    async def wait_ended(self) -> None:
        """Return once a closed process is gone."""
        if self._ending is not None:
            await self._ending

    async def _end(self, process: subprocess.Popen[bytes]) -> None:
        gone = asyncio.Event()
        handle = os.pidfd_open(process.pid)
        self._loop.add_reader(handle, gone.set)
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await gone.wait()
        except TimeoutError:
            pass
        finally:
            self._loop.remove_reader(handle)
            os.close(handle)
            process.kill()
            process.wait()

    def _receive(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            data, fds, _flags, _address = socket.recv_fds(
                control, READ_SIZE, MAX_FDS, socket.MSG_CMSG_CLOEXEC
            )
            messages = self._inbox.feed(data)
        except BlockingIOError:
            return
        except (OSError, BadFrame):
            data, fds, messages = b"", [], []
        for message in messages:
            self._handle(message, fds)
        for fd in fds:
            os.close(fd)
        if not data:
            self._lose()

    def _handle(self, message: FromHost, fds: list[int]) -> None:
        if isinstance(message, Forked):
            if fds:
                self._on_forked(message.runner_id, fds.pop(0))
        elif isinstance(message, Exited):
            self._on_exited(message)
        elif isinstance(message, Importing):
            self._importing = message.file
        elif not self._loaded.done():
            self._loaded.set_result(message.findings)

    def _lose(self) -> None:
        self.close()
        if self._loaded.done():
            self._on_lost()
        else:
            message = "its process ended while this file was imported."
            self._loaded.set_result((Finding(file=self._importing, level=Level.ERROR, message=message),))
