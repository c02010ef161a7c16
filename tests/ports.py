"""Ports for the tests of one process, of which no other worker of the same run gives any out.

They lie below those that the system gives to sockets without a wish (from 32768 on), so that a port that is free now
is still free when the program that was told of it comes to bind it.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket

WORKERS = 4
_SERVICES = range(10_000, 19_600)
_SERVERS_RTP = range(20_000, 30_000)
_FEW_RTP = range(30_000, 32_768)
_STRIDE = 4
"""A program that is given one port may take the next three for audio, video or TLS."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS


def _own(ports: range) -> range:
    """The part of `ports` that is this worker's."""
    share = len(ports) // WORKERS // _STRIDE * _STRIDE
    return ports[_worker * share : (_worker + 1) * share]


def _by_turns(ports: range) -> itertools.cycle[int]:
    """Round and round; where it begins is left to chance, for runs of other working copies beside this one."""
    first = secrets.randbelow(len(ports))
    return itertools.cycle([*ports[first:], *ports[:first]])


_services = _by_turns(_own(_SERVICES)[::_STRIDE])
_few_rtp = _by_turns(_own(_FEW_RTP)[::2])


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that is free for UDP and TCP alike, and so are the three after it, if nobody else's."""
    return next(port for port in _services if _is_free(host, port))


def rtp_ports() -> tuple[int, int]:
    """The first and last RTP port for servers: late audio of one test is nothing to those of other workers."""
    own = _own(_SERVERS_RTP)
    return own[0], own[-1]


def few_rtp_ports(count: int, host: str = "127.0.0.1") -> tuple[int, int]:
    """An even first port with `count` even ports that are free, and the last one."""
    own = _own(_FEW_RTP)
    for first in _few_rtp:
        last = first + 2 * count - 1
        if last <= own[-1] and all(_is_free(host, port) for port in range(first, last, 2)):
            return first, last
    raise AssertionError  # the ports go round for ever


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family) as tcp:
        try:
            udp.bind((host, port))
            tcp.bind((host, port))
        except OSError:
            return False
        return True
