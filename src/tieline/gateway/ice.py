"""Where a browser's media reaches us: the addresses and ports of our ICE candidates (RFC 8445).

Host candidates alone, and only on addresses that we are told: no STUN server is asked, nothing leaves for outside.
aiortc gathers on every interface but loopback and takes any port; what it is given here replaces that for one peer.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from typing import Any, cast

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection

from tieline.errors import Unavailable
from tieline.gateway.ice_place import IcePlace

_CANDIDATE = re.compile(r"^a=candidate:(\S+) (\d+) (\S+) (\d+) (\S+) (\d+) typ (\S+)(.*)$")
_DISCARD_PORT = 9


_turns = itertools.count()


def gather_at(peer: RTCPeerConnection, place: IcePlace) -> None:
    """Let the peer's transports gather there and nowhere else. To be called before it gathers."""
    for transceiver in peer.getTransceivers():
        gatherer = transceiver.receiver.transport.transport.iceGatherer
        connection = cast(Any, gatherer)._connection
        connection.get_component_candidates = _Gathering(connection, place)


class _Gathering:
    """Stands in for `Connection.get_component_candidates`."""

    def __init__(self, connection: Connection, place: IcePlace) -> None:
        self._connection = connection
        self._place = place

    async def __call__(self, component: int, addresses: Sequence[str], timeout: int = 5) -> list[Candidate]:
        """One candidate for each address. Raises `Unavailable` when none can be bound."""
        found = []
        for number, address in enumerate(self._place.addresses):
            protocol = await self._bind(address)
            if protocol is None:
                continue
            host, port = protocol.transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host", 65535 - number),
                host=host,
                port=port,
                type="host",
            )
            cast(Any, self._connection)._protocols.append(protocol)
            found.append(protocol.local_candidate)
        if not found:
            raise Unavailable("no UDP port is free for a browser's audio; see the studio's settings")
        return found

    async def _bind(self, address: str) -> StunProtocol | None:
        """A socket on the first port that is free, beginning elsewhere each time."""
        ports = list(self._place.ports())
        begin = next(_turns) % len(ports)
        for port in (*ports[begin:], *ports[:begin]):
            try:
                _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: StunProtocol(self._connection), local_addr=(address, port)
                )
            except OSError:
                continue
            return protocol
        return None


def without_names(offer: str, client: str) -> str:
    """A browser's offer without candidates that are names or streams, and with one that is never empty.

    Names (`....local`, by which browsers hide addresses) could only be asked for by multicast. The browser's checks
    come from where they come, and that is learnt from them; the address of its request, `client`, stands in until then.
    """
    lines = offer.splitlines()
    kept = [line for line in lines if not line.startswith("a=candidate:") or _is_usable(line)]
    if not any(line.startswith("a=candidate:") for line in kept):
        last = max((at for at, line in enumerate(kept) if line.startswith("a=ice-ufrag:")), default=None)
        if last is not None:
            kept.insert(last, f"a=candidate:1 1 udp 1 {client} {_DISCARD_PORT} typ host")
    return "".join(f"{line}\r\n" for line in kept)


def _is_usable(line: str) -> bool:
    found = _CANDIDATE.match(line)
    return found is not None and found[3].lower() == "udp" and not found[5].lower().endswith(".local")


def advertise(answer: str, address: str | None) -> str:
    """Our answer with every candidate at `address`; as it is without one."""
    if address is None:
        return answer
    return "".join(f"{_CANDIDATE.sub(_at(address), line)}\r\n" for line in answer.splitlines())


def _at(address: str) -> str:
    """The candidate's line with another address."""
    return rf"a=candidate:\1 \2 \3 \4 {address} \6 typ \7\8"
