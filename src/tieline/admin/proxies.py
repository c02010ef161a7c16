"""Where a request comes from, behind proxies that may be believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The networks of `studio.trusted_proxies`; the loader has checked them."""

    def __init__(self, text: str) -> None:
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip()
        )

    def address_of(self, peer: str, headers: Mapping[str, str]) -> str:
        """Where a request comes from: `peer`, or what a trusted proxy says of whom it speaks for."""
        hops = [one.strip() for one in headers.get("x-forwarded-for", "").split(",") if one.strip()]
        found = peer
        while hops and self._is_proxy(found):
            found = hops.pop()
        return found if _address(found) is not None else peer

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
