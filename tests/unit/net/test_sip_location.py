"""From a trunk to the flows to try, with DNS played."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from structlog.testing import capture_logs

from tieline.errors import Unavailable
from tieline.model.trunk import Transport as TrunkTransport
from tieline.model.trunk import Trunk
from tieline.net.sip_location import SipLocation
from tieline.sip.events import Flow, Transport
from tieline.sip.location import Naptr, Srv

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
DUAL = {UDP: (4, 6), TCP: (4, 6), TLS: (4, 6)}
URI = "sip:+15550100@example.com"


class PlayedDns:
    """Answers from a table; a name under `failing` fails."""

    def __init__(self, **hosts: str) -> None:
        self.naptrs: dict[str, list[Naptr]] = {}
        self.srvs: dict[str, list[Srv]] = {}
        self.hosts = {name.replace("_", "."): text.split() for name, text in hosts.items()}
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self.closed = False

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing:
            raise Unavailable(f"{name} cannot be looked up: no DNS server answers")

    async def naptr(self, name: str) -> list[Naptr]:
        self._ask(f"naptr {name}")
        return self.naptrs.get(name, [])

    async def srv(self, name: str) -> list[Srv]:
        self._ask(name)
        return self.srvs.get(name, [])

    async def addresses(self, name: str, families: Collection[int]) -> list[str]:
        self._ask(name)
        return [each for each in self.hosts.get(name, []) if (6 if ":" in each else 4) in families]

    async def close(self) -> None:
        self.closed = True


class Case:
    def __init__(self, dns: PlayedDns, families: dict[Transport, tuple[int, ...]] | None = None) -> None:
        self.dns = dns
        self.now = 0.0
        self.location = SipLocation(dns, families or DUAL, lambda: self.now, chance=lambda: 0.5)

    async def find(self, uri: str = URI, **trunk: object) -> list[str]:
        """The flows in short: transport, address, and the name for TLS."""
        flows = await self.location.targets(Trunk(name="t", networks=(), **trunk), uri)  # type: ignore[arg-type]
        return [
            f"{flow.transport} {flow.remote[0]} {flow.remote[1]}{f' {flow.host}' if flow.host else ''}"
            for flow in flows
        ]


@pytest.mark.parametrize(
    ("trunk", "expected"),
    [
        ({"target": "192.0.2.9"}, "UDP 192.0.2.9 5060"),
        ({"target": "192.0.2.9:5070", "transport": TrunkTransport.TCP}, "TCP 192.0.2.9 5070"),
        ({"target": "2001:db8::9", "transport": TrunkTransport.TLS}, "TLS 2001:db8::9 5061 2001:db8::9"),
        ({"target": "sips:192.0.2.9", "tls_name": "sbc.example"}, "TLS 192.0.2.9 5061 sbc.example"),
        ({"target": "sips:192.0.2.9", "transport": TrunkTransport.UDP}, "TLS 192.0.2.9 5061 192.0.2.9"),
        ({"target": "sip:192.0.2.9;transport=tcp"}, "TCP 192.0.2.9 5060"),
        ({"target": "sip:192.0.2.9;transport=tcp", "transport": TrunkTransport.UDP}, "UDP 192.0.2.9 5060"),
    ],
)
async def test_addresses_need_no_question(trunk: dict[str, object], expected: str) -> None:
    case = Case(PlayedDns())
    assert await case.find(URI, **trunk) == [expected]
    assert case.dns.asked == []


async def test_a_host_with_a_port_is_looked_up_by_address_alone() -> None:
    case = Case(PlayedDns(pbx_example="192.0.2.1 2001:db8::1"))
    assert await case.find(target="pbx.example:5070") == ["UDP 192.0.2.1 5070", "UDP 2001:db8::1 5070"]
    assert case.dns.asked == ["pbx.example"]
    assert await case.find("sip:100@pbx.example:5080;transport=tcp") == [
        "TCP 192.0.2.1 5080", "TCP 2001:db8::1 5080",
    ]  # fmt: skip


def served() -> PlayedDns:
    dns = PlayedDns(
        a_example_com="192.0.2.1", b_example_com="192.0.2.2 2001:db8::2", example_com="192.0.2.80"
    )
    dns.srvs = {
        "_sip._udp.example.com": [Srv(10, 0, 5060, "a.example.com"), Srv(20, 0, 5062, "b.example.com")],
        "_sips._tcp.example.com": [Srv(10, 0, 5061, "b.example.com")],
        "by.naptr": [Srv(1, 0, 5099, "a.example.com")],
    }
    return dns


async def test_naptr_says_which_transport() -> None:
    dns = served()
    dns.naptrs["example.com"] = [
        Naptr(20, 0, "s", "SIP+D2U", "_sip._udp.example.com"),
        Naptr(10, 0, "s", "SIP+D2T", "by.naptr"),
        Naptr(5, 0, "s", "SIP+D2S", "no.such"),
    ]
    case = Case(dns)
    assert await case.find() == [
        "TCP 192.0.2.1 5099", "UDP 192.0.2.1 5060", "UDP 192.0.2.2 5062", "UDP 2001:db8::2 5062",
    ]  # fmt: skip


@pytest.mark.parametrize("failing", [set(), {"naptr example.com"}])
async def test_without_naptr_the_transports_that_have_srv_records(failing: set[str]) -> None:
    dns = served()
    dns.failing = failing
    assert await Case(dns).find() == [
        "UDP 192.0.2.1 5060", "UDP 192.0.2.2 5062", "UDP 2001:db8::2 5062",
        "TLS 192.0.2.2 5061 example.com", "TLS 2001:db8::2 5061 example.com",
    ]  # fmt: skip


async def test_a_transport_asked_for_has_its_srv_records_only() -> None:
    case = Case(served())
    assert await case.find(transport=TrunkTransport.TLS) == [
        "TLS 192.0.2.2 5061 example.com", "TLS 2001:db8::2 5061 example.com",
    ]  # fmt: skip
    assert await case.find(transport=TrunkTransport.TCP) == ["TCP 192.0.2.80 5060"]
    assert "naptr example.com" not in case.dns.asked


async def test_without_any_records_the_address_of_the_host() -> None:
    case = Case(PlayedDns(example_com="192.0.2.80"))
    assert await case.find() == ["UDP 192.0.2.80 5060"]
    case.location._default_of = lambda _trunk: TrunkTransport.TLS
    assert await case.find() == ["TLS 192.0.2.80 5061 example.com"]


async def test_families_and_transports_that_we_do_not_have() -> None:
    case = Case(served(), {UDP: (6,), TLS: (4,)})
    assert await case.find() == ["UDP 2001:db8::2 5062", "TLS 192.0.2.2 5061 example.com"]
    with pytest.raises(Unavailable, match="SIP over TCP is off here"):
        await case.find(transport=TrunkTransport.TCP)
    streams = Case(PlayedDns(example_com="192.0.2.80"), {TCP: (4,)})
    with pytest.raises(Unavailable, match=r"example\.com has no SIP server that we can reach"):
        await streams.find()


async def test_no_such_service() -> None:
    dns = PlayedDns(example_com="192.0.2.80")
    dns.srvs["_sip._udp.example.com"] = [Srv(0, 0, 0, "")]
    with pytest.raises(Unavailable, match="has no SIP server"):
        await Case(dns).find(transport=TrunkTransport.UDP)


async def test_one_server_without_an_address_does_not_cost_the_others() -> None:
    dns = served()
    dns.failing = {"a.example.com"}
    assert await Case(dns).find(transport=TrunkTransport.UDP) == [
        "UDP 192.0.2.2 5062", "UDP 2001:db8::2 5062",
    ]  # fmt: skip
    dns.failing = {"a.example.com", "b.example.com", "example.com"}
    with pytest.raises(Unavailable, match=r"a\.example\.com cannot be looked up"):
        await Case(dns).find()
    dns.failing = {"_sip._udp.example.com"}
    assert await Case(dns).find(transport=TrunkTransport.UDP) == ["UDP 192.0.2.80 5060"]


@pytest.mark.parametrize("uri", ["tel:+15550100", "sip:", "urn:service:sos"])
async def test_what_is_nowhere(uri: str) -> None:
    with pytest.raises(Unavailable, match="says nothing of where to call"):
        await Case(PlayedDns()).find(uri)


async def test_those_that_failed_stand_last() -> None:
    case = Case(served())
    first, second, third = await case.find(transport=TrunkTransport.UDP)
    with capture_logs() as logs:
        for _ in range(2):
            case.location.note(Flow(UDP, ("192.0.2.1", 5060)), worked=False)
        case.location.note(Flow(UDP, ("192.0.2.2", 5062), 7), worked=False)
    assert [each["peer"] for each in logs] == ["192.0.2.1", "192.0.2.2"]
    assert case.location.quarantined == 2
    assert await case.find(transport=TrunkTransport.UDP) == [third, first, second]
    with capture_logs() as logs:
        for _ in range(2):
            case.location.note(Flow(UDP, ("192.0.2.1", 5060)), worked=True)
    assert [each["event"] for each in logs] == ["= target works again"]
    assert await case.find(transport=TrunkTransport.UDP) == [first, third, second]
    case.now = 61.0
    assert await case.find(transport=TrunkTransport.UDP) == [first, second, third]
    assert case.location.quarantined == 0


async def test_not_too_many() -> None:
    dns = PlayedDns(example_com=" ".join(f"192.0.2.{number}" for number in range(1, 60)))
    assert len(await Case(dns).find()) == 16


async def test_close() -> None:
    case = Case(PlayedDns())
    await asyncio.gather(case.location.close())
    assert case.dns.closed
