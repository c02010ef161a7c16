"""The client side of a stack: our requests and what comes back (RFC 3261 sections 8.1, 9.1, 13.2, 14.1, 15.1.1)."""

from __future__ import annotations

from collections.abc import Callable

from tieline.sip.bodies import ACCEPTED
from tieline.sip.config import PeerOptions
from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs, contact_target, refresh_target, route_set
from tieline.sip.early import MOST_DIALOGS, EarlyDialogs, adopt, branch_of
from tieline.sip.errors import MessageMalformed
from tieline.sip.events import (
    ByeCompleted,
    Flow,
    InfoCompleted,
    LegAnswered,
    LegFailed,
    LegFailure,
    LegProgress,
    LegRefused,
    OptionsCompleted,
    ReinviteCompleted,
    Transport,
)
from tieline.sip.extensions import ALLOW_LINE, allowed_methods, require_line, supported_line
from tieline.sip.leg import Leg, Sending
from tieline.sip.message import Response
from tieline.sip.session_timer import SessionTimers
from tieline.sip.tables import INVITE_CLIENT, NON_INVITE_CLIENT, Do, Input, LegInput, LegState, State
from tieline.sip.transaction import InviteParts, Transaction, Transactions

GONE = frozenset({408, 481})
"""Statuses that say that a peer no longer knows the dialog, or is not there."""


Hearer = Callable[[Leg, Transaction, int, Response | None, float], None]


