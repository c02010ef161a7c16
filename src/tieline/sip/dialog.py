"""Dialogs (RFC 3261 section 12): who the peer is, which way requests go, and the wait for an ACK."""

from __future__ import annotations

from ipaddress import ip_address

from tieline.sip.config import PeerOptions
from tieline.sip.core import Core, default_port
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import Flow, LegFailed, LegFailure, Transport
from tieline.sip.extensions import allowed_methods
from tieline.sip.grammar import Uri, parse_uri, split_addresses
from tieline.sip.leg import AckWait, Leg
from tieline.sip.message import Request, Response
from tieline.sip.replies import build_reply
from tieline.sip.tables import NON_INVITE_CLIENT, Do, Input, LegInput, LegState, State
from tieline.sip.transaction import MAGIC_COOKIE, Transaction, Transactions


def route_set(values: list[str]) -> tuple[str, ...]:
    """The addresses of Record-Route or Route lines, one text each, in their order. Raises `MessageMalformed`."""
    routes: list[str] = []
    for value in values:
        for address, text in split_addresses(value):
            if address.uri.scheme not in {"sip", "sips"}:
                raise MessageMalformed("route is no SIP URI")
            routes.append(text)
    return tuple(routes)


def contact_target(message: Request | Response) -> str | None:
    """The URI of the Contact as a remote target; None without one. Raises `MessageMalformed` when it can be none."""
    contact = message.contact
    if contact is None:
        return None
    if contact.uri.scheme not in {"sip", "sips"}:
        raise MessageMalformed("Contact is no SIP URI")
    return contact.uri_text


def refresh_target(leg: Leg, response: Response) -> None:
    """Take the Contact of a 2xx as the remote target (section 12.2.1.2); a broken one changes nothing."""
    try:
        leg.target = contact_target(response) or leg.target
    except MessageMalformed:
        return


def flow_is_secure(flow: Flow, uri: Uri, hops: tuple[str, ...]) -> bool:
    """Whether our Contact has to be `sips`: TLS, and the Request-URI or the hop nearest to us says so (12.1.1)."""
    if flow.transport is not Transport.TLS:
        return False
    return uri.scheme == "sips" or split_addresses(hops[0])[0][0].uri.scheme == "sips"


_TRANSPORTS = {transport.value: transport for transport in Transport}


def asked_transport(uri: Uri) -> Transport | None:
    """The transport that a URI asks for; None when it says nothing, or something that we do not speak.

    `sips` means TLS, whatever else is said (RFC 3261 section 26.2.2); with `transport=tcp` too.
    """
    if uri.scheme == "sips":
        return Transport.TLS
    return _TRANSPORTS.get((uri.params.get("transport") or "").upper())


def literal_flow(uri: Uri, fallback: Flow) -> Flow | None:
    """The flow to a URI whose host is an IP address; None for a name, which this core cannot look up.

    The name that a TLS peer must prove stays that of `fallback`: it is the same peer.
    """
    host = uri.host.strip("[]")
    try:
        ip_address(host)
    except ValueError:
        return None
    transport = asked_transport(uri) or fallback.transport
    remote = (host, uri.port or default_port(transport))
    if transport is fallback.transport and remote == fallback.remote:
        return fallback
    return Flow(transport, remote, host=fallback.host if transport is Transport.TLS else None)


