"""The server side of a stack: requests from known peers (RFC 3261 8.2, 9.2, 11.2, 12.2.2, 13.3, 14.2, 15.1)."""

from __future__ import annotations

from collections.abc import Callable

from tieline.sip.bodies import ACCEPTED, SDP
from tieline.sip.core import Core, default_port
from tieline.sip.dialog import Dialogs, contact_target, route_set
from tieline.sip.digest_server import DigestServer
from tieline.sip.errors import Challenged, MessageMalformed, Refused
from tieline.sip.events import (
    AckReceived,
    ByeReceived,
    Flow,
    InfoReceived,
    InviteCancelled,
    InviteReceived,
    InviteRefused,
    OptionsReceived,
    ReinviteCancelled,
    ReinviteReceived,
    Transport,
)
from tieline.sip.extensions import (
    ALLOW_LINE,
    KNOWN_METHODS,
    METHODS,
    allowed_methods,
    check_extensions,
    supported_line,
)
from tieline.sip.leg import Leg
from tieline.sip.message import Request, check_request
from tieline.sip.offers import our_offer_is_open, their_offer_is_open
from tieline.sip.refer import is_refer_event
from tieline.sip.replies import (
    broken_reply,
    build_reply,
    refusal_lines,
    reply_flow,
    reply_head,
    stateless_tag,
    tagged_to,
)
from tieline.sip.session_timer import NO_TERMS, SessionTimers, check_terms
from tieline.sip.tables import INVITE_SERVER, NON_INVITE_SERVER, Input, LegInput, LegState, State, Table
from tieline.sip.transaction import MAGIC_COOKIE, Key, Transaction, Transactions, server_key

_EARLY_METHODS = frozenset({"UPDATE", "OPTIONS"})


def _check_invite_body(request: Request) -> None:
    """What an INVITE brings and takes must be SDP, unencoded (RFC 3261 section 8.2.3)."""
    coding = request.headers.get("content-encoding")
    if coding and coding.lower() != "identity":
        raise Refused(415, "body is encoded")
    if request.session.refused or (request.body and not request.content_type):
        raise Refused(415, request.session.refused or "body has no type")
    accept = request.headers.joined("accept")
    if accept is not None:
        types = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
        if types.isdisjoint({SDP, "application/*", "*/*"}):
            raise Refused(406, "sender takes no SDP")


InDialog = Callable[[Leg, Request, Transaction, float], None]