class Uac:
    """Our requests out; responses in; events out.

    `hearers` are told of the responses to a leg's requests, by the purpose of their transaction; the stack adds those
    that live in modules of their own.
    """

    def __init__(
        self, core: Core, transactions: Transactions, dialogs: Dialogs, timers: SessionTimers
    ) -> None:
        self._core = core
        self._transactions = transactions
        self._dialogs = dialogs
        self._timers = timers
        self._early = EarlyDialogs(core, dialogs)
        self.hearers: dict[str, Hearer] = {
            "INVITE": self._on_invite_response,
            "REINVITE": self._on_reinvite_response,
            "BYE": self._on_bye_response,
            "INFO": self._on_info_response,
        }
        core.partings.append(self._leave_reinvite)

    # ------------------------------------------------------------------------------------------ INVITE

    def invite(
        self,
        flow: Flow,
        uri: str,
        from_: str,
        to: str,
        sdp: bytes | None,
        lines: str,
        routes: str,
        now: float,
        options: PeerOptions | None = None,
    ) -> Leg:
        """Start a call; `from_` and `to` are header values without a tag."""
        core = self._core
        leg = core.new_leg(LegState.CALLING, flow, core.ids.call_id(), options)
        if flow.transport is Transport.TLS and uri.lower().startswith("sips:"):
            leg.contact = core.contact(flow.transport, leg.options, secure=True)
        leg.local = f"{from_};tag={leg.local_tag}"
        leg.remote = to
        leg.target = uri
        leg.made = True
        leg.offered = sdp is not None
        leg.sdp = sdp or b""
        lines = require_line(leg.options) + lines
        self._send_invite(leg, Sending(uri, routes, leg.sdp, lines, flow, "INVITE"), now)
        return leg

    def reinvite(self, leg: Leg, sdp: bytes, now: float, purpose: str = "REINVITE") -> None:
        """Offer session parameters within the dialog."""
        leg.reinviting = True
        leg.answered = False
        uri, routes = self._dialogs.route_lines(leg)
        self._send_invite(leg, Sending(uri, routes, sdp, "", self._dialogs.next_hop(leg), purpose), now)

    def invite_again(self, leg: Leg, now: float, lines: str = "") -> bool:
        """Send the INVITE that was refused once more, with a higher CSeq and these header lines on top.

        The session timer's own are written anew. False when the call was given up meanwhile.
        """
        sending = leg.sending
        assert sending is not None
        if not leg.reinviting and not self._core.step(leg, LegInput.RETRY, now):
            return False
        self._send_invite(leg, sending._replace(lines=lines + sending.lines), now)
        leg.sending = sending
        return True

    def _send_invite(self, leg: Leg, sending: Sending, now: float) -> None:
        uri, routes, sdp, lines, flow, purpose = sending
        leg.sending = sending
        leg.local_cseq += 1
        branch = self._dialogs.new_branch()
        via = self._dialogs.via_line(flow, branch, leg.options)
        leg.proof = self._dialogs.proof(leg, "INVITE", sdp)
        lines = self._timers.request_lines(leg) + leg.proof + lines
        # A reliable response to an INVITE without SDP would bring an offer, which nobody here could answer in time.
        reliable = bool(sdp) and not leg.reinviting
        kind = "Content-Type: application/sdp\r\n" if sdp else ""
        data = (
            f"INVITE {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{routes}From: {leg.local}\r\nTo: {leg.remote}\r\n"
            f"Call-ID: {leg.call_id}\r\nCSeq: {leg.local_cseq} INVITE\r\nContact: {leg.contact}\r\n"
            f"{ALLOW_LINE}{supported_line(leg.options, reliable=reliable)}{self._core.agent_line}{lines}{kind}"
            f"Content-Length: {len(sdp)}\r\n\r\n"
        ).encode("utf-8", "surrogateescape") + sdp
        transaction = Transaction(
            INVITE_CLIENT, State.CALLING, (branch, "INVITE"), flow, self._transactions.clients
        )
        transaction.leg = leg
        transaction.purpose = purpose
        transaction.parts = InviteParts(uri, via, leg.local, leg.remote, leg.call_id, leg.local_cseq, routes)
        leg.invite = transaction
        leg.invite_cseq = leg.local_cseq
        self._transactions.start_client(transaction, (Do.SET_A, Do.SET_B), data, now)

    def send_cancel(self, leg: Leg, now: float) -> None:
        """CANCEL the INVITE under way; give it 64*T1 to end (section 9.1)."""
        invite = leg.invite
        assert invite is not None
        assert invite.parts is not None
        parts = invite.parts
        data = (
            f"CANCEL {parts.uri} SIP/2.0\r\n{parts.via}Max-Forwards: 70\r\n{parts.routes}From: {parts.from_}\r\n"
            f"To: {parts.to}\r\nCall-ID: {parts.call_id}\r\nCSeq: {parts.cseq} CANCEL\r\n{self._core.agent_line}"
            "Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        transaction = Transaction(
            NON_INVITE_CLIENT,
            State.TRYING,
            (invite.key[0], "CANCEL"),
            invite.flow,
            self._transactions.clients,
        )
        transaction.leg = leg
        transaction.purpose = "CANCEL"
        self._transactions.start_client(transaction, (Do.SET_E, Do.SET_F), data, now)
        self._core.timers.set(now + self._core.config.timers.t64, self._give_up_invite, invite)

    def _leave_reinvite(self, leg: Leg, now: float) -> None:
        """The call ends under a re-INVITE of ours: one that a 1xx holds open would wait for ever."""
        if leg.reinviting and leg.invite is not None and leg.invite.parts is not None:
            self._core.timers.set(now + self._core.config.timers.t64, self._give_up_invite, leg.invite)

    def _give_up_invite(self, invite: Transaction, now: float) -> None:
        self._transactions.run(invite, Input.GIVE_UP, now)

    def options(self, flow: Flow, uri: str, now: float, options: PeerOptions | None = None) -> int:
        """OPTIONS outside any dialog; the number comes back in `OptionsCompleted`."""
        core = self._core
        branch = self._dialogs.new_branch()
        options = options or core.options_of(flow)
        contact = core.contact(flow.transport, options)
        data = (
            f"OPTIONS {uri} SIP/2.0\r\n{self._dialogs.via_line(flow, branch, options)}Max-Forwards: 70\r\n"
            f"From: {contact};tag={core.ids.tag()}\r\nTo: <{uri}>\r\nCall-ID: {core.ids.call_id()}\r\n"
            f"CSeq: 1 OPTIONS\r\nContact: {contact}\r\nAccept: {ACCEPTED}\r\n{core.agent_line}"
            "Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        transaction = Transaction(
            NON_INVITE_CLIENT, State.TRYING, (branch, "OPTIONS"), flow, self._transactions.clients
        )
        transaction.own_options = options
        transaction.purpose = "OPTIONS"
        transaction.token = core.next_id()
        self._transactions.start_client(transaction, (Do.SET_E, Do.SET_F), data, now)
        return transaction.token

    # ------------------------------------------------------------------------------------------ responses

    def receive(self, response: Response, data: bytes, flow: Flow, now: float) -> None:
        """Match a response to its transaction (section 17.1.3); anything else is a counted drop."""
        core = self._core
        try:
            via = response.via
            _, method = response.cseq
            forked = ("to" in response.headers and response.to.tag) or ""
            alone = len(response.headers.getall("via")) == 1 and via.end == len(response.headers["via"])
        except MessageMalformed:
            core.counters.dropped_malformed += 1
            return
        transaction = self._transactions.clients.get((via.branch or "", method)) if alone else None
        if transaction is None or (response.status >= 200 and method == "INVITE" and not forked):
            core.counters.dropped_unmatched += 1
            return
        if transaction.leg is not None:
            core.note(transaction.leg, "in", data, flow, now)
        status = response.status
        if status < 200:
            given = Input.PROVISIONAL
        elif transaction.table is NON_INVITE_CLIENT:
            given = Input.FINAL
        else:
            given = Input.SUCCESS if status < 300 else Input.FAILURE
        before = transaction.state
        if (
            not self._transactions.run(transaction, given, now, response=response)
            or before is State.COMPLETED
        ):
            core.counters.retransmissions_received += 1

    def tell(self, transaction: Transaction, status: int, response: Response | None, now: float) -> None:
        """What a client transaction received; `status` 408 or 503 stands for a timeout or a broken transport."""
        leg = transaction.leg
        status = status or (response.status if response is not None else 0)
        if transaction.purpose == "OPTIONS":
            self._core.events.append(OptionsCompleted(transaction.token, status))
        elif leg is not None and transaction.purpose in self.hearers:
            self.hearers[transaction.purpose](leg, transaction, status, response, now)

    def _on_bye_response(
        self, leg: Leg, _transaction: Transaction, status: int, _response: Response | None, now: float
    ) -> None:
        if self._core.step(leg, LegInput.BYE_DONE, now) and not leg.quiet:
            self._core.events.append(ByeCompleted(leg.id, status))

    def _on_info_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        self._core.events.append(InfoCompleted(leg.id, status))
        self.check_gone(leg, transaction, status, response, now)

    def check_gone(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        """481 or silence within a dialog ends it (section 12.2.1.2), and so does a peer that cannot be reached.

        A connection that broke under a request does not: the next request opens a new one.
        """
        unreachable = response is None and status == 503 and transaction.flow.connection is None
        if (status in GONE or unreachable) and self._core.step(leg, LegInput.PEER_GONE, now):
            self._dialogs.drop_pending(leg, now)
            failure = LegFailure.TRANSPORT_FAILED if unreachable else LegFailure.PEER_GONE
            self._core.events.append(LegFailed(leg.id, failure))

    def _on_invite_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        core = self._core
        if response is not None and status < 200:
            waiting = leg.state is LegState.CANCEL_WAITING
            core.step(leg, LegInput.PROVISIONAL, now)
            new = self._early.take(leg, response, now)
            if waiting:
                self.send_cancel(leg, now)
            elif new and leg.state is LegState.PROCEEDING and status > 100:
                core.events.append(LegProgress(leg.id, response, response.sdp))
        elif response is not None and status < 300:
            self._on_success(leg, transaction, response, now)
        elif status == 422 and self._timers.raise_min(leg, response) and self.invite_again(leg, now):
            return
        else:
            core.step(leg, LegInput.FAILURE, now)
            leg.invite = leg.sending = None
            core.events.append(LegRefused(leg.id, status, response))

    def _on_success(self, leg: Leg, transaction: Transaction, response: Response, now: float) -> None:
        tag = response.to.tag
        if leg.remote_tag is not None:
            if tag != leg.remote_tag:
                self._refuse_fork(leg, response, now)
            elif leg.ack:
                self._core.counters.retransmissions_received += 1
                self._core.send(leg.ack, self._dialogs.next_hop(leg), leg, now)
            return
        adopt(leg, tag or "")
        self._confirm(leg, response)
        leg.remote_sdp = response.sdp or leg.remote_sdp
        leg.answered = leg.offered
        cancelled = leg.state in {LegState.CANCEL_WAITING, LegState.CANCELLING}
        self._core.step(leg, LegInput.SUCCESS, now)
        leg.invite = leg.sending = None
        if cancelled:
            leg.quiet = True
            self.send_ack(leg, b"", now)
            self._dialogs.send_bye(leg, now)
            self._core.events.append(LegRefused(leg.id, 487, response))
            return
        if leg.offered:
            self._core.step(leg, LegInput.ACK, now)
            self.send_ack(leg, b"", now)
        self._timers.agree(leg, response, now)
        self._core.events.append(LegAnswered(leg.id, response, leg.remote_sdp))

    def _confirm(self, leg: Leg, response: Response) -> None:
        """The dialog that a 2xx makes (section 12.1.2). A broken Contact or route leaves what we called."""
        leg.remote_tag = response.to.tag
        leg.remote = response.headers["to"]
        leg.peer_methods = allowed_methods(response) or leg.peer_methods
        try:
            leg.target = contact_target(response) or leg.target
            leg.routes = route_set(response.headers.getall("record-route"))[::-1]
        except MessageMalformed:
            leg.routes = ()

    def send_ack(self, leg: Leg, sdp: bytes, now: float) -> None:
        """ACK to a 2xx: a request of its own in the dialog (section 13.2.2.4)."""
        flow = self._dialogs.next_hop(leg)
        via = self._dialogs.via_line(flow, self._dialogs.new_branch(), leg.options)
        kind = "Content-Type: application/sdp\r\n" if sdp else ""
        leg.ack = self._dialogs.request(leg, "ACK", leg.invite_cseq, via, leg.proof + kind, sdp)
        self._core.send(leg.ack, flow, leg, now)

    def _refuse_fork(self, leg: Leg, response: Response, now: float) -> None:
        """Another branch answered too: ACK it and end it (section 13.2.2.4), with a leg that nobody hears of."""
        tag = response.to.tag or ""
        fork = leg.forks.get(tag)
        if fork is not None:
            self._core.send(fork.ack, self._dialogs.next_hop(fork), leg, now)
            return
        if len(leg.forks) >= MOST_DIALOGS:
            self._core.counters.dropped_unmatched += 1
            return
        fork = leg.forks[tag] = leg.early.get(tag) or branch_of(leg, LegState.ENDING)
        fork.id = self._core.next_id()
        fork.state = LegState.ENDING
        fork.session = leg.session
        fork.proof = leg.proof
        fork.quiet = True
        fork.trace_room = self._core.config.trace_bytes
        self._confirm(fork, response)
        self.send_ack(fork, b"", now)
        self._dialogs.send_bye(fork, now)

    def _on_reinvite_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        if not self.settle_reinvite(leg, transaction, status, response, now):
            return
        body = response.sdp if response is not None and status < 300 else b""
        retry = self.glare_delay(leg) if status == 491 else None
        if leg.state is LegState.CONFIRMED:
            self._core.events.append(ReinviteCompleted(leg.id, status, body, retry))
            self.check_gone(leg, transaction, status, response, now)

    def settle_reinvite(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> bool:
        """What every re-INVITE owes to its responses: ACK, target, session timer. False when it is not over."""
        if response is not None and status < 200:
            return False
        if leg.invite is not transaction:
            # Only a 2xx is told twice.
            self._core.send(leg.ack, self._dialogs.next_hop(leg), leg, now)
            return False
        confirmed = leg.state is LegState.CONFIRMED
        if status == 422 and confirmed and self._timers.raise_min(leg, response):
            self.invite_again(leg, now)
            return False
        sending = leg.sending
        leg.invite = leg.sending = None
        leg.reinviting = False
        if response is not None and status < 300:
            assert sending is not None
            leg.sdp, leg.remote_sdp = sending.sdp, response.sdp
            refresh_target(leg, response)
            self.send_ack(leg, b"", now)
            if confirmed:
                self._timers.agree(leg, response, now)
        return True

    def glare_delay(self, leg: Leg) -> float:
        """How long to wait after a 491: whose Call-ID it is waits longer (RFC 3261 section 14.1)."""
        return self._core.ids.delay(2.1, 4.0) if leg.made else self._core.ids.delay(0.0, 2.0)
