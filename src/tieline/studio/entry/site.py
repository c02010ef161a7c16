"""What the studio knows of its own address: who may talk to it, and where a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from tieline.config import Settings
from tieline.studio.paths import PREFIX

COOKIE = "tieline_session"
"""The session cookie's name by plain HTTP."""

SECURE_COOKIE = f"__Host-{COOKIE}"
"""The same by HTTPS: browsers take a cookie of such a name only from the very host, by HTTPS, for all paths."""

SESSION = "tieline.session"
"""Where in the ASGI scope the hash of the session's token is."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Site:
    """The studio's address as browsers see it. Behind a proxy that is `server.public_url`."""

    def __init__(self, settings: Settings) -> None:
        self.public_url = (settings.server.public_url or "").rstrip("/")
        parts = urlsplit(self.public_url)
        self.public_origin = f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else None
        self.secure = parts.scheme == "https"
        self.cookie = SECURE_COOKIE if self.secure else COOKIE
        self._proxies = _networks(settings.studio.trusted_proxies)

    def is_own_origin(self, origin: str, host: str, scheme: str) -> bool:
        """Whether a page of ours sent it: its `Origin` is our public address, or the address that was asked."""
        origin = origin.lower()
        if self.public_origin is not None and origin == self.public_origin:
            return True
        return not self.secure and bool(host) and origin == f"{scheme}://{host.lower()}"

    def url(self, path: str, host: str) -> str:
        """A page of the studio as somebody else can open it; `host` is what the request named, by plain HTTP."""
        return f"{self.public_url or f'http://{host}'}{PREFIX}{path}"

    def address_of(self, peer: str, headers: Mapping[str, str]) -> str:
        """Where a request comes from: `peer`, or what a trusted proxy says of whom it speaks for."""
        hops = [one.strip() for one in headers.get("x-forwarded-for", "").split(",") if one.strip()]
        found = peer
        while hops and self._is_proxy(found):
            found = hops.pop()
        return found if _address(found) is not None else peer

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _networks(text: str) -> tuple[Network, ...]:
    """The networks of a setting; the loader has checked them."""
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())
