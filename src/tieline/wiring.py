"""What the settings mean to each part: the translations that the composition root makes use of."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

from tieline import __version__
from tieline.agent.barred import BarredAgent
from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.config import Settings
from tieline.errors import ConfigurationError
from tieline.model.project import Project
from tieline.model.trunk import Trunk
from tieline.net.addresses import free_port, is_wildcard, local_address_towards, resolve_literal
from tieline.net.media_link import MediaSettings
from tieline.net.sip_tls import TlsFiles
from tieline.sip.config import SipConfig
from tieline.sip.events import Transport
from tieline.sip.message import Limits
from tieline.store.seal import unopened

ROUTED_PROBE = "192.0.2.1"
"""An address of the documentation network: the way to it is the machine's default route."""

Binding = tuple[str, int] | None
"""A host and port, or nothing where a transport is off."""


class SipBindings(NamedTuple):
    """Where SIP listens."""

    udp: Binding = None
    tcp: Binding = None
    tls: Binding = None

    def present(self) -> list[tuple[str, tuple[str, int]]]:
        """Those that are on, each with its name."""
        return [(name, bound) for name, bound in self._asdict().items() if bound is not None]


def sip_bindings(settings: Settings) -> SipBindings:
    """Where SIP listens. Port 0 is replaced by a free one, since it has to be advertised."""
    sip = settings.sip
    wanted = (
        (sip.udp_host, sip.udp_port, socket.SOCK_DGRAM),
        (sip.tcp_host, sip.tcp_port, socket.SOCK_STREAM),
        (sip.tls_host if sip.tls_certificate else "", sip.tls_port, socket.SOCK_STREAM),
    )
    return SipBindings(
        *((host, port or free_port(host, kind)) if host else None for host, port, kind in wanted)
    )


def sip_config(settings: Settings, bindings: SipBindings) -> SipConfig:
    """What the stack is told: the advertised addresses and the limits."""
    sip = settings.sip
    advertised: dict[Transport, tuple[str, int]] = {}
    for name, (host, port) in bindings.present():
        transport = Transport[name.upper()]
        shown = local_address_towards(ROUTED_PROBE) if is_wildcard(host) else host
        told = sip.advertised_tls_port if transport is Transport.TLS else sip.advertised_port
        advertised[transport] = (sip.advertised_host or shown, told or port)
    return SipConfig(
        advertised=advertised,
        user_agent=f"Tieline/{__version__}",
        limits=Limits(message_bytes=sip.max_message_bytes),
        max_legs=settings.server.max_calls * 4 + 1000,
    )


def tls_files(settings: Settings) -> TlsFiles:
    """Where certificates and keys are."""
    sip = settings.sip
    return TlsFiles(
        certificate=sip.tls_certificate,
        key=sip.tls_key,
        ca=sip.tls_ca,
        client_ca=sip.tls_client_ca,
        client_certificate=sip.tls_client_certificate,
        client_key=sip.tls_client_key,
    )


def media_settings(settings: Settings) -> MediaSettings:
    """What the media processes are told."""
    rtp = settings.rtp
    return MediaSettings(
        bind_host=rtp.bind_host,
        first_port=rtp.port_first,
        last_port=rtp.port_last,
        processes=rtp.media_processes,
        max_calls=settings.server.max_calls,
    )


def agent_settings(settings: Settings) -> AgentSettings:
    """The limits of every project's agent."""
    agent = settings.agent
    return AgentSettings(
        function_limit_s=agent.function_limit_s,
        start_limit_s=agent.start_limit_s,
        memory_mb=agent.runner_memory_mb,
        runners_warm=agent.warm_runners,
        runners_max=agent.max_runners,
    )


def make_agent(settings: AgentSettings, project: Project) -> AgentPool:
    """A project's agent; one whose secrets cannot be opened says so instead of running."""
    fault = unopened(project)
    if fault is not None:
        return BarredAgent(project.path or "", settings, fault)
    return AgentPool(project.path or "", settings, destinations=project.handoffs, secrets=project.secrets)


def media_address(settings: Settings) -> Callable[[Trunk, str], str]:
    """The address for SDP: the trunk's, the configured one, the bound one, or the one that routes to the peer."""
    advertised = settings.rtp.advertised_host or settings.sip.advertised_host
    fixed = resolve_literal(advertised, "rtp.advertised_host") if advertised else None
    if fixed is None and not is_wildcard(settings.rtp.bind_host):
        fixed = settings.rtp.bind_host

    def choose(trunk: Trunk, peer: str) -> str:
        if trunk.advertised_host is not None:
            return resolve_literal(trunk.advertised_host, f"trunk {trunk.name}")
        return fixed or local_address_towards(peer)

    return choose


def listen_http(settings: Settings) -> socket.socket:
    """The HTTP socket. Raises `ConfigurationError` when the address cannot be had."""
    http = settings.http
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((http.host, http.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"HTTP cannot listen on {http.host}:{http.port}: {error.strerror}", field="http.port"
        ) from None
    listener.setblocking(False)
    return listener
