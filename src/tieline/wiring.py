"""What the settings mean to each part: the translations that the composition root makes use of."""

from __future__ import annotations

import functools
import platform
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from tieline import __version__
from tieline.admin.reach import Reach
from tieline.agent.barred import BarredAgent
from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.config import Settings
from tieline.errors import ConfigurationError
from tieline.gateway.calls import LOOPBACK
from tieline.gateway.ice_place import IcePlace
from tieline.integrations.profiles import dialect_of
from tieline.model.handoff import Destination
from tieline.model.project import Project
from tieline.model.trunk import Support, Trunk
from tieline.net.addresses import free_port, is_wildcard, local_address_towards, resolve_literal
from tieline.net.dns_cache import DnsCache, parse_server
from tieline.net.media_link import MediaSettings
from tieline.net.sip_legs import TrunkOptions
from tieline.net.sip_location import SipLocation
from tieline.net.sip_tls import TlsFiles
from tieline.sip.config import Credentials, PeerOptions, PeerOptionsOf, SipConfig
from tieline.sip.core import default_port
from tieline.sip.events import Flow, Transport
from tieline.sip.message import Limits
from tieline.store.seal import unopened

KEPT_TERMS = 1024
"""For so many trunks what they are spoken to by is kept; a trunk that is changed is another one."""

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


def peer_options(options_of: TrunkOptions, trunks_at: Callable[[str], Sequence[Trunk]]) -> PeerOptionsOf:
    """How to speak to the peer at the other end of a flow, by its address alone; `trunks_at` finds its trunks."""

    def choose(flow: Flow) -> PeerOptions:
        trunks = trunks_at(flow.remote[0])
        options = options_of(flow, trunks[0] if trunks else None)
        if len(trunks) < 2:
            return options
        return replace(options, others=tuple([options_of(flow, each) for each in trunks[1:]]))

    return choose


def trunk_options(settings: Settings, config: SipConfig) -> TrunkOptions:
    """How to speak to a trunk's peer at the other end of a flow: the trunk's settings over those of its profile."""
    told_to = advertised_address(settings, config)

    @functools.lru_cache(maxsize=KEPT_TERMS)
    def terms_of(trunk: Trunk | None) -> PeerOptions:
        if trunk is None:
            return PeerOptions()
        # Who says UDP means UDP.
        undecided = trunk.transport is None and "transport=" not in (trunk.target or "").lower()
        dialect = dialect_of(trunk)
        timer, reliable = dialect.session_timer, dialect.reliable_provisional
        return PeerOptions(
            credentials=_credentials(trunk.username, trunk.password),
            required=_credentials(trunk.auth_username, trunk.auth_password),
            algorithms=trunk.auth_algorithms,
            session_expires_s=None if timer is Support.OFF else dialect.session_expires_s,
            timer_required=timer is Support.REQUIRED,
            reliable=reliable is not Support.OFF,
            reliable_required=reliable is Support.REQUIRED,
            large_over_tcp=undecided and Transport.TCP in config.advertised,
        )

    def options_of(flow: Flow, trunk: Trunk | None) -> PeerOptions:
        advertised = told_to(flow, trunk)
        terms = terms_of(trunk)
        return terms if advertised is None else replace(terms, advertised=advertised)

    return options_of


def _credentials(username: str | None, password: str | None) -> Credentials | None:
    return Credentials(username, password) if username is not None and password is not None else None


def advertised_address(
    settings: Settings, config: SipConfig
) -> Callable[[Flow, Trunk | None], tuple[str, int] | None]:
    """What a peer is told in Via and Contact where that is not what everybody is told; None where it is.

    The trunk's own address goes first, then the configured one. Where we listen on all addresses, or the configured
    one is of the other family, a peer is told the address that the machine's routes choose towards it.
    """
    sip, given = settings.sip, settings.sip.advertised_host
    bound = {Transport.UDP: sip.udp_host, Transport.TCP: sip.tcp_host, Transport.TLS: sip.tls_host}

    def choose(flow: Flow, trunk: Trunk | None) -> tuple[str, int] | None:
        usual = config.advertised.get(flow.transport)
        host, port = usual or (next(iter(config.advertised.values()))[0], default_port(flow.transport))
        if trunk is not None and trunk.advertised_host is not None:
            host = trunk.advertised_host
        elif (given is None and is_wildcard(bound[flow.transport])) or _is_other_family(host, flow.remote[0]):
            host = local_address_towards(flow.remote[0])
        if trunk is not None and trunk.advertised_port is not None:
            port = trunk.advertised_port
        return None if (host, port) == usual else (host, port)

    return choose


