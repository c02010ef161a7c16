"""Where a webhook may go: a host is resolved, every address it has is checked, and a checked one is connected to.

Whoever can name a URL could otherwise have the server ask its own network: a database without a password, a cloud's
metadata service. The check is made on addresses, not names, and the connection goes to the very address that was
checked, so that a name which resolves to something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

from tieline.errors import TielineError
from tieline.model.webhook import WebhookEndpoint

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to the addresses that it has, as texts. Raises `OSError`."""

PORTS = {"http": 80, "https": 443}
"""The schemes that a webhook may have, with their ports."""

CHECK_S = 5.0
"""How long a check may take."""

_NEVER = {
    "0.0.0.0/8": "unspecified", "169.254.0.0/16": "link-local", "168.63.129.16/32": "a cloud's own",
    "192.0.0.0/24": "reserved", "192.0.2.0/24": "for documentation", "192.88.99.0/24": "a 6to4 relay's",
    "198.51.100.0/24": "for documentation", "203.0.113.0/24": "for documentation", "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved", "::/128": "unspecified", "100::/64": "discarded", "100:0:0:1::/64": "reserved",
    "2001::/23": "reserved", "2001:db8::/32": "for documentation", "3fff::/20": "for documentation",
    "5f00::/16": "reserved", "fe80::/10": "link-local", "fec0::/10": "site-local", "fd00:ec2::/32": "a cloud's own",
    "ff00::/8": "multicast",
}  # fmt: skip
"""Networks that no webhook goes to."""

_PRIVATE = {
    "10.0.0.0/8": "private", "100.64.0.0/10": "shared by a carrier (CGNAT)", "127.0.0.0/8": "loopback",
    "172.16.0.0/12": "private", "192.168.0.0/16": "private", "198.18.0.0/15": "for benchmarks",
    "::1/128": "loopback", "fc00::/7": "private",
}  # fmt: skip
"""Networks that an endpoint may be in where it and the settings say so."""

_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_EMBEDDING = {"::ffff:0:0/96": 0, "::/96": 0, "::ffff:0:0:0/96": 0, "64:ff9b::/96": 0, "64:ff9b:1::/48": None,
              "2002::/16": 80, "2001::/32": None}  # fmt: skip
"""IPv6 networks that wrap IPv4 addresses, by how many bits to the right of it; None: refused whatever it wraps."""

_NetworkTable = tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str], ...]


def _networks(table: dict[str, str]) -> _NetworkTable:
    return tuple((ipaddress.ip_network(text), what) for text, what in table.items())


_NEVER_NETWORKS, _PRIVATE_NETWORKS = _networks(_NEVER), _networks(_PRIVATE)
_EMBEDDING_NETWORKS = tuple((ipaddress.IPv6Network(text), shift) for text, shift in _EMBEDDING.items())


class TargetRefused(TielineError):
    """A webhook's URL leads where webhooks may not go."""

    code = "target_refused"


def refuse(address: Address, *, private: bool = False) -> str | None:
    """Why no webhook goes to an address, in words; None for one that is all right. `private` lets those through."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = _unwrap(address)
        if wrapped is not None:
            return wrapped if isinstance(wrapped, str) else refuse(wrapped, private=private)
    for network, what in _NEVER_NETWORKS:
        if address in network:
            return f"{address} is {what}"
    for network, what in _PRIVATE_NETWORKS:
        if address in network:
            return None if private else f"{address} is {what}"
    if address.version == 6 and address not in _PUBLIC_6:
        return f"{address} is not a public address"
    return None


def _unwrap(address: ipaddress.IPv6Address) -> Address | str | None:
    """The IPv4 address that an IPv6 address stands for, or why it is refused; None when it is its own."""
    if int(address) <= 1:  # unspecified and loopback
        return None
    for network, shift in _EMBEDDING_NETWORKS:
        if address in network:
            if shift is None:
                return f"{address} is a tunnel's"
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def place(url: str) -> tuple[str, int]:
    """The host (in ASCII) and the port that a URL names. Raises `TargetRefused` for what is no such URL."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise TargetRefused(f"the URL cannot be read: {error}") from None
    if parsed.scheme not in PORTS or not parsed.raw_host:
        raise TargetRefused("the URL is neither http nor https")
    port = parsed.port if parsed.port is not None else PORTS[parsed.scheme]
    if not 0 < port < 65536:
        raise TargetRefused("the URL's port is none")
    return parsed.raw_host.decode("ascii"), port


class TargetGuard:
    """Looks hosts up, and lets through what webhooks may go to. `private` is the setting `webhooks.private_targets`."""

    def __init__(self, *, private: bool, resolve: Resolve = resolve) -> None:
        self._private = private
        self._resolve = resolve

    async def addresses(self, host: str, port: int, *, allow_private: bool) -> Sequence[str]:
        """The host's addresses, all of them checked. Raises `TargetRefused`, and `OSError` when there are none."""
        found = await self._resolve(host, port)
        if not found:
            raise OSError("the name has no address")
        for text in found:
            try:
                address = ipaddress.ip_address(text.partition("%")[0])
            except ValueError:
                raise TargetRefused(f"{text!r} is no address") from None
            problem = refuse(address, private=self._private and allow_private)
            if problem is not None:
                raise TargetRefused(f"{problem}: no webhook goes there{self._remedy(address, allow_private)}")
        return found

    async def check(self, endpoint: WebhookEndpoint) -> str | None:
        """Why nothing can be posted to an endpoint, as far as its host tells."""
        try:
            host, port = place(endpoint.url)
            async with asyncio.timeout(CHECK_S):
                await self.addresses(host, port, allow_private=endpoint.allow_private)
        except TargetRefused as refused:
            return refused.message
        except TimeoutError:
            return "the host's name is not resolved in time"
        except (OSError, UnicodeError) as error:
            return f"the host's name is not resolved: {error}"
        return None

    def _remedy(self, address: Address, allow_private: bool) -> str:
        """What would have to be allowed for a refused address."""
        if refuse(address, private=True) is not None:
            return ""
        missing = [
            *(() if allow_private else ("the endpoint's allow_private",)),
            *(() if self._private else ("the setting webhooks.private_targets",)),
        ]
        return f" without {' and '.join(missing)}"
