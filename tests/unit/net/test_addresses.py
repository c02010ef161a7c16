"""Our own addresses."""

import socket

import pytest

from tieline.errors import ConfigurationError
from tieline.net.addresses import free_port, is_wildcard, local_address_towards, resolve_literal


def test_the_way_to_loopback_is_loopback() -> None:
    assert local_address_towards("127.0.0.1") == "127.0.0.1"
    assert local_address_towards("::1") == "::1"


def test_no_route_falls_back_to_loopback() -> None:
    assert local_address_towards("255.255.255.255") in {"127.0.0.1", local_address_towards("192.0.2.1")}
    assert local_address_towards("ff00::not-an-address") == "::1"


def test_literals_stay_and_names_are_looked_up() -> None:
    assert resolve_literal("192.0.2.7", "x") == "192.0.2.7"
    assert resolve_literal("2001:DB8::1", "x") == "2001:db8::1"
    assert resolve_literal("localhost", "x") == "127.0.0.1"
    with pytest.raises(
        ConfigurationError, match=r"rtp\.advertised_host: no-such-host\.invalid cannot be resolved"
    ):
        resolve_literal("no-such-host.invalid", "rtp.advertised_host")


@pytest.mark.parametrize(
    ("host", "wild"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False)]
)
def test_wildcards(host: str, wild: bool) -> None:
    assert is_wildcard(host) is wild


def test_a_free_port_can_be_bound_and_a_foreign_address_has_none() -> None:
    port = free_port("127.0.0.1", socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", port))
    with pytest.raises(ConfigurationError, match="not an address of this machine"):
        free_port("192.0.2.77", socket.SOCK_STREAM)