@functools.lru_cache(maxsize=1024)
def _is_other_family(host: str, peer: str) -> bool:
    """Whether `host` is an address that a packet to `peer` cannot come from; of a name nobody knows."""
    try:
        return ip_address(host).version != ip_address(peer.partition("%")[0]).version
    except ValueError:
        return False


def sip_location(settings: Settings, bindings: SipBindings, now: Callable[[], float]) -> SipLocation:
    """Where trunks' servers are looked for: DNS, the transports that are on, the families that they reach."""
    servers = [parse_server(text) for text in (settings.sip.dns_servers or "").replace(",", " ").split()]
    streams = (4, 6) if any(":" in host for _, (host, _) in bindings.present()) else (4,)
    families: dict[Transport, tuple[int, ...]] = {Transport.TCP: streams, Transport.TLS: streams}
    if bindings.udp is not None:
        host = bindings.udp[0]
        families[Transport.UDP] = (4, 6) if host == "::" else (6,) if ":" in host else (4,)
    return SipLocation(
        DnsCache(servers, now), families, now, default_of=lambda trunk: dialect_of(trunk).transport
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
    return AgentPool(
        project.path or "", settings, destinations=project.handoffs, sms_templates=project.sms_templates,
        secrets=project.secrets,
    )  # fmt: skip


def media_address(settings: Settings) -> Callable[[Trunk, str], str]:
    """The address for SDP: the trunk's, the configured one, the bound one, or the one that routes to the peer."""
    advertised = settings.rtp.advertised_host or settings.sip.advertised_host
    fixed = resolve_literal(advertised, "rtp.advertised_host") if advertised else None
    if fixed is None and not is_wildcard(settings.rtp.bind_host):
        fixed = settings.rtp.bind_host

    def choose(trunk: Trunk, peer: str) -> str:
        if trunk.advertised_host is not None:
            return resolve_literal(trunk.advertised_host, f"trunk {trunk.name}")
        if fixed is not None and not _is_other_family(fixed, peer):
            return fixed
        return local_address_towards(peer)

    return choose


def twilio_sip_address(settings: Settings, reach: Reach) -> str:
    """Host and parameters of the SIP URI at which Twilio dials us: as configured, else advertised; TLS if it is on."""
    if settings.twilio.sip_address:
        return settings.twilio.sip_address
    if "tls" in {name.lower() for name in reach.sip}:
        key = next(name for name in reach.sip if name.lower() == "tls")
        return f"{reach.sip_host(key)};transport=tls"
    return reach.sip_host(next(iter(reach.sip), ""))


def ice_place(settings: Settings) -> IcePlace:
    """Where browsers' audio is received: as set, else where HTTP is, and where that is no one place, near it."""
    given = settings.test_calls
    told = given.advertised_host
    bound = given.bind_host or settings.http.host
    address = None if is_wildcard(bound) else resolve_literal(bound, "test_calls.bind_host")
    if address is None or (given.bind_host is None and ip_address(address).is_loopback):
        addresses = tuple(dict.fromkeys((LOOPBACK, local_address_towards(ROUTED_PROBE))))
    else:
        addresses = (address,)
    return IcePlace(
        addresses,
        resolve_literal(told, "test_calls.advertised_host") if told else None,
        given.port_first,
        max(given.port_first, given.port_last),
    )


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


def about(settings: Settings, schema: str) -> dict[str, str]:
    """What one may want to know of this installation; `schema` is the database's version."""
    return {
        "Version": __version__,
        "Database schema": schema,
        "Database": str(Path(settings.store.path).absolute()),
        "Settings file": str(settings.source) if settings.source is not None else "none",
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
    }


def check_folder(folder: Path, destinations: Sequence[Destination]) -> list[str]:
    """What keeps an agent project's folder from being served, in words. Imports its code in a process of its own."""
    from tieline.agent.project import check_project

    return [str(finding) for finding in check_project(folder, destinations=tuple(destinations)).errors]
