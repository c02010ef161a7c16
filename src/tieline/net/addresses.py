"""Our own addresses: the one that the machine would use towards a peer, and names brought down to literals."""

from __future__ import annotations

import functools
import socket
from ipaddress import ip_address
from typing import Any

from tieline.errors import ConfigurationError


@functools.lru_cache(maxsize=4096)
def local_address_towards(host: str) -> str:
    """The source address that the machine's routes choose for packets to `host`; nothing is sent.

    Falls back to the loopback address of the family when there is no route.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return str(probe.getsockname()[0])


def resolve_literal(host: str, setting: str) -> str:
    """`host` as an address literal, looked up once when it is a name. Raises `ConfigurationError`."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {host} cannot be resolved: {error.strerror}", field=setting
        ) from None


_MAPPED = "::ffff:"


def plain_address(address: tuple[Any, ...]) -> tuple[str, int]:
    """A socket's address as host and port; IPv4 that came in on an IPv6 socket is IPv4 (RFC 4291 section 2.5.5.2)."""
    host: str = address[0]
    if host.startswith(_MAPPED) and "." in host:
        host = host[len(_MAPPED) :]
    return host, address[1]


def socket_address(sock_family: int, address: tuple[str, int]) -> tuple[str, int]:
    """The opposite of `plain_address`: what a socket of this family takes."""
    if sock_family == socket.AF_INET6 and ":" not in address[0]:
        return f"{_MAPPED}{address[0]}", address[1]
    return address


def bound_socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A bound, non-blocking socket. `::` takes IPv4 too; an IPv6 address takes itself only. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def is_wildcard(host: str) -> bool:
    """Whether `host` means every address of the machine."""
    return host in {"", "0.0.0.0", "::"}


def free_port(host: str, kind: socket.SocketKind) -> int:
    """A port of `host` that nobody uses at this moment. Raises `ConfigurationError` when `host` is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise ConfigurationError(f"{host} is not an address of this machine: {error.strerror}") from None
        return int(probe.getsockname()[1])
