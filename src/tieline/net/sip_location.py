"""Where a trunk's SIP servers are (RFC 3263): NAPTR, SRV, addresses, and whom to try last."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from tieline.errors import Unavailable
from tieline.model.trunk import Transport as TrunkTransport
from tieline.model.trunk import Trunk
from tieline.net.quarantine import Quarantine
from tieline.observe.logging import get_logger
from tieline.sip.core import default_port
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, Transport
from tieline.sip.location import (
    Naptr,
    Srv,
    Whereabouts,
    choose_services,
    order_servers,
    settled_port,
    settled_transport,
    srv_name,
    whereabouts,
)

MOST_TARGETS = 16
_REMEMBERED = 4_096

_Target = tuple[Transport, tuple[str, int]]

_PREFERENCE = (Transport.UDP, Transport.TCP, Transport.TLS)


def sip_transport(transport: TrunkTransport) -> Transport:
    """The stack's name of a trunk's transport."""
    return Transport(transport.value.upper())


class Names(Protocol):
    """What is asked of DNS; `DnsCache` is one. Everything raises `Unavailable` when nobody can say."""

    async def naptr(self, name: str) -> list[Naptr]:
        """NAPTR records."""
        ...

    async def srv(self, name: str) -> list[Srv]:
        """SRV records."""
        ...

    async def addresses(self, name: str, families: Collection[int]) -> list[str]:
        """IPv4 (family 4) and IPv6 (6) addresses."""
        ...

    async def close(self) -> None:
        """Give up what is being asked."""
        ...


class SipLocation:
    """Implements `tieline.calls.ports.LocationPort`.

    `families` are the address families (4, 6) that each of our transports reaches; one that is left out is off.
    `default_of` is what a trunk is reached by where neither it nor its target says, and DNS does not either.
    """

    def __init__(
        self,
        dns: Names,
        families: Mapping[Transport, Collection[int]],
        now: Callable[[], float],
        *,
        default_of: Callable[[Trunk], TrunkTransport] = lambda trunk: trunk.transport or TrunkTransport.UDP,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._dns = dns
        self._families = families
        self._now = now
        self._default_of = default_of
        self._chance = chance
        self._quarantine = Quarantine()
        self._trunks: dict[str, str] = {}
        self._log = get_logger("sip")

    async def targets(self, trunk: Trunk, uri: str) -> list[Flow]:
        """Flows to try for a request to `uri` over `trunk`, best first; those that failed lately stand last.

        The trunk's own target is meant where it has one. Raises `Unavailable`.
        """
        text = trunk.target or uri
        try:
            where = whereabouts(text)
        except MessageMalformed as broken:
            raise Unavailable(f"{text} says nothing of where to call: {broken.why}") from None
        if trunk.transport is not None and not where.secure:
            where = where._replace(transport=sip_transport(trunk.transport))
        found = await self._find(where, sip_transport(self._default_of(trunk)))
        if not found:
            raise Unavailable(f"{where.host} has no SIP server that we can reach")
        for _, (address, _) in found[:MOST_TARGETS]:
            self._trunks.pop(address, None)
            self._trunks[address] = trunk.name
        while len(self._trunks) > _REMEMBERED:
            del self._trunks[next(iter(self._trunks))]
        name = trunk.tls_name or where.host
        flows = [
            Flow(transport, address, None, name if transport is Transport.TLS else None)
            for transport, address in dict.fromkeys(found)
        ]
        return self._quarantine.order(flows[:MOST_TARGETS], self._now())

    async def _find(self, where: Whereabouts, default: Transport) -> list[_Target]:
        transport = settled_transport(where, default)
        if transport is not None:
            if transport not in self._families:
                raise Unavailable(f"SIP over {transport} is off here")
            return await self._servers(where, transport, None)
        services = await self._services(where.host)
        if not services:
            services = [(default, None)] if default in self._families else []
        answers = await asyncio.gather(
            *(self._servers(where, each, name) for each, name in services), return_exceptions=True
        )
        return _joined(answers)

    async def _services(self, host: str) -> list[tuple[Transport, str | None]]:
        """Transports by NAPTR records, else those that have SRV records (section 4.1)."""
        try:
            chosen = choose_services(await self._dns.naptr(host), self._families)
        except Unavailable:
            chosen = []  # some servers know no NAPTR records and say so by failing
        if chosen:
            return list(chosen)
        ours = [each for each in _PREFERENCE if each in self._families]
        answers = await asyncio.gather(*(self._srv(srv_name(host, each)) for each in ours))
        return [(each, None) for each, answer in zip(ours, answers, strict=True) if answer]

    async def _srv(self, name: str) -> list[Srv]:
        try:
            return await self._dns.srv(name)
        except Unavailable:
            return []

    async def _servers(self, where: Whereabouts, transport: Transport, name: str | None) -> list[_Target]:
        """Addresses of one transport (section 4.2). `name` is where NAPTR says the SRV records are."""
        port = settled_port(where, transport)
        if where.is_numeric:
            return [(transport, (where.host, port or default_port(transport)))]
        hosts = [(where.host, port or default_port(transport))]
        if port is None:
            records = await self._srv(name or srv_name(where.host, transport))
            if records:
                hosts = [(each.host, each.port) for each in order_servers(records, self._chance)]
        answers = await asyncio.gather(
            *(self._dns.addresses(host, self._families[transport]) for host, _ in hosts[:MOST_TARGETS]),
            return_exceptions=True,
        )
        return _joined(
            [
                answer if isinstance(answer, BaseException) else [(transport, (each, at)) for each in answer]
                for (_, at), answer in zip(hosts, answers, strict=False)
            ]
        )

    def trunk_at(self, host: str) -> str | None:
        """The trunk that an address was last found for: it answers us from there, whatever its networks are."""
        return self._trunks.get(host)

    def note(self, flow: Flow, *, worked: bool) -> None:
        """Tell how a target did, for the next call's order."""
        target = Flow(flow.transport, flow.remote, None, flow.host)
        if worked:
            if self._quarantine.clear(target):
                self._log.info("= target works again", transport=flow.transport, peer=flow.remote[0])
        elif self._quarantine.fail(target, self._now()):
            self._log.warning(
                "= target failed, to be tried last", transport=flow.transport, peer=flow.remote[0]
            )

    @property
    def quarantined(self) -> int:
        """How many targets are tried last at this moment."""
        return self._quarantine.count(self._now())

    async def close(self) -> None:
        """Give up what is being looked up."""
        await self._dns.close()


def _joined(answers: Iterable[list[_Target] | BaseException]) -> list[_Target]:
    """All that was found, in order. Where nothing was, the first fault is raised."""
    found: list[_Target] = []
    faults: list[BaseException] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            faults.append(answer)
        else:
            found += answer
    if faults and not found:
        raise faults[0]
    return found
