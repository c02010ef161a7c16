"""What the studio knows of its own address: who may talk to it, and where a request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tieline.admin.proxies import TrustedProxies
from tieline.config import Settings
from tieline.studio.paths import PREFIX

COOKIE = "tieline_session"
"""The session cookie's name by plain HTTP."""

SECURE_COOKIE = f"__Host-{COOKIE}"
"""The same by HTTPS: browsers take a cookie of such a name only from the very host, by HTTPS, for all paths."""

SESSION = "tieline.session"
"""Where in the ASGI scope the hash of the session's token is."""


class Site:
    """The studio's address as browsers see it. Behind a proxy that is `server.public_url`."""

    def __init__(self, settings: Settings) -> None:
        self.public_url = (settings.server.public_url or "").rstrip("/")
        parts = urlsplit(self.public_url)
        self.public_origin = f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else None
        self.secure = parts.scheme == "https"
        self.cookie = SECURE_COOKIE if self.secure else COOKIE
        self._proxies = TrustedProxies(settings.studio.trusted_proxies)

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
        return self._proxies.address_of(peer, headers)
