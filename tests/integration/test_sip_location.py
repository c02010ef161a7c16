"""RFC 3263 against a real DNS server on loopback: records, their time to live, failures, and a call that fails over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from unittest.mock import ANY

import dns.asyncresolver
import dns.rcode
import dns.resolver
import pytest
import uvloop

from tests.integration.dns_server import DnsServer, dns_server
from tests.integration.sip_phone import HOST, phone
from tests.ports import free_port
from tieline.errors import ConfigurationError, Unavailable
from tieline.model.trunk import Transport as TrunkTransport
from tieline.model.trunk import Trunk
from tieline.net.dns_cache import DnsCache, parse_server
from tieline.net.sip_location import SipLocation
from tieline.sip.events import Flow, OptionsCompleted, Transport

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
DUAL = {UDP: (4, 6), TCP: (4, 6), TLS: (4, 6)}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with dns_server() as made:
        yield made


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fill(server: DnsServer) -> None:
    server.put(
        "example.com", "NAPTR",
        '20 10 "s" "SIP+D2U" "" _sip._udp.example.com.',
        '10 10 "s" "SIPS+D2T" "" _sips._tcp.example.com.',
        '5 10 "s" "SIP+D2S" "" _sip._sctp.example.com.',
    )  # fmt: skip
    server.put("_sips._tcp.example.com", "SRV", "10 1 5061 a.example.com.")
    server.put("_sip._udp.example.com", "SRV", "20 1 5070 b.example.com.", "10 1 5060 a.example.com.")
    server.put("a.example.com", "A", "192.0.2.1", ttl=300)
    server.put("a.example.com", "AAAA", "2001:db8::1")
    server.put("b.example.com", "CNAME", "c.example.com.")
    server.put("b.example.com", "A", "192.0.2.3")


async def whole(server: DnsServer) -> list[Flow]:
    location = SipLocation(DnsCache([server.address], Clock()), DUAL, Clock())
    try:
        return await location.targets(Trunk(name="t", networks=(), target="example.com"), "")
    finally:
        await location.close()


@pytest.mark.parametrize("loop_factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_naptr_srv_and_addresses(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def play() -> list[Flow]:
        async with dns_server() as server:
            fill(server)
            return await whole(server)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        flows = runner.run(play())
    assert [(flow.transport, *flow.remote, flow.host) for flow in flows[:2]] == [
        (TLS, address, 5061, "example.com") for address in ("192.0.2.1", "2001:db8::1")
    ]
    assert [(flow.transport, *flow.remote) for flow in flows[2:]] == [
        (UDP, "192.0.2.1", 5060), (UDP, "2001:db8::1", 5060), (UDP, "192.0.2.3", 5070),
    ]  # fmt: skip


class TestCache:
    async def test_each_answer_lives_as_long_as_it_says(self, server: DnsServer) -> None:
        fill(server)
        clock = Clock()
        cache = DnsCache([server.address], clock)
        for _ in range(2):
            assert await cache.addresses("a.example.com", (4, 6)) == ["192.0.2.1", "2001:db8::1"]
        assert (server.asked["a.example.com", "A"], server.asked["a.example.com", "AAAA"]) == (1, 1)
        clock.now = 61.0
        await cache.addresses("a.example.com", (4, 6))
        assert (server.asked["a.example.com", "A"], server.asked["a.example.com", "AAAA"]) == (1, 2)

    async def test_what_is_not_there_is_remembered_too(self, server: DnsServer) -> None:
        fill(server)
        clock = Clock()
        cache = DnsCache([server.address], clock)
        for _ in range(3):
            assert await cache.naptr("no.such.example") == []
            assert await cache.srv("a.example.com") == []
        assert server.asked["no.such.example", "NAPTR"] == server.asked["a.example.com", "SRV"] == 1
        clock.now = 31.0
        assert await cache.srv("a.example.com") == []
        assert server.asked["a.example.com", "SRV"] == 2

    async def test_a_hundred_calls_at_once_ask_once(self, server: DnsServer) -> None:
        fill(server)
        cache = DnsCache([server.address], Clock())
        answers = await asyncio.gather(*(cache.addresses("a.example.com", (4,)) for _ in range(100)))
        assert answers == [["192.0.2.1"]] * 100
        assert server.asked["a.example.com", "A"] == 1

    async def test_one_that_gives_up_waiting_leaves_the_others_their_answer(self, server: DnsServer) -> None:
        fill(server)
        cache = DnsCache([server.address], Clock())
        impatient = asyncio.create_task(cache.addresses("a.example.com", (4,)))
        patient = asyncio.create_task(cache.addresses("a.example.com", (4,)))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == ["192.0.2.1"]

    async def test_old_answers_bridge_an_hour_without_dns(self, server: DnsServer) -> None:
        fill(server)
        clock = Clock()
        cache = DnsCache([server.address], clock)
        await cache.addresses("a.example.com", (4,))
        server.rcode = dns.rcode.SERVFAIL
        clock.now = 301.0
        for _ in range(2):
            assert await cache.addresses("a.example.com", (4,)) == ["192.0.2.1"]
        asked = server.asked["a.example.com", "A"]
        clock.now = 307.0
        assert await cache.addresses("a.example.com", (4,)) == ["192.0.2.1"]
        assert server.asked["a.example.com", "A"] > asked
        clock.now = 300.0 + 3_601.0
        with pytest.raises(Unavailable, match=r"a\.example\.com cannot be looked up: the DNS servers fail"):
            await cache.addresses("a.example.com", (4,))
        server.rcode = None
        clock.now += 6.0
        assert await cache.addresses("a.example.com", (4,)) == ["192.0.2.1"]

    async def test_silence(self, server: DnsServer) -> None:
        server.silent = True
        cache = DnsCache([server.address], Clock())
        for _ in range(2):
            with pytest.raises(Unavailable, match="no DNS server answers"):
                await cache.srv("_sip._udp.example.com")
        assert server.asked["_sip._udp.example.com", "SRV"] <= 3

    async def test_names_that_are_none(self, server: DnsServer) -> None:
        cache = DnsCache([server.address], Clock())
        with pytest.raises(Unavailable, match="cannot be looked up"):
            await cache.addresses("a" * 70 + ".example", (4,))
        assert not server.asked

    async def test_close_while_asking(self, server: DnsServer) -> None:
        server.silent = True
        cache = DnsCache([server.address], Clock())
        asking = asyncio.create_task(cache.srv("example.com"))
        await asyncio.sleep(0.05)
        await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def test_what_is_kept_is_bounded(self, server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tieline.net.dns_cache._NAMES", 2)
        cache = DnsCache([server.address], Clock())
        for name in ("a", "b", "c", "a"):
            assert await cache.srv(name) == []
        assert server.asked["a", "SRV"] == 2


class TestSystem:
    """The machine's own DNS is not asked here: a resolver that knows nothing stands in for it."""

    async def test_the_hosts_file_counts_where_dns_knows_nothing(
        self, server: DnsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def configured(*, configure: bool) -> dns.asyncresolver.Resolver:
            assert configure
            resolver = dns.resolver.BaseResolver.__new__(plain)
            plain.__init__(resolver, configure=False)
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*server.address)]
            return resolver

        plain = dns.asyncresolver.Resolver
        monkeypatch.setattr("dns.asyncresolver.Resolver", configured)
        cache = DnsCache([], Clock())
        assert await cache.addresses("localhost", (4,)) == ["127.0.0.1"]
        assert server.asked["localhost", "A"] == 1

    async def test_no_resolver_configured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unconfigured(*, configure: bool) -> dns.asyncresolver.Resolver:
            raise dns.resolver.NoResolverConfiguration

        monkeypatch.setattr("dns.asyncresolver.Resolver", unconfigured)
        cache = DnsCache([], Clock())
        assert await cache.srv("_sip._udp.localhost") == []
        assert await cache.addresses("localhost", (4,)) == ["127.0.0.1"]
        assert await cache.addresses("no.such.invalid", (4,)) == []
        assert await cache.addresses("localhost", ()) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_addresses_of_servers(text: str, address: tuple[str, int]) -> None:
    assert parse_server(text) == address


