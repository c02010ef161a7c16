"""REGISTER as client (RFC 3261 section 10.2): one registration per registrar, address of record and contact.

The stack keeps what has to stay the same from one refresh to the next (Call-ID, tag, CSeq, digest nonces, the least
time that the registrar takes). When to refresh is the owner's matter. Path and Service-Route are not read.
"""

from __future__ import annotations

from tieline.sip.config import DEFAULT_OPTIONS, PeerOptions
from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs
from tieline.sip.digest_client import DigestSession, sent_cseq
from tieline.sip.errors import MessageMalformed, RegisterPending
from tieline.sip.events import Flow, RegisterCompleted, Transport
from tieline.sip.grammar import Address, parse_address, parse_number, split_addresses
from tieline.sip.message import Response
from tieline.sip.tables import NON_INVITE_CLIENT, Do, State
from tieline.sip.transaction import Transaction, Transactions

_LONGEST_S = 2**31 - 1


class _Registration:
    """`asked_s` is what the last REGISTER asked for, `least_s` what the registrar wants at least."""

    __slots__ = (
        "aor", "asked_s", "call_id", "cseq", "flow", "grown", "id", "least_s", "options", "pending", "registrar",
        "session", "tag", "user",
    )  # fmt: skip

    def __init__(self, number: int, registrar: str, aor: str, user: str, call_id: str, tag: str) -> None:
        self.id = number
        self.registrar = registrar
        self.aor = aor
        self.user = user
        self.call_id = call_id
        self.tag = tag
        self.cseq = 0
        self.asked_s = 0
        self.least_s = 0
        self.flow = Flow(Transport.UDP, ("", 0))
        self.options = DEFAULT_OPTIONS
        self.session: DigestSession | None = None
        self.pending = False
        self.grown = False


class Registrations:
    """All registrations of a stack."""

    def __init__(self, core: Core, transactions: Transactions, dialogs: Dialogs) -> None:
        self._core = core
        self._transactions = transactions
        self._dialogs = dialogs
        self._by_name: dict[tuple[str, str, str], _Registration] = {}
        self._by_id: dict[int, _Registration] = {}

    def register(
        self,
        flow: Flow,
        registrar: str,
        aor: str,
        user: str,
        expires_s: int,
        now: float,
        options: PeerOptions | None = None,
    ) -> int:
        """Register, refresh or, with 0 seconds, take back. Raises `RegisterPending`."""
        core = self._core
        name = (registrar, aor, user)
        found = self._by_name.get(name)
        if found is None:
            found = _Registration(core.next_id(), registrar, aor, user, core.ids.call_id(), core.ids.tag())
            self._by_name[name] = self._by_id[found.id] = found
        if found.pending:
            raise RegisterPending(found.id)
        found.options = options or core.options_of(flow)
        given = found.options.credentials
        if given is None or found.session is None or found.session.credentials != given:
            found.session = None if given is None else DigestSession(given)
        found.flow = flow
        found.pending = True
        found.grown = False
        found.asked_s = max(expires_s, found.least_s) if expires_s else 0
        self._send(found, now)
        return found.id

    def _contact(self, found: _Registration) -> str:
        transport = found.flow.transport
        secure = transport is Transport.TLS and found.registrar.lower().startswith("sips:")
        return self._core.contact(transport, found.options, secure=secure, user=found.user)

    def _send(self, found: _Registration, now: float) -> None:
        branch = self._dialogs.new_branch()
        found.cseq += 1
        proof = "" if found.session is None else found.session.lines("REGISTER", found.registrar, b"")
        data = (
            f"REGISTER {found.registrar} SIP/2.0\r\n{self._dialogs.via_line(found.flow, branch, found.options)}"
            f"Max-Forwards: 70\r\nFrom: <{found.aor}>;tag={found.tag}\r\nTo: <{found.aor}>\r\n"
            f"Call-ID: {found.call_id}\r\nCSeq: {found.cseq} REGISTER\r\nContact: {self._contact(found)}\r\n"
            f"Expires: {found.asked_s}\r\n{proof}{self._core.agent_line}Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        transaction = Transaction(
            NON_INVITE_CLIENT, State.TRYING, (branch, "REGISTER"), found.flow, self._transactions.clients
        )
        transaction.purpose = "REGISTER"
        transaction.token = found.id
        transaction.own_options = found.options
        transaction.session = found.session
        self._transactions.start_client(transaction, (Do.SET_E, Do.SET_F), data, now)

    def tell(self, transaction: Transaction, status: int, response: Response | None, now: float) -> None:
        """The final response to a REGISTER, its challenges answered; none stands for a timeout or broken transport."""
        found = self._by_id[transaction.token]
        found.cseq = sent_cseq(transaction.last)
        if response is None:
            self._complete(found, RegisterCompleted(found.id, status))
            return
        status = response.status
        least_s = _number(response.headers.get("min-expires")) if status == 423 else None
        if least_s is not None and least_s > found.asked_s and not found.grown:
            found.grown = True
            found.asked_s = found.least_s = least_s
            self._send(found, now)
            return
        granted_s = self._granted(found, response) if status < 300 else None
        if granted_s == 0 and not found.asked_s:
            del self._by_id[found.id]
            del self._by_name[found.registrar, found.aor, found.user]
        self._complete(found, RegisterCompleted(found.id, status, response.phrase, granted_s))

    def _complete(self, found: _Registration, event: RegisterCompleted) -> None:
        found.pending = False
        self._core.events.append(event)

    def _granted(self, found: _Registration, response: Response) -> int:
        """How long our contact stands: its own parameter, or Expires, or what we asked for (section 10.2.4).

        Where no contact is ours as we wrote it, a single one is taken for ours: some write it anew.
        """
        if not found.asked_s:
            return 0
        contacts = _contacts(response)
        ours = parse_address(self._contact(found))
        mine = [each for each in contacts if _is_same(each, ours)] or (contacts if len(contacts) == 1 else [])
        for text in (*[each.params.get("expires") for each in mine[:1]], response.headers.get("expires")):
            granted_s = _number(text)
            if granted_s is not None:
                return granted_s
        return found.asked_s


def _contacts(response: Response) -> list[Address]:
    """The contacts that can be read."""
    found: list[Address] = []
    for value in response.headers.getall("contact"):
        try:
            found += [address for address, _ in split_addresses(value)]
        except MessageMalformed:
            continue
    return found


def _is_same(one: Address, other: Address) -> bool:
    try:
        return (one.uri.user, one.uri.host, one.uri.port) == (other.uri.user, other.uri.host, other.uri.port)
    except MessageMalformed:
        return False


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else parse_number(text.strip(), _LONGEST_S)
    except MessageMalformed:
        return None
