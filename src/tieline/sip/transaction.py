"""Transactions: one class that carries state, one driver that reads the tables of `tieline.sip.tables`.

Timers that a state no longer cares for are left to fire and find no row. Retransmissions on reliable transports
do not happen, and the waiting times I, J, K and D are zero there (RFC 3261 table 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tieline.sip.config import DEFAULT_OPTIONS, PeerOptions
from tieline.sip.events import Flow, Transport
from tieline.sip.large import LargeRequests
from tieline.sip.tables import Do, Input, State, Table

if TYPE_CHECKING:
    from tieline.sip.core import Core
    from tieline.sip.digest_client import DigestSession
    from tieline.sip.leg import Leg
    from tieline.sip.message import Request, Response
    from tieline.sip.session_timer import Terms

Key = tuple[str, ...]

MAGIC_COOKIE = "z9hG4bK"


class InviteParts(NamedTuple):
    """What ACK and CANCEL repeat of an INVITE of ours (RFC 3261 sections 9.1 and 17.1.1.3)."""

    uri: str
    via: str
    from_: str
    to: str
    call_id: str
    cseq: int
    routes: str


class Transaction:
    """`key` names it in `home`; `last` is the message to repeat; `purpose`, `leg` and `terms` are its owner's.

    `own_options` (the peer's) and `session` (the digest session) are those of a request of ours outside dialogs.
    `answered` counts the challenges that earlier attempts at the same request have answered, by header and realm.
    `datagram` is a request that went over TCP for its length, as it would be over UDP.
    """

    __slots__ = (
        "answered", "datagram", "flow", "head", "home", "interval", "key", "last", "leg", "merge_key", "own_options",
        "parts", "purpose", "record_routes", "reliable", "reply_port", "session", "state", "table", "tag", "terms",
        "to", "token",
    )  # fmt: skip

    def __init__(
        self, table: Table, state: State, key: Key, flow: Flow, home: dict[Key, Transaction]
    ) -> None:
        self.table = table
        self.state = state
        self.key = key
        self.flow = flow
        self.home = home
        self.reliable = flow.transport is not Transport.UDP
        self.interval = 0.0
        self.last = b""
        self.datagram = b""
        self.leg: Leg | None = None
        self.own_options = DEFAULT_OPTIONS
        self.purpose = ""
        self.parts: InviteParts | None = None
        self.head = ""
        self.to = ""
        self.tag = ""
        self.terms: Terms | None = None
        self.token = 0
        self.reply_port = 0
        self.record_routes = ""
        self.merge_key: Key | None = None
        self.session: DigestSession | None = None
        self.answered: dict[tuple[str, str], int] = {}
        home[key] = self

    @property
    def options(self) -> PeerOptions:
        """How to speak to the peer that a request of ours goes to."""
        return self.leg.options if self.leg is not None else self.own_options


def server_key(request: Request, method: str) -> Key:
    """The name of the server transaction that `request` belongs to (RFC 3261 section 17.2.3)."""
    via = request.via
    branch = via.params.get("branch")
    if branch is not None and branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE):
        return (branch, via.sent_by, method)
    return (
        method,
        request.uri_text,
        request.from_.tag or "",
        request.call_id,
        str(request.cseq[0]),
        request.headers["via"],
    )


class Transactions:
    """All transactions of a stack. `tell(transaction, status, response)` hears of what clients receive."""

    def __init__(self, core: Core, tell: Callable[[Transaction, int, Response | None, float], None]) -> None:
        self._core = core
        self._large = LargeRequests(core)
        self._tell = tell
        self.servers: dict[Key, Transaction] = {}
        self.clients: dict[Key, Transaction] = {}
        self.merges: dict[Key, Transaction] = {}
        times = core.config.timers
        self._waits: dict[Do, tuple[Input, float, float]] = {
            Do.SET_B: (Input.TIMER_B, times.t64, times.t64),
            Do.SET_D: (Input.TIMER_D, max(32.0, times.t64) if times.t1 >= 0.5 else times.t64, 0.0),
            Do.SET_F: (Input.TIMER_F, times.t64, times.t64),
            Do.SET_H: (Input.TIMER_H, times.t64, times.t64),
            Do.SET_I: (Input.TIMER_I, times.t4, 0.0),
            Do.SET_J: (Input.TIMER_J, times.t64, 0.0),
            Do.SET_K: (Input.TIMER_K, times.t4, 0.0),
            Do.SET_L: (Input.TIMER_L, times.t64, times.t64),
            Do.SET_M: (Input.TIMER_M, times.t64, times.t64),
        }

    def start_client(self, transaction: Transaction, first: tuple[Do, ...], data: bytes, now: float) -> None:
        """Send the request of a new client transaction and set its first timers."""
        data = self._large.move(transaction, data, now)
        transaction.last = data
        self._core.pin(transaction.flow, transaction)
        self._core.send(data, transaction.flow, transaction.leg, now)
        for action in first:
            self._set(transaction, action, now)

    def run(
        self,
        transaction: Transaction,
        given: Input,
        now: float,
        data: bytes = b"",
        response: Response | None = None,
    ) -> bool:
        """Take one step of the transaction's table; False when its state has no row for it."""
        row = transaction.table[transaction.state].get(given)
        if row is None:
            return False
        transaction.state, actions = row
        for action in actions:
            if action is Do.SEND:
                transaction.last = data
                self._core.send(data, transaction.flow, transaction.leg, now)
            elif action is Do.RESEND:
                if transaction.last:
                    self._core.counters.retransmissions_sent += 1
                    self._core.send(transaction.last, transaction.flow, transaction.leg, now)
            elif action is Do.TELL:
                self._tell(transaction, 0, response, now)
            elif action is Do.TELL_TIMEOUT:
                self._tell(transaction, 408, None, now)
            elif action is Do.TELL_TRANSPORT:
                self._tell(transaction, 503, None, now)
            elif action is Do.ACK:
                self._send_ack(transaction, response, now)
            else:
                self._set(transaction, action, now)
        if transaction.state is State.TERMINATED:
            self._remove(transaction)
        return True

    def _set(self, transaction: Transaction, action: Do, now: float) -> None:
        wait = self._waits.get(action)
        if wait is not None:
            given, unreliable, reliable = wait
            delay = reliable if transaction.reliable else unreliable
            if delay:
                self._core.timers.set(now + delay, self._fire, (transaction, given))
            else:
                self.run(transaction, given, now)
        elif not transaction.reliable:
            self._repeat(transaction, action, now)

    def _repeat(self, transaction: Transaction, action: Do, now: float) -> None:
        """Timers A, E and G: T1 at first, doubled each time, for E and G up to T2."""
        times = self._core.config.timers
        interval = transaction.interval * 2 if transaction.interval else times.t1
        if action is Do.SET_A:
            given = Input.TIMER_A
        else:
            given = Input.TIMER_E if action is Do.SET_E else Input.TIMER_G
            if interval > times.t2 or transaction.state is State.PROCEEDING:
                interval = times.t2
        transaction.interval = interval
        self._core.timers.set(now + interval, self._fire, (transaction, given))

    def _fire(self, what: tuple[Transaction, Input], now: float) -> None:
        self.run(what[0], what[1], now)

    def _send_ack(self, transaction: Transaction, response: Response | None, now: float) -> None:
        """ACK to a final response other than 2xx: within the transaction (section 17.1.1.3)."""
        parts = transaction.parts
        assert parts is not None
        assert response is not None
        data = (
            f"ACK {parts.uri} SIP/2.0\r\n{parts.via}From: {parts.from_}\r\nTo: {response.headers['to']}\r\n"
            f"Call-ID: {parts.call_id}\r\nCSeq: {parts.cseq} ACK\r\nMax-Forwards: 70\r\n{parts.routes}"
            "Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        self._core.send(data, transaction.flow, transaction.leg, now)

    def _remove(self, transaction: Transaction) -> None:
        transaction.home.pop(transaction.key, None)
        self._core.unpin(transaction.flow, transaction)
        merge_key = transaction.merge_key
        if merge_key is not None and self.merges.get(merge_key) is transaction:
            del self.merges[merge_key]

    def fail_flow(self, flow: Flow, now: float) -> None:
        """The transport of `flow` broke: clients that wait on it fail (section 17.1.4).

        What was to go back on a stream goes to the port in its Via from now on (section 18.2.2), and a leg on it to
        where its dialog says.
        """
        if flow.connection is None:
            users = [each for each in self.clients.values() if each.flow == flow]
        else:
            users = []
            for user in self._core.pinned.pop(flow.connection, set()):
                if isinstance(user, Transaction) and user.home is self.clients:
                    users.append(user)
                elif isinstance(user, Transaction):
                    user.flow = Flow(flow.transport, (flow.remote[0], user.reply_port))
                else:
                    user.flow = Flow(flow.transport, flow.remote, host=flow.host)
        for transaction in users:
            if self._large.retreat(transaction, now):
                self._core.send(transaction.last, transaction.flow, transaction.leg, now)
                self._set(transaction, Do.SET_A if transaction.state is State.CALLING else Do.SET_E, now)
            else:
                self.run(transaction, Input.TRANSPORT_FAILED, now)