@pytest.mark.parametrize("text", ["", "dns.example.com", "192.0.2.53:x", "192.0.2.53:99999999999", "[::1"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sip\.dns_servers: .*is no address of a DNS server"):
        parse_server(text)


async def test_a_call_goes_to_the_next_server_and_the_one_that_failed_stands_last(server: DnsServer) -> None:
    """Two servers by SRV, over TCP: nobody listens at the first."""
    async with phone() as caller, phone() as called:
        dead = free_port()
        server.put(
            "_sip._tcp.example.com", "SRV", f"10 1 {dead} one.example.com.",
            f"20 1 {called.address[1]} two.example.com.",
        )  # fmt: skip
        for name in ("one", "two"):
            server.put(f"{name}.example.com", "A", HOST)
        location = SipLocation(DnsCache([server.address], caller.endpoint.now), DUAL, caller.endpoint.now)
        trunk = Trunk(name="t", networks=(), target="example.com", transport=TrunkTransport.TCP)
        first, second = await location.targets(trunk, "")
        assert (first.remote, second.remote) == ((HOST, dead), called.address)
        caller.options(first)
        assert await caller.event(OptionsCompleted) == OptionsCompleted(ANY, 503)
        location.note(first, worked=False)
        assert await location.targets(trunk, "") == [second, first]
        caller.options(second)
        assert await caller.event(OptionsCompleted) == OptionsCompleted(ANY, 200)
        location.note(second, worked=True)
        await location.close()
