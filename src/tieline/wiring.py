"""What the settings mean to each part: the translations that the composition root makes use of."""

from __future__ import annotations

import socket
from collections.abc import Callable

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
from tieline.sip.config import SipConfig
from tieline.sip.events import Transport
from tieline.sip.message import Limits
from tieline.store.seal import unopened

ROUTED_PROBE = "192.0.2.1"
"""An address of the documentation network: the way to it is the machine's default route."""

Binding = tuple[str, int] | None
"""A host and port, or nothing where a transport is off."""


def sip_bindings(settings: Settings) -> tuple[Binding, Binding]:
    """Where SIP listens over UDP and TCP. Port 0 is replaced by a free one, since it has to be advertised."""
    sip = settings.sip
    udp = (sip.udp_host, sip.udp_port or free_port(sip.udp_host, socket.SOCK_DGRAM)) if sip.udp_host else None
    tcp = (
        (sip.tcp_host, sip.tcp_port or free_port(sip.tcp_host, socket.SOCK_STREAM)) if sip.tcp_host else None
    )
    return udp, tcp


def sip_config(settings: Settings, udp: Binding, tcp: Binding) -> SipConfig:
    """What the stack is told: the advertised addresses and the limits."""
    sip = settings.sip
    advertised: dict[Transport, tuple[str, int]] = {}
    for transport, binding in ((Transport.UDP, udp), (Transport.TCP, tcp)):
        if binding is not None:
            host, port = binding
            shown = local_address_towards(ROUTED_PROBE) if is_wildcard(host) else host
            advertised[transport] = (sip.advertised_host or shown, sip.advertised_port or port)
    return SipConfig(
        advertised=advertised,
        user_agent=f"Tieline/{__version__}",
        limits=Limits(message_bytes=sip.max_message_bytes),
        max_legs=settings.server.max_calls * 4 + 1000,
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
