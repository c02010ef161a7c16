"""The server's end of one runner: sends a run, hears its result, ends the process when its time is up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from tieline.agent.control import FromRunner, Retiring
from tieline.agent.messages import FailureKind, Progress, Run, TurnResult
from tieline.agent.turn import fail_run, name_entry, restore_context
from tieline.agent.wire import BadFrame, Inbox, encode

READ_SIZE = 256 * 1024
EXIT_NEWS_S = 0.5
"""How long after its socket closed the host may take to say how a runner ended."""


class RunnerLink:
    """One runner. Idle, or with one run under way; once `closed` it is never used again.

    `on_idle(link)` is called when it is ready for another run, `on_closed(link)` once when it is not coming back.
    """

    def __init__(
        self,
        runner_id: int,
        grace_s: float,
        *,
        on_idle: Callable[[RunnerLink], None],
        on_closed: Callable[[RunnerLink], None],
    ) -> None:
        self.runner_id = runner_id
        self.closed = False
        self.retiring = False
        self._grace_s = grace_s
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._link, self.far_end = socket.socketpair()
        self._link.setblocking(False)
        self._inbox: Inbox[FromRunner] = Inbox(FromRunner)
        self._pidfd: int | None = None
        self._run: Run | None = None
        self._function = ""
        self._future: asyncio.Future[TurnResult | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = memoryview(b"")
        self._loop.add_reader(self._link, self._receive)

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._future is not None

    def start(self, run: Run) -> asyncio.Future[TurnResult | None]:
        """Send a run to an idle runner. The future is always given a result, never an exception.

        None means that the process was gone before it had read the run: no function has begun, so that the run may
        be given to another runner.
        """
        future: asyncio.Future[TurnResult | None] = self._loop.create_future()
        self._run, self._future, self._function = run, future, ""
        self._timer = self._loop.call_later(run.limit_s + self._grace_s, self._expire)
        try:
            frame = encode(run)
        except (BadFrame, ValueError, TypeError) as error:
            self._settle(
                fail_run(run, FailureKind.NOT_LOADED, f"The conversation could not be sent: {error}")
            )
            return future
        try:
            sent = self._link.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop()
            return future
        if sent < len(frame):
            self._unsent = memoryview(frame)[sent:]
            self._loop.add_writer(self._link, self._send_rest)
        return future

    def release(self) -> None:
        """Give back a runner that was taken and not used."""
        if not self.closed:
            self._on_idle(self)

    def attach(self, pidfd: int) -> None:
        """Take over the descriptor by which the process can be ended."""
        if self.closed:
            _kill(pidfd)
            os.close(pidfd)
        else:
            self._pidfd = pidfd

    def report_exit(self, code: int | None, signal_number: int | None) -> None:
        """The host says how the process ended."""
        while self._future is not None and self._receive():
            pass
        self._fail(FailureKind.EXITED, describe_exit(code, signal_number))
        self.close()

    def close(self, *, kill: bool = False) -> None:
        """End the process: an idle one by closing its socket, others by force. A run under way fails."""
        if self.closed:
            return
        self.closed = True
        if self._future is not None:
            kill = True
            self._fail(FailureKind.EXITED, "its process was ended.")
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        self.far_end.close()
        if self._pidfd is not None:
            if kill:
                _kill(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._on_closed(self)

    def _send_rest(self) -> None:
        try:
            sent = self._link.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._drop()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._link)

    def _receive(self) -> bool:
        """Take what has arrived. False when nothing more is to be had at present."""
        if self.closed:
            return False
        try:
            data = self._link.recv(READ_SIZE)
            messages = self._inbox.feed(data)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            self._drop()
            return False
        except (OSError, BadFrame):
            self._fail(FailureKind.EXITED, "its process sent something unreadable.")
            self.close(kill=True)
            return False
        if not data:
            self._lose()
            return False
        for message in messages:
            self._handle(message)
        return True

    def _handle(self, message: FromRunner) -> None:
        run = self._run
        if isinstance(message, Retiring):
            self.retiring = True
        elif run is None or message.run_id != run.run_id:
            return
        elif isinstance(message, Progress):
            self._function = message.function
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(run.limit_s + self._grace_s, self._expire)
        else:
            self._settle(restore_context(message, run))

    def _settle(self, result: TurnResult) -> None:
        future, self._future, self._run = self._future, None, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if future is not None and not future.done():
            future.set_result(result)
        if self.retiring:
            self.close()
        elif not self.closed:
            self._on_idle(self)

    def _fail(self, kind: FailureKind, message: str) -> None:
        """End the run under way; the runner is not fit for another."""
        run, future = self._run, self._future
        self._run = self._future = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if run is not None and future is not None and not future.done():
            function = self._function or name_entry(run)
            future.set_result(fail_run(run, kind, f"{function}: {message}", function))

    def _drop(self) -> None:
        """The process ended without having read the run: the kernel says so by a reset of the connection."""
        future = self._future
        self._run = self._future = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if future is not None and not future.done():
            future.set_result(None)
        self.close()

    def _expire(self) -> None:
        limit = 0.0 if self._run is None else self._run.limit_s
        self._fail(
            FailureKind.TIMED_OUT, f"it did not return within {limit:g} s and was ended with its process."
        )
        self.close()

    def _lose(self) -> None:
        """The socket closed. How the process ended is for the host to say; it is given a moment to do so."""
        self._loop.remove_reader(self._link)
        if self._future is None:
            self.close()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(EXIT_NEWS_S, self._give_up)

    def _give_up(self) -> None:
        self._fail(FailureKind.EXITED, "its process closed its connection.")
        self.close(kill=True)


def describe_exit(code: int | None, signal_number: int | None) -> str:
    """The end of a process in words."""
    if signal_number is None:
        return f"its process exited with status {code}."
    try:
        name = signal.Signals(signal_number).name
    except ValueError:
        name = f"signal {signal_number}"
    hint = " (the kernel does that when the machine runs out of memory)" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}."


def _kill(pidfd: int) -> None:
    with suppress(ProcessLookupError, OSError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
