"""Requests too long for a datagram: over TCP, and back to UDP where the peer takes none (RFC 3261 section 18.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieline.sip.events import Flow, Transport
from tieline.sip.tables import State

if TYPE_CHECKING:
    from tieline.sip.core import Core
    from tieline.sip.transaction import Transaction

LONGEST_DATAGRAM = 1_300
"""Bytes of a request that still goes over UDP where the path's limit is not known."""

DEAF_S = 600.0
"""How long a peer that took no connection is sent long datagrams instead."""

_REMEMBERED = 1_024


class LargeRequests:
    """Moves requests between the two transports, for peers whose options say so."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._deaf: dict[tuple[str, int], float] = {}

    def move(self, transaction: Transaction, data: bytes, now: float) -> bytes:
        """The request as it is to be sent; the transaction changes over to TCP with it where that is due.

        Our Via is the first header of every request of ours. The branch stays: so far nobody has seen it.
        """
        flow = transaction.flow
        if len(data) <= LONGEST_DATAGRAM or flow.transport is not Transport.UDP:
            return data
        options = transaction.options
        if not options.large_over_tcp or self._deaf.get(flow.remote, 0.0) > now:
            return data
        start, via, rest = data.split(b"\r\n", 2)
        params = via.decode("utf-8", "surrogateescape").partition(";")[2]
        moved = f"Via: SIP/2.0/TCP {self._core.sent_by(Transport.TCP, options)};{params}"
        transaction.datagram = data
        transaction.flow = Flow(Transport.TCP, flow.remote)
        transaction.reliable = True
        _show(transaction, moved)
        return b"\r\n".join([start, moved.encode("utf-8", "surrogateescape"), rest])

    def retreat(self, transaction: Transaction, now: float) -> bool:
        """Back to UDP, since the connection failed before an answer came; False when that is not how it is."""
        data, remote = transaction.datagram, transaction.flow.remote
        transaction.datagram = b""
        if not data or transaction.state not in {State.CALLING, State.TRYING}:
            return False
        if len(self._deaf) >= _REMEMBERED:
            self._deaf.clear()
        self._deaf[remote] = now + DEAF_S
        transaction.flow = Flow(Transport.UDP, remote)
        transaction.reliable = False
        transaction.last = data
        _show(transaction, data.split(b"\r\n", 2)[1].decode("utf-8", "surrogateescape"))
        return True


def _show(transaction: Transaction, via: str) -> None:
    """What ACK and CANCEL of the request will say."""
    if transaction.parts is not None:
        transaction.parts = transaction.parts._replace(via=f"{via}\r\n")
