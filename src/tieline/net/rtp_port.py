"""RTP ports: the configured range, and the sockets bound from it.

Ports are even, as RFC 3550 section 11 has it; the odd port above each stays closed, since RTCP is neither sent
nor read.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from tieline.errors import ConfigurationError

# Differentiated services code point EF (RFC 3246): voice.
_EXPEDITED_FORWARDING: Final = 0xB8


def even_ports(first: int, last: int) -> range:
    """The even ports of the range `first` to `last`, both included."""
    return range(first + first % 2, last + 1, 2)


def check_port_range(first: int, last: int, max_calls: int) -> None:
    """Refuse a port range that holds fewer even ports than there may be calls. Raises `ConfigurationError`."""
    ports = len(even_ports(first, last))
    if first < 1024 or last > 65535 or ports < max_calls:
        raise ConfigurationError(
            f"the RTP ports {first} to {last} hold {ports} even ports, but {max_calls} calls are allowed: "
            f"widen the range to at least {2 * max_calls} ports within 1024 to 65535, or lower the call limit",
            field="rtp.port_last",
            ports=ports,
            max_calls=max_calls,
        )


class PortPool:
    """The even ports of a range, longest unused first, so that late packets of an ended call find no new one.

    `first` is the place in the range to begin at. Chosen by chance it does the same for the calls of a process that was
    killed, whose peers may go on talking for a while.
    """

    def __init__(self, host: str, ports: Iterable[int], first: int = 0) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        self._free = deque(ports)
        self._free.rotate(-first)

    @property
    def free(self) -> int:
        """How many ports are not in use by us."""
        return len(self._free)

    def bind(self) -> tuple[socket.socket, int] | None:
        """A bound, non-blocking socket and its port; ports in use by others are passed over. None when all are."""
        for _ in range(len(self._free)):
            port = self._free.popleft()
            bound = self._bind(port)
            if bound is not None:
                return bound, port
            self._free.append(port)
        return None

    def release(self, port: int) -> None:
        """Give a port back; it is used again after all others."""
        self._free.append(port)

    def _bind(self, port: int) -> socket.socket | None:
        bound = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            if self._family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
            else:
                bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
            bound.bind((self._host, port))
        except OSError as error:
            bound.close()
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return None
            raise
        return bound
