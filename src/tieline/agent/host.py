"""The agent host: loads a project once and forks runners. Started as `python -m tieline.agent.host`.

It is single-threaded and imports little, because every runner is a copy of it. It never sees a run.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import NoReturn

from tieline.agent.code import ProjectCode
from tieline.agent.control import Exited, Fork, Forked, Importing, Load, Loaded, ToHost
from tieline.agent.lifeline import hold
from tieline.agent.runner import EXIT_LOST, Runner, limit_memory
from tieline.agent.spec import Finding, Level
from tieline.agent.wire import Inbox, encode

MAX_FDS = 8
READ_SIZE = 64 * 1024
LEAVE_S = 0.2
"""How long runners may take to leave by themselves once the server has closed its end."""


class Host:
    """One project's host process."""

    def __init__(self, control: socket.socket, lifeline: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._inbox: Inbox[ToHost] = Inbox(ToHost)
        self._fds: deque[int] = deque()
        self._runners: dict[int, int] = {}
        self._code: ProjectCode | None = None
        self._load: Load | None = None
        self._wake_in, self._wake_out = os.pipe()

    def serve(self) -> None:
        """Do what the server asks until it closes the control socket; then end every runner."""
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _on_child)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake_in, select.POLLIN)
        serving = True
        while serving:
            for fd, _event in poller.poll():
                if fd == self._wake_in:
                    self._reap()
                else:
                    serving = self._receive()
        poller.unregister(self._control)
        deadline = monotonic() + LEAVE_S
        while self._runners and (left := deadline - monotonic()) > 0:
            if poller.poll(left * 1000):
                self._reap()
        self._end_runners()

    def _receive(self) -> bool:
        data, fds, _flags, _address = socket.recv_fds(
            self._control, READ_SIZE, MAX_FDS, socket.MSG_CMSG_CLOEXEC
        )
        self._fds.extend(fds)
        if not data:
            return False
        for message in self._inbox.feed(data):
            if isinstance(message, Load):
                self._load_project(message)
            else:
                self._fork(message)
        return True

    def _load_project(self, load: Load) -> None:
        self._load = load
        self._code = ProjectCode(load.spec, load.secrets)
        self._code.load(on_file=lambda file: self._send(Importing(file=file)))
        findings = report_failures(self._code)
        if threading.active_count() > 1:
            message = "a thread was started on import; it does not exist in the processes that run functions."
            findings.append(Finding(file="functions", level=Level.WARNING, message=message))
        gc.collect()
        gc.freeze()
        self._send(Loaded(findings=tuple(findings)))

    def _fork(self, fork: Fork) -> None:
        fd = self._fds.popleft()
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)
            self._send(Exited(runner_id=fork.runner_id, code=EXIT_LOST))
            return
        if pid == 0:
            self._become_runner(fd)
        os.close(fd)
        self._runners[pid] = fork.runner_id
        handle = os.pidfd_open(pid)
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [encode(Forked(runner_id=fork.runner_id, pid=pid))], [handle])
        os.close(handle)

    def _become_runner(self, fd: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            hold(self._lifeline)
            for unwanted in (self._lifeline, self._wake_in, self._wake_out, *self._fds):
                os.close(unwanted)
            self._control.close()
            if self._code is None or self._load is None:
                os._exit(EXIT_LOST)
            self._code.install()
            limit_memory(self._load.memory_bytes)
            Runner(socket.socket(fileno=fd), self._code, self._load.runs_per_runner).serve()
        finally:
            os._exit(EXIT_LOST)

    def _reap(self) -> None:
        """Tell the server of runners that ended, after ending what they left behind.

        The group is killed while the dead runner still holds its id, so that it cannot be another's by now.
        """
        with suppress(BlockingIOError):
            os.read(self._wake_in, 4096)
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _pid, status = os.waitpid(pid, 0)
            runner_id = self._runners.pop(pid, None)
            if runner_id is None:
                continue
            if os.WIFSIGNALED(status):
                self._send(Exited(runner_id=runner_id, signal=os.WTERMSIG(status)))
            else:
                self._send(Exited(runner_id=runner_id, code=os.waitstatus_to_exitcode(status)))

    def _end_runners(self) -> None:
        for pid in self._runners:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _send(self, message: Importing | Loaded | Forked | Exited) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(encode(message))


def _on_child(_signum: int, _frame: FrameType | None) -> None:
    """Children are reaped in the loop, which the signal wakes."""


def report_failures(code: ProjectCode) -> list[Finding]:
    """Files that could not be imported, as error findings at the line that failed."""
    findings = []
    for file, error in code.failures.items():
        line = None
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith(file):
                line = frame.lineno
        if isinstance(error, SystemExit):
            message = "it exits the process when it is imported."
        else:
            message = f"it cannot be imported: {type(error).__name__}: {error}"
        findings.append(Finding(file=file, line=line, level=Level.ERROR, message=message))
    return findings


def main(arguments: list[str]) -> int:
    """Serve the control socket and lifeline whose descriptors are the two arguments."""
    control = socket.socket(fileno=int(arguments[0]))
    sys.dont_write_bytecode = True
    held = hold(int(arguments[1]))
    try:
        Host(control, int(arguments[1])).serve()
    except ConnectionResetError:
        return EXIT_LOST
    finally:
        os.close(held)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
