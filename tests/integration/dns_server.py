"""A small DNS server on loopback: a zone in a dict, over UDP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """`put` fills the zone; `asked` counts the questions; `rcode` makes every answer a failure, `silent` none."""

    def __init__(self) -> None:
        self._zone: dict[tuple[str, str], dns.rrset.RRset] = {}
        self._names: set[str] = set()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.silent = False
        self.rcode: dns.rcode.Rcode | None = None

    def put(self, name: str, kind: str, *values: str, ttl: int = 60) -> None:
        """Records of one name and kind, in the text form of zone files."""
        self._zone[name, kind] = dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *values)
        self._names.add(name)

    def drop(self, name: str, kind: str) -> None:
        """Take records away; the name stays."""
        del self._zone[name, kind]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        if self.silent:
            return
        answer = dns.message.make_response(query, recursion_available=True)
        found = self._zone.get((name, kind))
        if self.rcode is not None:
            answer.set_rcode(self.rcode)
        elif found is not None:
            answer.answer.append(found)
        elif name not in self._names:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is asked."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()


@asynccontextmanager
async def dns_server(host: str = "127.0.0.1") -> AsyncIterator[DnsServer]:
    """A running server without any records."""
    _, server = await asyncio.get_running_loop().create_datagram_endpoint(DnsServer, local_addr=(host, 0))
    try:
        yield server
    finally:
        server.close()
        await asyncio.sleep(0)
