"""A runner: a forked process that runs one turn at a time and keeps no call between two of them."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from types import FrameType
from typing import Any, NoReturn

from tieline.agent.code import Function, ProjectCode
from tieline.agent.control import Retiring
from tieline.agent.messages import FailureKind, Progress, Run, TurnResult
from tieline.agent.turn import TimeLimitExceeded, fail_run, run_turn
from tieline.agent.wire import BadFrame, Inbox, encode

READ_SIZE = 256 * 1024
EXIT_DONE = 0
EXIT_LOST = 70
"""Status of a runner that could not hand over a result: its socket is gone."""


class AlarmLimiter:
    """Keeps a function to its time by SIGALRM, whose handler raises inside the function.

    A function stuck in C code that never looks at signals is not reached; the server kills the runner then.
    """

    def __init__(self) -> None:
        self._armed = False
        signal.signal(signal.SIGALRM, self._on_alarm)

    def _on_alarm(self, _signum: int, _frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise TimeLimitExceeded

    def call(self, seconds: float, function: Function, args: tuple[Any, ...]) -> Any:
        """`function(*args)`; raises `TimeLimitExceeded` out of it after `seconds`."""
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return function(*args)
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory(extra_bytes: int) -> None:
    """Let this process's address space grow by `extra_bytes` and no more; beyond that is a `MemoryError`."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a path of the kernel's
        pages = int(file.read().split()[0])
    ceiling = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Runner:
    """Serves runs from one socket until it is closed."""

    def __init__(self, link: socket.socket, code: ProjectCode, runs_per_runner: int = 0) -> None:
        self._link = link
        self._code = code
        self._limiter = AlarmLimiter()
        self._inbox: Inbox[Run] = Inbox(Run)
        self._pid = os.getpid()
        self._threads = threading.active_count()
        self._runs_left = runs_per_runner or -1
        self._run_id = 0
        os.register_at_fork(after_in_child=self._abandon)

    def serve(self) -> NoReturn:
        """Run what arrives; exit when the server closes the socket."""
        while True:
            try:
                data = self._link.recv(READ_SIZE)
            except OSError:
                os._exit(EXIT_LOST)
            if not data:
                os._exit(EXIT_DONE)
            try:
                runs = self._inbox.feed(data)
            except BadFrame:
                os._exit(EXIT_LOST)
            for run in runs:
                self._serve_one(run)

    def _serve_one(self, run: Run) -> None:
        self._run_id = run.run_id
        result = run_turn(run, self._code, self._limiter, self._report_progress)
        if os.getpid() != self._pid:
            os._exit(EXIT_DONE)
        self._runs_left -= 1
        reason = self._find_reason_to_retire(result)
        try:
            frame = encode(result)
        except (BadFrame, MemoryError, ValueError, TypeError) as error:
            reason = "its result could not be sent"
            frame = encode(fail_run(run, FailureKind.BAD_RETURN, f"The result could not be sent: {error}"))
        self._send(bytes(encode(Retiring(reason=reason)) + frame) if reason else frame)
        if reason:
            os._exit(EXIT_DONE)

    def _find_reason_to_retire(self, result: TurnResult) -> str:
        """Why this process must not run for another call: something of the last one is still in it."""
        if result.failure is not None and result.failure.kind is FailureKind.OUT_OF_MEMORY:
            return "its memory is used up"
        if self._runs_left == 0:
            return "it has done its share of runs"
        if threading.active_count() > self._threads:
            return "a thread is still running"
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return ""
        return "a child process is still running"

    def _report_progress(self, function: str) -> None:
        self._send(encode(Progress(run_id=self._run_id, function=function)))

    def _send(self, frame: bytes | bytearray) -> None:
        try:
            self._link.sendall(frame)
        except OSError:
            os._exit(EXIT_LOST)

    def _abandon(self) -> None:
        """In a child that a customer's function forked: the conversation with the server is not the child's."""
        self._link.close()
