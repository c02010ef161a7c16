"""Dying with the server: a pipe whose write end only the server holds.

The kernel is asked to send SIGKILL when the pipe changes, and the only change it can have is that the server is gone.
Unlike the parent-death signal this does not depend on who forked whom: a host that is killed leaves its runners'
work alone, and a server that is killed takes all of them along, even one that is stuck in C code.
"""

from __future__ import annotations

import fcntl
import os
import signal

F_SETSIG = 10
"""From Linux's fcntl.h; the standard library does not name it."""


def hold(read_end: int) -> int:
    """Tie this process's life to the pipe. Returns a descriptor to keep open.

    The pipe is opened anew because the owner of the signal belongs to the open file, which forks share.
    """
    own = os.open(f"/proc/self/fd/{read_end}", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(own, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
    try:
        gone = os.read(own, 1) == b""
    except BlockingIOError:
        gone = False
    if gone:
        os._exit(0)
    return own
