"""A listening stream socket that hands over every connection before a byte, or a TLS handshake, is spent on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from tieline.net.addresses import plain_address

_BATCH = 32
_BACKLOG = 256
_FULL_PAUSE_S = 1.0


class StreamListener:
    """Calls `accepted(sock, (host, port))` for each connection; the socket is the callee's from then on.

    `sock` is bound and becomes ours. When the machine has no file or memory left for another connection, those that
    wait stay in the backlog for a second.
    """

    def __init__(
        self, sock: socket.socket, accepted: Callable[[socket.socket, tuple[str, int]], None]
    ) -> None:
        self._sock = sock
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self.address = plain_address(sock.getsockname())
        sock.listen(_BACKLOG)
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(self._sock.fileno())
                self._pause = self._loop.call_later(_FULL_PAUSE_S, self._listen)
                return
            sock.setblocking(False)
            self._accepted(sock, plain_address(address))

    def close(self) -> None:
        """Stop accepting; connections that were handed over are not touched."""
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