class Dialogs:
    """The dialogs of a stack, as part of its legs."""

    def __init__(self, core: Core, transactions: Transactions) -> None:
        self._core = core
        self._transactions = transactions

    def begin_called(
        self, leg: Leg, request: Request, transaction: Transaction, target: str, routes: tuple[str, ...]
    ) -> None:
        """Fill a leg from the INVITE that calls us (section 12.1.1)."""
        leg.remote_tag = request.from_.tag
        leg.remote = request.headers["from"]
        leg.local = transaction.to
        leg.remote_cseq = leg.invite_cseq = request.cseq[0]
        leg.target = target
        leg.routes = routes
        leg.invite = transaction
        leg.offered = not request.sdp
        leg.remote_sdp = request.sdp
        leg.peer_methods = allowed_methods(request) or frozenset()
        if flow_is_secure(leg.flow, request.uri, routes or (f"<{target}>",)):
            leg.contact = self._core.contact(Transport.TLS, leg.options, secure=True)
        leg.via_differs = request.via.host.strip("[]") != leg.flow.remote[0]

    def find(self, request: Request) -> Leg | None:
        """The leg whose dialog `request` names (section 12.2.2).

        For a NOTIFY also one that is over; an early dialog of a call of ours has a leg of its own.
        """
        tag = request.to.tag or ""
        leg = self._core.by_tag.get(tag)
        if leg is None and request.method == "NOTIFY":
            leg = self._core.referred.get(tag)
        if leg is not None and leg.remote_tag is None:
            leg = leg.early.get(request.from_.tag or "")
        if leg is None or leg.remote_tag != request.from_.tag or leg.call_id != request.call_id:
            return None
        return leg

    # ------------------------------------------------------------------------------------------ our requests

    def next_hop(self, leg: Leg) -> Flow:
        """Where our requests in the dialog go (section 12.2.1.1 and 8.1.2).

        The first route, or the remote target without routes. A stream that is up is used as it is. Where the next
        hop is a name, or the peer's own Via shows it behind address translation, the flow of the INVITE is better
        than what we could guess.
        """
        flow = leg.flow
        if flow.connection is not None:
            return flow
        if not leg.routes and leg.via_differs:
            return flow
        uri = split_addresses(leg.routes[0])[0][0].uri if leg.routes else parse_uri(leg.target)
        return literal_flow(uri, flow) or flow

    def via_line(self, flow: Flow, branch: str, options: PeerOptions) -> str:
        """Our Via line for a request on `flow`; `rport` asks for the reply to our source port (RFC 3581)."""
        sent_by = self._core.sent_by(flow.transport, options)
        return f"Via: SIP/2.0/{flow.transport.value} {sent_by};branch={branch};rport\r\n"

    def new_branch(self) -> str:
        """A branch that no other transaction has."""
        return MAGIC_COOKIE + self._core.ids.branch()

    def route_lines(self, leg: Leg) -> tuple[str, str]:
        """Request-URI and Route lines of a request in the dialog, with loose or strict routes."""
        if not leg.routes:
            return leg.target, ""
        first = split_addresses(leg.routes[0])[0][0]
        if "lr" in first.uri.params:
            return leg.target, "".join([f"Route: {route}\r\n" for route in leg.routes])
        rest = [*leg.routes[1:], f"<{leg.target}>"]
        return first.uri_text.partition("?")[0], "".join([f"Route: {route}\r\n" for route in rest])

    def proof(self, leg: Leg, method: str, body: bytes) -> str:
        """Credentials for a request in a dialog where we have been challenged, to spare a round trip."""
        return "" if leg.session is None else leg.session.lines(method, self.route_lines(leg)[0], body)

    def request(
        self, leg: Leg, method: str, cseq: int, via: str, extra: str = "", body: bytes = b""
    ) -> bytes:
        """A request in the dialog (section 12.2.1.1)."""
        uri, routes = self.route_lines(leg)
        return (
            f"{method} {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{routes}From: {leg.local}\r\nTo: {leg.remote}\r\n"
            f"Call-ID: {leg.call_id}\r\nCSeq: {cseq} {method}\r\n{extra}{self._core.agent_line}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode("utf-8", "surrogateescape") + body

    def send_request(
        self, leg: Leg, method: str, purpose: str, now: float, extra: str = "", body: bytes = b""
    ) -> None:
        """Start a non-INVITE client transaction in the dialog."""
        flow = self.next_hop(leg)
        branch = self.new_branch()
        leg.local_cseq += 1
        via = self.via_line(flow, branch, leg.options)
        data = self.request(leg, method, leg.local_cseq, via, extra + self.proof(leg, method, body), body)
        transaction = Transaction(
            NON_INVITE_CLIENT, State.TRYING, (branch, method), flow, self._transactions.clients
        )
        transaction.leg = leg
        transaction.purpose = purpose
        self._transactions.start_client(transaction, (Do.SET_E, Do.SET_F), data, now)

    def send_refer(self, leg: Leg, lines: str, now: float) -> None:
        """REFER with these header lines; the leg is noted for its NOTIFYs."""
        self._core.referred[leg.local_tag] = leg
        leg.referring = True
        self.send_request(leg, "REFER", "REFER", now, f"Contact: {leg.contact}\r\n{lines}")
        leg.refer_cseq = leg.local_cseq

    def send_bye(self, leg: Leg, now: float) -> None:
        """BYE with the header lines that the owner gave."""
        self.send_request(leg, "BYE", "BYE", now, leg.bye_text)
        leg.bye_text = ""

    # ------------------------------------------------------------------------------------------ INVITE as server

    def succeed(self, leg: Leg, lines: str, body: bytes, now: float) -> None:
        """2xx to the INVITE under way, repeated until its ACK comes (section 13.3.1.4)."""
        transaction = leg.invite
        assert transaction is not None
        data = build_reply(200, transaction.head, transaction.to, lines, body)
        self._transactions.run(transaction, Input.SUCCESS, now, data)
        transaction.head = ""
        leg.invite = None
        leg.reinviting = False
        first = self._core.config.timers.t1
        wait = AckWait(leg, leg.invite_cseq, transaction, first, now)
        leg.ack_waits[wait.cseq] = wait
        wait.timer = self._core.timers.set(now + first, self._repeat_success, wait)

    def fail(self, leg: Leg, status: int, phrase: str | None, lines: str, now: float) -> None:
        """A final failure to the INVITE under way."""
        transaction = leg.invite
        assert transaction is not None
        data = build_reply(status, transaction.head, transaction.to, lines, phrase=phrase)
        self._transactions.run(transaction, Input.FAILURE, now, data)
        leg.invite = None
        leg.reinviting = False

    def terminate_invite(self, leg: Leg, now: float) -> None:
        """487 to the INVITE under way: it was cancelled, or the dialog ended."""
        self.fail(leg, 487, None, self._core.server_line, now)

    def _repeat_success(self, wait: AckWait, now: float) -> None:
        times = self._core.config.timers
        if now >= wait.started + times.t64:
            self._give_up(wait, now)
            return
        self._core.counters.retransmissions_sent += 1
        self._core.send(wait.transaction.last, wait.transaction.flow, wait.leg, now)
        wait.interval = min(2 * wait.interval, times.t2)
        due = min(now + wait.interval, wait.started + times.t64)
        wait.timer = self._core.timers.set(due, self._repeat_success, wait)

    def _give_up(self, wait: AckWait, now: float) -> None:
        leg = wait.leg
        leg.ack_waits.pop(wait.cseq, None)
        waited_for = leg.state is LegState.BYE_WAITING
        if self._core.step(leg, LegInput.NO_ACK, now):
            if not waited_for:
                leg.quiet = True
                self._core.events.append(LegFailed(leg.id, LegFailure.NO_ACK))
            self.drop_pending(leg, now)
            self.send_bye(leg, now)

    def drop_pending(self, leg: Leg, now: float) -> None:
        """Settle an INVITE of the peer's that is still unanswered when the dialog ends."""
        if leg.invite is not None and leg.invite.parts is None:
            self.terminate_invite(leg, now)

    def acked(self, leg: Leg, wait: AckWait, now: float) -> None:
        """The ACK to a 2xx of ours came; a BYE that waited for it leaves."""
        del leg.ack_waits[wait.cseq]
        self._core.timers.cancel(wait.timer)
        if self._core.step(leg, LegInput.ACKED, now) and leg.state is LegState.ENDING:
            self.send_bye(leg, now)
