"""Where the servers of a SIP URI are, as far as that can be said without asking: the rules of RFC 3263 and RFC 2782.

What DNS answered, and chance, are passed in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import ip_address
from itertools import accumulate
from typing import NamedTuple

from tieline.sip.core import default_port
from tieline.sip.dialog import asked_transport
from tieline.sip.events import Transport
from tieline.sip.grammar import parse_uri

_SERVICES = {"sip+d2u": Transport.UDP, "sip+d2t": Transport.TCP, "sips+d2t": Transport.TLS}
_PREFIXES = {Transport.UDP: "_sip._udp.", Transport.TCP: "_sip._tcp.", Transport.TLS: "_sips._tcp."}


class Whereabouts(NamedTuple):
    """What a URI says itself. `transport` and `port` are None where it leaves them to DNS.

    `secure` is the `sips` scheme: nothing but TLS will do.
    """

    host: str
    port: int | None
    transport: Transport | None
    secure: bool

    @property
    def is_numeric(self) -> bool:
        """Whether the host is an IP address."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


class Naptr(NamedTuple):
    """One NAPTR record (RFC 3403); `replacement` is the name of SRV records."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


def whereabouts(text: str) -> Whereabouts:
    """Read a SIP URI, or a host with or without a port. Raises `MessageMalformed`."""
    scheme = text.partition(":")[0].lower()
    if scheme not in {"sip", "sips"}:
        shown = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        text = f"sip:{shown}"
    uri = parse_uri(text)
    return Whereabouts(uri.host.strip("[]").rstrip("."), uri.port, asked_transport(uri), uri.scheme == "sips")


def settled_transport(where: Whereabouts, default: Transport) -> Transport | None:
    """The transport where it needs no DNS (section 4.1): asked for, or the host an address, or a port named."""
    if where.transport is not None:
        return where.transport
    if where.is_numeric or where.port is not None:
        return default
    return None


def settled_port(where: Whereabouts, transport: Transport) -> int | None:
    """The port where it needs no SRV records (section 4.2)."""
    if where.port is not None:
        return where.port
    return default_port(transport) if where.is_numeric else None


def srv_name(host: str, transport: Transport) -> str:
    """The name whose SRV records say where `host` is served over `transport`."""
    return _PREFIXES[transport] + host


def choose_services(records: Iterable[Naptr], ours: Collection[Transport]) -> list[tuple[Transport, str]]:
    """Transports and the names of their SRV records, best first; those that are none of `ours` are left out."""
    found: list[tuple[Transport, str]] = []
    for record in sorted(records, key=lambda each: (each.order, each.preference)):
        transport = _SERVICES.get(record.service.lower())
        if transport is not None and transport in ours and record.flags.lower() == "s" and record.replacement:
            found.append((transport, record.replacement))
    return found


def order_servers(records: Sequence[Srv], chance: Callable[[], float]) -> list[Srv]:
    """SRV records in the order to try: by priority, and by chance according to weight among equals.

    `chance` gives numbers from 0 up to 1. A record whose target is the root says that there is no such service.
    """
    ordered: list[Srv] = []
    left = sorted((each for each in records if each.host), key=lambda each: (each.priority, each.weight > 0))
    while left:
        equals = [each for each in left if each.priority == left[0].priority]
        ordered.append(_draw(equals, chance()))
        left.remove(ordered[-1])
    return ordered


def _draw(equals: Sequence[Srv], at: float) -> Srv:
    """One of `equals`, those of weight 0 first: they are drawn seldom, but can be."""
    sums = list(accumulate(each.weight for each in equals))
    return equals[bisect_left(sums, at * sums[-1])]