class Uas:
    """Requests in; responses and events out.

    `in_dialog` says who serves which method within a dialog; the stack adds what lives in modules of its own.
    `beginnings` see the INVITE of each new call.
    """

    def __init__(
        self, core: Core, transactions: Transactions, dialogs: Dialogs, timers: SessionTimers
    ) -> None:
        self._core = core
        self._transactions = transactions
        self._dialogs = dialogs
        self._timers = timers
        self.beginnings: list[Callable[[Leg, Request], None]] = []
        self._secret = core.ids.tag().encode()[:64]
        self._digest = DigestServer(core)
        self.in_dialog: dict[str, InDialog] = {
            "BYE": self._on_bye,
            "INFO": self._on_info,
            "OPTIONS": self._on_options_in_dialog,
        }

    # ------------------------------------------------------------------------------------------ entry

    def receive(self, request: Request, data: bytes, flow: Flow, now: float) -> None:
        """Handle one well-framed request; anything wrong with it becomes a response or a counted drop."""
        try:
            check_request(request)
        except MessageMalformed as broken:
            self.refuse_malformed(request, broken.status, broken.why, flow, now)
            return
        method = request.method
        if method == "ACK":
            self._on_ack(request, data, flow, now)
            return
        key = server_key(request, method)
        known = self._transactions.servers.get(key)
        if known is not None:
            self._core.counters.retransmissions_received += 1
            if known.leg is not None:
                self._core.note(known.leg, "in", data, flow, now)
            self._transactions.run(known, Input.REQUEST, now)
            return
        try:
            if method == "CANCEL":
                self._on_cancel(request, data, key, flow, now)
            elif request.to.tag is not None:
                self._on_request_in_dialog(request, data, key, flow, now)
            else:
                self._on_request_outside(request, data, key, flow, now)
        except Refused as refused:
            self._refuse(request, key, refused, flow, now)
        except MessageMalformed as broken:
            self._refuse(request, key, Refused(broken.status, broken.why), flow, now)

    def refuse_malformed(
        self, request: Request | None, status: int, why: str, flow: Flow, now: float
    ) -> None:
        """Answer a broken request statelessly, with what it has to be answered by; otherwise count it as dropped."""
        if request is None or request.method == "ACK" or "via" not in request.headers:
            self._core.counters.dropped_malformed += 1
            return
        self._core.counters.refused_malformed += 1
        if request.method == "INVITE":
            self._core.events.append(InviteRefused(flow, request, status, why))
        tag = stateless_tag(self._secret, request)
        data, back = broken_reply(request, status, why, tag, flow)
        self._core.send(data, back, None, now)

    def _refuse(self, request: Request, key: Key, refused: Refused, flow: Flow, now: float) -> None:
        """Answer a request with a failure.

        An INVITE is refused with a transaction, so that the refusal is repeated until its ACK; all else, a challenge,
        and every INVITE when we are full, statelessly: retransmissions get the same answer (RFC 3261 section 8.2.7).
        """
        core = self._core
        data = self._refusal(request, refused, flow)
        if isinstance(refused, Challenged):
            core.counters.challenged += 1
        elif request.method == "INVITE":
            if request.to.tag is None and refused.status != 482:
                core.events.append(InviteRefused(flow, request, refused.status, refused.why))
            if refused.status != 503:
                core.counters.refused_request += 1
                transaction = self._open(INVITE_SERVER, State.PROCEEDING, key, request, flow)
                transaction.leg = self._dialogs.find(request)
                self._transactions.run(transaction, Input.FAILURE, now, data)
                return
            core.counters.refused_full += 1
        else:
            core.counters.refused_request += 1
        core.send(data, reply_flow(request.via, flow), None, now)

    def _refusal(self, request: Request, refused: Refused, flow: Flow) -> bytes:
        lines = refused.lines or refusal_lines(
            request, refused.status, ACCEPTED, self._core.config.retry_after_s
        )
        to = tagged_to(request, stateless_tag(self._secret, request))
        return build_reply(refused.status, reply_head(request, flow), to, lines + self._core.server_line)

    # ------------------------------------------------------------------------------------------ outside dialogs

    def _on_request_outside(self, request: Request, data: bytes, key: Key, flow: Flow, now: float) -> None:
        method = request.method
        merge_key = (request.call_id, request.from_.tag or "", request.headers["cseq"])
        if merge_key in self._transactions.merges:
            raise Refused(482, "same request by another path")
        if method == "INVITE":
            self._on_invite(request, data, key, merge_key, flow, now)
        elif method == "OPTIONS":
            self._check_scheme(request, flow)
            check_extensions(request, self._core.options_of(flow))
            transaction = self._open(NON_INVITE_SERVER, State.TRYING, key, request, flow)
            self._remember_merge(transaction, merge_key)
            self._answer_options(request, transaction, tagged_to(request, self._core.ids.tag()), flow, now)
        elif method == "NOTIFY" and not is_refer_event(request):
            raise Refused(489, "no such event")
        elif method == "REFER":
            raise Refused(603, "we are not transferred")
        elif method in METHODS:
            raise Refused(481, "no dialog")
        else:
            _ = request.uri
            raise Refused(405 if method in KNOWN_METHODS else 501, "method not served")

    def _check_scheme(self, request: Request, flow: Flow) -> None:
        secure = request.uri.scheme == "sips" and flow.transport is Transport.TLS
        if request.uri.scheme not in {"sip", "tel"} and not secure:
            raise Refused(416, "unsupported URI scheme")
        if request.uri.headers is not None:
            raise Refused(400, "Request-URI with headers")

    def _remember_merge(self, transaction: Transaction, merge_key: Key) -> None:
        transaction.merge_key = merge_key
        self._transactions.merges[merge_key] = transaction

    def _open(self, table: Table, state: State, key: Key, request: Request, flow: Flow) -> Transaction:
        transaction = Transaction(
            table, state, key, reply_flow(request.via, flow), self._transactions.servers
        )
        transaction.head = reply_head(request, flow)
        self._core.pin(transaction.flow, transaction)
        transaction.reply_port = request.via.port or default_port(flow.transport)
        if "record-route" in request.headers:
            transaction.record_routes = "".join(
                [f"Record-Route: {value}\r\n" for value in request.headers.getall("record-route")]
            )
        return transaction

    def _on_invite(
        self, request: Request, data: bytes, key: Key, merge_key: Key, flow: Flow, now: float
    ) -> None:
        core = self._core
        if len(core.by_tag) >= core.config.max_legs:
            raise Refused(503, "too many calls at once")
        busy = core.busy_for(flow)
        if busy is not None:
            raise Refused(503, busy.why, f"Retry-After: {busy.retry_after_s}\r\n")
        options = self._digest.check(request, flow, now)
        self._check_scheme(request, flow)
        check_extensions(request, options)
        _check_invite_body(request)
        terms = check_terms(request, options)
        target = self._target_of(request)
        routes = route_set(request.headers.getall("record-route"))
        _ = request.from_.uri, request.to.uri
        transaction = self._open(INVITE_SERVER, State.PROCEEDING, key, request, flow)
        self._remember_merge(transaction, merge_key)
        leg = core.new_leg(LegState.OFFERED, flow, request.call_id, options)
        core.note(leg, "in", data, flow, now)
        transaction.leg = leg
        transaction.tag = leg.local_tag
        transaction.to = tagged_to(request, leg.local_tag)
        transaction.terms = terms
        self._dialogs.begin_called(leg, request, transaction, target, routes)
        for beginning in self.beginnings:
            beginning(leg, request)
        if core.config.trying_at_once:
            trying = build_reply(100, transaction.head, request.headers["to"], _timestamp(request))
            self._transactions.run(transaction, Input.PROVISIONAL, now, trying)
        proven = options.required.username if options.required is not None else None
        core.events.append(InviteReceived(leg.id, flow, request, proven))

    def _target_of(self, request: Request) -> str:
        target = contact_target(request)
        if target is not None:
            return target
        if (request.via.branch or "").startswith(MAGIC_COOKIE) or request.from_.uri.scheme not in {
            "sip",
            "sips",
        }:
            raise MessageMalformed("no Contact")
        # RFC 2543 did not ask for one.
        return request.from_.uri_text

    # ------------------------------------------------------------------------------------------ within dialogs

    def _on_request_in_dialog(self, request: Request, data: bytes, key: Key, flow: Flow, now: float) -> None:
        method = request.method
        if method != "INVITE" and method not in self.in_dialog:
            raise Refused(405 if method in KNOWN_METHODS else 501, "method not served")
        leg = self._dialogs.find(request)
        if leg is None or (leg.state is LegState.PROCEEDING and method not in _EARLY_METHODS):
            raise Refused(481, "no such dialog")
        number = request.cseq[0]
        core = self._core
        core.note(leg, "in", data, flow, now)
        if number <= leg.remote_cseq:
            raise Refused(500, "CSeq out of order", f"Retry-After: {int(core.ids.delay(0, 10))}\r\n")
        check_extensions(request, leg.options)
        leg.remote_cseq = number
        if method == "INVITE":
            self._on_reinvite(leg, request, key, flow, now)
            return
        transaction = self._open(NON_INVITE_SERVER, State.TRYING, key, request, flow)
        transaction.leg = leg
        transaction.to = request.headers["to"]
        self.in_dialog[method](leg, request, transaction, now)

    def answer(
        self, transaction: Transaction, status: int, lines: str, now: float, body: bytes = b""
    ) -> None:
        """The final response to a request other than INVITE; `lines` are extra header lines."""
        data = build_reply(status, transaction.head, transaction.to, lines + self._core.server_line, body)
        self._transactions.run(transaction, Input.FINAL, now, data)

    def _on_bye(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        pending = leg.invite
        if pending is not None and pending.table is INVITE_SERVER:
            self._dialogs.terminate_invite(leg, now)
        self.answer(transaction, 200, "", now)
        before = leg.state
        self._core.step(leg, LegInput.BYE_RECEIVED, now)
        if before in {LegState.OFFERED, LegState.RINGING, LegState.ANSWER_WAITING}:
            self._core.events.append(InviteCancelled(leg.id, request.headers))
        elif before is not LegState.ENDING:
            self._core.events.append(ByeReceived(leg.id, request.headers))

    def _on_info(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        kind = request.content_type
        if request.body and kind not in self._core.config.info_types:
            accept = ", ".join(sorted(self._core.config.info_types))
            self.answer(transaction, 415, f"Accept: {accept}\r\n", now)
            return
        self.answer(transaction, 200, "", now)
        if request.body and kind is not None:
            self._core.events.append(InfoReceived(leg.id, kind, request.body))

    def _on_options_in_dialog(
        self, _leg: Leg, request: Request, transaction: Transaction, now: float
    ) -> None:
        self._answer_options(request, transaction, transaction.to, transaction.flow, now)

    def _answer_options(
        self, _request: Request, transaction: Transaction, to: str, flow: Flow, now: float
    ) -> None:
        core = self._core
        options = transaction.leg.options if transaction.leg is not None else core.options_of(flow)
        transaction.to = to
        if core.draining:
            self.answer(transaction, 503, f"Retry-After: {core.config.retry_after_s}\r\n", now)
        else:
            self.answer(
                transaction,
                200,
                f"Contact: {core.contact(flow.transport, options)}\r\n{ALLOW_LINE}Accept: {ACCEPTED}\r\n"
                f"Accept-Encoding: identity\r\nAccept-Language: en\r\n{supported_line(options)}",
                now,
            )
        core.events.append(OptionsReceived(flow))

    def _on_reinvite(self, leg: Leg, request: Request, key: Key, flow: Flow, now: float) -> None:
        core = self._core
        _check_invite_body(request)
        if leg.invite is not None:
            if leg.invite.table is INVITE_SERVER:
                raise Refused(500, "an INVITE is under way", f"Retry-After: {int(core.ids.delay(0, 10))}\r\n")
            raise Refused(491, "our own INVITE is under way")
        if our_offer_is_open(leg):
            raise Refused(491, "our offer has no answer yet")
        if their_offer_is_open(leg):
            raise Refused(500, "an UPDATE is under way", f"Retry-After: {int(core.ids.delay(0, 10))}\r\n")
        if leg.state not in {LegState.ANSWERED, LegState.CONFIRMED}:
            raise Refused(481, "dialog is ending")
        target = contact_target(request)
        terms = check_terms(request, leg.options)
        leg.peer_methods = allowed_methods(request) or leg.peer_methods
        transaction = self._open(INVITE_SERVER, State.PROCEEDING, key, request, flow)
        transaction.leg = leg
        transaction.to = request.headers["to"]
        transaction.tag = leg.local_tag
        transaction.terms = terms
        leg.invite = transaction
        leg.invite_cseq = request.cseq[0]
        leg.reinviting = True
        leg.offered = not request.sdp
        leg.answered = False
        leg.reliable = None
        leg.pending_sdp = request.sdp
        leg.pending_target = target or leg.target
        if flow.transport is not Transport.UDP:
            core.unpin(leg.flow, leg)
            leg.flow = flow
            core.pin(flow, leg)
        if core.config.trying_at_once:
            trying = build_reply(100, transaction.head, transaction.to, _timestamp(request))
            self._transactions.run(transaction, Input.PROVISIONAL, now, trying)
        core.events.append(ReinviteReceived(leg.id, request.sdp))

    def succeed(self, leg: Leg, sdp: bytes, lines: str, now: float) -> None:
        """2xx to the INVITE or re-INVITE under way. SDP that went out reliably before it is not repeated."""
        invite = leg.invite
        assert invite is not None
        body = b"" if leg.reliable is not None and leg.reliable.had_sdp else sdp
        leg.sdp = sdp if body else leg.sdp
        if leg.reinviting and leg.pending_sdp:
            leg.remote_sdp = leg.pending_sdp
        kind = f"Content-Type: {SDP}\r\n" if body else ""
        extra = (
            f"{invite.record_routes}Contact: {leg.contact}\r\n{ALLOW_LINE}{supported_line(leg.options)}"
            f"{self._timers.answer_lines(leg, invite.terms or NO_TERMS, now)}{lines}{self._core.server_line}{kind}"
        )
        self._dialogs.succeed(leg, extra, body, now)

    # ------------------------------------------------------------------------------------------ ACK and CANCEL

    def _on_ack(self, request: Request, data: bytes, flow: Flow, now: float) -> None:
        transaction = self._transactions.servers.get(server_key(request, "INVITE"))
        if transaction is not None:
            if transaction.leg is not None:
                self._core.note(transaction.leg, "in", data, flow, now)
            if transaction.state is not State.ACCEPTED:
                self._transactions.run(transaction, Input.ACK, now)
                return
        leg = self._dialogs.find(request)
        wait = leg.ack_waits.get(request.cseq[0]) if leg is not None else None
        if leg is None or wait is None:
            self._core.counters.dropped_unmatched += 1
            return
        if transaction is None:
            self._core.note(leg, "in", data, flow, now)
        if request.sdp and leg.offered and not leg.answered:
            leg.answered, leg.remote_sdp = True, request.sdp
        self._dialogs.acked(leg, wait, now)
        self._core.events.append(AckReceived(leg.id, request.sdp))

    def _on_cancel(self, request: Request, data: bytes, key: Key, flow: Flow, now: float) -> None:
        invite = self._transactions.servers.get(server_key(request, "INVITE"))
        if invite is None:
            raise Refused(481, "nothing to cancel")
        transaction = self._open(NON_INVITE_SERVER, State.TRYING, key, request, flow)
        leg = invite.leg
        tag = invite.tag or stateless_tag(self._secret, request)
        transaction.to = tagged_to(request, tag)
        if leg is not None:
            transaction.leg = leg
            self._core.note(leg, "in", data, flow, now)
        self.answer(transaction, 200, "", now)
        if leg is None or leg.invite is not invite:
            return
        reinviting = leg.reinviting
        self._dialogs.terminate_invite(leg, now)
        if reinviting:
            self._core.events.append(ReinviteCancelled(leg.id))
        else:
            self._core.step(leg, LegInput.CANCELLED, now)
            self._core.events.append(InviteCancelled(leg.id, request.headers))


def _timestamp(request: Request) -> str:
    """A 100 repeats the Timestamp of the request (RFC 3261 section 8.2.6.1)."""
    value = request.headers.get("timestamp")
    return "" if value is None else f"Timestamp: {value}\r\n"
