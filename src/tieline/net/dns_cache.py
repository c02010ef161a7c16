"""DNS for the SIP side: answers kept for their time to live, and a while longer when no new ones are to be had."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from tieline.errors import ConfigurationError, Unavailable
from tieline.sip.location import Naptr, Srv

_TRY_S = 0.8
_QUESTION_S = 2.0
_SHORTEST_S, _LONGEST_S = 1.0, 3_600.0
_NOTHING_S = 30.0
_FAILED_S = 5.0
_STALE_S = 3_600.0
_NAMES = 4_096

_Key = tuple[str, str]


@dataclass(slots=True)
class _Answer:
    """`records` are good until `until`, and were at first until `ends`; `fault` says why there are none."""

    records: tuple[Any, ...]
    until: float
    fault: str | None = None
    ends: float = 0.0


def parse_server(text: str) -> tuple[str, int]:
    """`address` or `address:port` of a DNS server, IPv6 in brackets with a port. Raises `ConfigurationError`."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if text.endswith("]"):
        host, port = text, ""
    try:
        address, number = str(ip_address(host.strip("[]"))), int(port or 53)
        if not 0 < number < 65536:
            raise ValueError(number)
    except ValueError:
        raise ConfigurationError(
            f"sip.dns_servers: {text} is no address of a DNS server", field="sip.dns_servers"
        ) from None
    return address, number


class DnsCache:
    """Asks `servers` (address and port), or without any those of the system, whose hosts file counts too then.

    `now` gives monotonic seconds.
    """

    def __init__(self, servers: Sequence[tuple[str, int]], now: Callable[[], float]) -> None:
        self._now = now
        self._own = bool(servers)
        self._answers: dict[_Key, _Answer] = {}
        self._asking: dict[_Key, asyncio.Task[_Answer]] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:
            return  # no resolv.conf: the hosts file is all there is
        self._resolver.lifetime = _QUESTION_S
        self._resolver.timeout = _TRY_S
        if servers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]

    async def naptr(self, name: str) -> list[Naptr]:
        """NAPTR records; none where there are none. Raises `Unavailable` when nobody can say."""
        return [
            Naptr(
                each.order, each.preference, each.flags.decode("ascii", "replace"),
                each.service.decode("ascii", "replace"), _host(each.replacement),
            )
            for each in await self._look_up(name, "NAPTR")
        ]  # fmt: skip

    async def srv(self, name: str) -> list[Srv]:
        """SRV records; an empty host says that the service does not exist. Raises `Unavailable`."""
        return [
            Srv(each.priority, each.weight, each.port, _host(each.target))
            for each in await self._look_up(name, "SRV")
        ]

    async def addresses(self, name: str, families: Collection[int]) -> list[str]:
        """IPv4 (family 4), then IPv6 addresses (6). Raises `Unavailable` when nobody can say."""
        kinds = [kind for family, kind in ((4, "A"), (6, "AAAA")) if family in families]
        answers = await asyncio.gather(*(self._look_up(name, kind) for kind in kinds), return_exceptions=True)
        found = [
            str(each.address)
            for answer in answers
            if not isinstance(answer, BaseException)
            for each in answer
        ]
        if not found and not self._own:
            found = list(await self._look_up(name, "hosts")) if families else []
            found = [each for each in found if (6 if ":" in each else 4) in families]
        if not found:
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        return found

    async def _look_up(self, name: str, kind: str) -> tuple[Any, ...]:
        key = (name, kind)
        answer = self._answers.get(key)
        if answer is None or answer.until <= self._now():
            task = self._asking.get(key)
            if task is None:
                task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(key, answer))
                task.add_done_callback(lambda _done: self._asking.pop(key, None))
            answer = await asyncio.shield(task)
        if answer.fault is not None:
            raise Unavailable(f"{name} cannot be looked up: {answer.fault}")
        return answer.records

    async def _ask(self, key: _Key, old: _Answer | None) -> _Answer:
        answer = await (self._ask_system(key[0]) if key[1] == "hosts" else self._ask_dns(*key))
        now = self._now()
        if answer.fault is not None and old is not None and old.fault is None and now < old.ends + _STALE_S:
            # What was right within the hour is a better guess than nothing.
            answer = _Answer(old.records, answer.until, ends=old.ends)
        elif answer.fault is None:
            answer.ends = answer.until
        if len(self._answers) >= _NAMES:
            self._answers.clear()
        self._answers[key] = answer
        return answer

    async def _ask_dns(self, name: str, kind: str) -> _Answer:
        now = self._now
        if self._resolver is None:
            return _Answer((), now() + _NOTHING_S)
        try:
            found = await self._resolver.resolve(
                dns.name.from_text(name), kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            return _Answer((), now() + _NOTHING_S)
        except (dns.exception.Timeout, TimeoutError):
            return _Answer((), now() + _FAILED_S, "no DNS server answers")
        except dns.resolver.NoNameservers:
            return _Answer((), now() + _FAILED_S, "the DNS servers fail")
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return _Answer((), now() + _FAILED_S, str(error) or type(error).__name__)
        if found.rrset is None:
            return _Answer((), now() + _NOTHING_S)
        ttl = min(max(found.chaining_result.minimum_ttl, _SHORTEST_S), _LONGEST_S)
        return _Answer(tuple(found.rrset), now() + ttl)

    async def _ask_system(self, name: str) -> _Answer:
        """The hosts file and whatever else the system looks at."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, ValueError):
            return _Answer((), self._now() + _NOTHING_S)
        addresses = sorted({str(each[4][0]) for each in found}, key=lambda each: (":" in each, each))
        return _Answer(tuple(addresses), self._now() + _NOTHING_S)

    async def close(self) -> None:
        """Give up what is being asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
