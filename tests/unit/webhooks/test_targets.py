"""Where webhooks may go: every family of addresses, and every way of writing one that looks like another."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tieline.model.webhook import WebhookEndpoint
from tieline.webhooks.targets import TargetGuard, TargetRefused, place, refuse, resolve

PRIVATE = (
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.1.1", "127.0.0.1", "127.8.8.8",
    "100.64.0.1", "100.127.255.254", "198.18.0.1", "::1", "fc00::1", "fd12:3456::1",
)  # fmt: skip
NEVER = (
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "168.63.129.16", "192.0.0.8", "192.0.2.1", "192.88.99.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "fd00:ec2::254",
    "2001:0:1::1", "64:ff9b:1::7f00:1", "4000::1", "::2:0:0:1",
)  # fmt: skip
PUBLIC = (
    "8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.1.1", "11.0.0.1",
    "2606:4700::1", "2a00:1450::1", "2620:fe::fe",
)  # fmt: skip


def wraps(address: str) -> list[str]:
    """The IPv6 addresses that stand for an IPv4 one."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        f"::ffff:{address}", f"::{address}", f"::ffff:0:{address}", f"64:ff9b::{address}", f"2002:{high}:{low}::1",
    ]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_open(text: str) -> None:
    assert refuse(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize("text", PRIVATE)
def test_private_networks_are_refused_unless_allowed(text: str) -> None:
    address = ipaddress.ip_address(text)
    problem = refuse(address)
    assert problem is not None
    assert str(address) in problem
    assert refuse(address, private=True) is None


@pytest.mark.parametrize("text", NEVER)
@pytest.mark.parametrize("private", [False, True])
def test_some_networks_are_always_refused(text: str, private: bool) -> None:
    assert refuse(ipaddress.ip_address(text), private=private) is not None


@pytest.mark.parametrize(
    "text", [one for one in (*PRIVATE, *NEVER) if "." in one and not one.startswith("0.")]
)
def test_an_address_within_an_address_is_what_it_is(text: str) -> None:
    for wrapped in wraps(text):
        assert refuse(ipaddress.ip_address(wrapped)) is not None, wrapped


def test_a_public_address_may_be_wrapped() -> None:
    assert [refuse(ipaddress.ip_address(one)) for one in wraps("8.8.8.8")] == [None] * 5


@given(st.ip_addresses())
def test_what_python_knows_to_be_private_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # IPv4 within IPv6 is what it is there.
    assume(
        address.version == 4 or (int(address) >> 96 not in {0, 0x64FF9B} and int(address) >> 112 != 0x2002)
    )
    strange = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    if strange or address.is_reserved or address.is_unspecified:
        assert refuse(address) is not None


def guard(*found: str, private: bool = False) -> TargetGuard:
    async def looked_up(_host: str, _port: int) -> Sequence[str]:
        return found

    return TargetGuard(private=private, resolve=looked_up)


async def test_a_name_is_as_good_as_its_worst_address() -> None:
    assert await guard("8.8.8.8", "2606:4700::1").addresses("h", 443, allow_private=False) == (
        "8.8.8.8", "2606:4700::1",
    )  # fmt: skip
    with pytest.raises(TargetRefused, match=r"10\.0\.0\.1 is private: no webhook goes there"):
        await guard("8.8.8.8", "10.0.0.1").addresses("h", 443, allow_private=False)


async def test_private_takes_the_word_of_both() -> None:
    for of_settings, of_endpoint, remedy in (
        (False, False, "without the endpoint's allow_private and the setting webhooks.private_targets"),
        (True, False, "without the endpoint's allow_private"),
        (False, True, "without the setting webhooks.private_targets"),
    ):
        with pytest.raises(TargetRefused) as refused:
            await guard("127.0.0.1", private=of_settings).addresses("h", 80, allow_private=of_endpoint)
        assert refused.value.message.endswith(remedy)
    assert await guard("127.0.0.1", private=True).addresses("h", 80, allow_private=True) == ("127.0.0.1",)
    with pytest.raises(TargetRefused) as refused:
        await guard("169.254.169.254", private=True).addresses("h", 80, allow_private=True)
    assert refused.value.message.endswith("no webhook goes there")


async def test_a_zone_does_not_hide_an_address() -> None:
    for found in ("fe80::1%eth0", "::1%lo"):
        with pytest.raises(TargetRefused):
            await guard(found).addresses("h", 80, allow_private=False)


async def test_odd_answers_of_a_resolver() -> None:
    with pytest.raises(OSError, match="no address"):
        await guard().addresses("h", 80, allow_private=False)
    with pytest.raises(TargetRefused, match="no address"):
        await guard("elsewhere").addresses("h", 80, allow_private=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"],
)
async def test_every_spelling_of_here_is_seen_through(host: str) -> None:
    with pytest.raises(TargetRefused):
        await TargetGuard(private=False).addresses(host, 80, allow_private=False)


async def test_the_system_finds_this_machine() -> None:
    assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://example.com/x?y", ("example.com", 443)), ("http://example.com", ("example.com", 80)),
        ("https://[::1]:8443/", ("::1", 8443)), ("https://exämple.com/", ("xn--exmple-cua.com", 443)),
    ],
)  # fmt: skip
def test_where_a_url_leads(url: str, found: tuple[str, int]) -> None:
    assert place(url) == found


@pytest.mark.parametrize(
    "url", ["ftp://example.com", "https://", "https:///x", "https://a:b:c/", "x", "https://h:99999/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        place(url)


async def test_a_check_tells_in_words() -> None:
    def at(url: str) -> WebhookEndpoint:
        return WebhookEndpoint(name="e", account="a", url=url, secret="s")

    assert await guard("8.8.8.8").check(at("https://example.com")) is None
    assert "private" in (await guard("10.0.0.1").check(at("https://example.com")) or "")
    assert "not resolved" in (await guard().check(at("https://example.com")) or "")
