"""Checks of addresses and ports."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from tieline.commands.findings import Finding
from tieline.config import Settings, rtp_capacity

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_addresses(settings: Settings) -> Iterator[Finding]:
    """Whether peers can reach the addresses that we tell them."""
    sip_bind = settings.sip.udp_host or settings.sip.tcp_host
    sip_told = settings.sip.advertised_host or sip_bind
    yield from _judge(
        "SIP", "sip.advertised_host", sip_told, settings.sip.advertised_host is not None, sip_bind
    )
    rtp_told = settings.rtp.advertised_host or settings.sip.advertised_host or settings.rtp.bind_host
    given = (settings.rtp.advertised_host or settings.sip.advertised_host) is not None
    yield from _judge("RTP", "rtp.advertised_host", rtp_told, given, settings.rtp.bind_host)
    http = _resolve(settings.http.host)
    if http is not None and not http.is_loopback:
        yield Finding(
            "addresses", "advice", f"HTTP listens on {settings.http.host} without TLS",
            "Put a reverse proxy with TLS in front, or bind http.host to 127.0.0.1.",
        )  # fmt: skip


def _judge(what: str, setting: str, told: str, given: bool, bound: str) -> Iterator[Finding]:
    address = _resolve(told)
    if address is None:
        yield Finding(
            "addresses", "fault", f"{what}: {told} cannot be resolved", f"Set {setting} to an IP address."
        )
    elif address.is_unspecified and given:
        yield Finding(
            "addresses", "fault", f"{what}: peers would be told {told}, which is no address to send to",
            f"Set {setting} to the address that peers reach.",
        )  # fmt: skip
    elif address.is_unspecified:
        local = _routed_address()
        message = f"{what}: bound to all addresses; peers are told the routed one ({local or 'none found'})"
        private = local is None or local.is_private
        yield Finding(
            "addresses", "advice" if private else "ok", message,
            f"If peers reach you through NAT, set {setting} to the public address." if private else "",
        )  # fmt: skip
    elif address.is_loopback:
        yield Finding(
            "addresses", "advice", f"{what}: peers are told {told}: only programs on this machine can call",
            f"For real calls set {setting} and bind to a reachable address.",
        )  # fmt: skip
    else:
        kind = (
            "a private address: fine within that network, not over the internet"
            if address.is_private
            else "public"
        )
        yield Finding("addresses", "ok", f"{what}: peers are told {told} ({kind})")
        if not given and not _is_ours(bound):
            yield Finding(
                "addresses", "fault", f"{what}: {bound} is not an address of this machine",
                f"Bind to 0.0.0.0 and set {setting} to {bound}.",
            )  # fmt: skip


def _resolve(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.getaddrinfo(host, None)[0][4][0])
    except (OSError, ValueError):
        return None


def _routed_address() -> _Address | None:
    """The address this machine would send from. Connecting UDP sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return ipaddress.ip_address(probe.getsockname()[0])
        except OSError:
            return None


def _is_ours(host: str) -> bool:
    return _bind_fault(host, 0, socket.SOCK_DGRAM) is None


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Whether the ports are free; a running server of our own holds them too."""
    sip, http = settings.sip, settings.http
    wanted = [("http.port", http.host, http.port, socket.SOCK_STREAM)]
    if sip.udp_host:
        wanted.append(("sip.udp_port", sip.udp_host, sip.udp_port, socket.SOCK_DGRAM))
    if sip.tcp_host:
        wanted.append(("sip.tcp_port", sip.tcp_host, sip.tcp_port, socket.SOCK_STREAM))
    if sip.tls_host and sip.tls_certificate:
        wanted.append(("sip.tls_port", sip.tls_host, sip.tls_port, socket.SOCK_STREAM))
    for setting, host, port, kind in wanted:
        if port == 0:
            yield Finding(
                "ports", "advice", f"{setting}: any free port is taken; peers cannot know it", "Set a port."
            )
            continue
        reason = _bind_fault(host, port, kind)
        if reason is None:
            yield Finding("ports", "ok", f"{setting}: {host}:{port} is free")
        else:
            yield Finding(
                "ports", "fault", f"{setting}: {host}:{port} cannot be bound: {reason}",
                "Stop what holds it (`ss -lunpt` names it; a running Tieline does too), or choose another.",
            )  # fmt: skip


def _bind_fault(host: str, port: int, kind: socket.SocketKind) -> str | None:
    """Why an address cannot be bound, or None."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_port_range(settings: Settings) -> Iterator[Finding]:
    """Whether the RTP range carries the calls that may be up, and the system hands its ports to others."""
    rtp, most = settings.rtp, settings.server.max_calls
    room = rtp_capacity(rtp)
    yield Finding(
        "port range", "ok", f"{rtp.port_first}-{rtp.port_last} carries {room} calls; {most} may be up"
    )
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:  # noqa: PTH123
            first, last = (int(word) for word in file.read().split())
    except (OSError, ValueError):
        return
    if rtp.port_first <= last and first <= rtp.port_last:
        yield Finding(
            "port range", "advice",
            f"the system hands out ports {first}-{last} to any program, also ones in the RTP range",
            "Choose a range below, or list ours in net.ipv4.ip_local_reserved_ports.",
        )  # fmt: skip
    if not settings.sip.udp_host:
        yield Finding("port range", "advice", "SIP over UDP is off; most carriers use it")
