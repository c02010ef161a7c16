"""Who may talk to the studio, and where a request comes from."""

from __future__ import annotations

import pytest

from tieline.config import ServerSettings, Settings, StudioSettings
from tieline.studio.entry.site import COOKIE, SECURE_COOKIE, Site


def site(public_url: str | None = None, proxies: str = "") -> Site:
    server, studio = ServerSettings(public_url=public_url), StudioSettings(trusted_proxies=proxies)
    return Site(Settings(server=server, studio=studio))


@pytest.mark.parametrize(
    ("public_url", "origin", "host", "allowed"),
    [
        (None, "http://127.0.0.1:8080", "127.0.0.1:8080", True),
        (None, "http://LOCALHOST:8080", "localhost:8080", True),
        (None, "https://127.0.0.1:8080", "127.0.0.1:8080", False),
        (None, "http://127.0.0.1:9090", "127.0.0.1:8080", False),
        (None, "http://evil.example", "127.0.0.1:8080", False),
        (None, "null", "127.0.0.1:8080", False),
        (None, "http://", "", False),
        ("https://tieline.example/base", "https://tieline.example", "10.0.0.1:8080", True),
        ("https://tieline.example", "http://tieline.example", "tieline.example", False),
        ("https://tieline.example", "http://10.0.0.1:8080", "10.0.0.1:8080", False),
        ("http://tieline.example", "http://10.0.0.1:8080", "10.0.0.1:8080", True),
    ],
)
def test_origins(public_url: str | None, origin: str, host: str, allowed: bool) -> None:
    assert site(public_url).is_own_origin(origin, host, "http") is allowed


def test_the_cookie_is_tied_to_the_host_by_https() -> None:
    assert (site().cookie, site().secure) == (COOKIE, False)
    assert (site("https://tieline.example").cookie, site("https://x.example").secure) == (SECURE_COOKIE, True)


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "found"),
    [
        ("", "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.1", "198.51.100.7", "198.51.100.7"),
        ("192.0.2.0/24", "192.0.2.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("192.0.2.0/24, ::1", "::1", "198.51.100.7, 192.0.2.5", "198.51.100.7"),
        ("192.0.2.0/24", "192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.1", "<script>", "192.0.2.1"),
        ("192.0.2.0/24", "not an address", "198.51.100.7", "not an address"),
    ],
)
def test_the_client_behind_a_trusted_proxy(proxies: str, peer: str, forwarded: str, found: str) -> None:
    assert site(proxies=proxies).address_of(peer, {"x-forwarded-for": forwarded}) == found
