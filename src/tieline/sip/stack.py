"""A SIP user agent without I/O: bytes and the present moment in; datagrams, events and the next deadline out.

A peer's input never raises out of a stack: it becomes a response, an event or a counted drop. The owner's verbs raise
`WrongState`, `UnknownLeg`, `HeaderRefused` or `WrongArgument` and then change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tieline.sip.config import Admission, Admit, BusyFor, IdSource, PeerOptions, PeerOptionsOf, SipConfig
from tieline.sip.core import Core, Counters
from tieline.sip.dialog import Dialogs
from tieline.sip.digest_client import DigestClient
from tieline.sip.errors import MessageMalformed, UnknownLeg, WrongArgument, WrongState
from tieline.sip.events import ByeCompleted, Flow, Outgoing, SipEvent
from tieline.sip.grammar import parse_address, parse_uri
from tieline.sip.header_rules import check_value, header_lines
from tieline.sip.leg import Leg, LegInfo, TraceEntry
from tieline.sip.message import Request, Response, parse_message
from tieline.sip.refer import Refers, refer_lines
from tieline.sip.refresh import Refreshes
from tieline.sip.register import Registrations
from tieline.sip.reliable import ReliableResponses
from tieline.sip.resume import DialogRecord, record_dialog, resume_dialog
from tieline.sip.session_timer import SessionTimers
from tieline.sip.strangers import Strangers
from tieline.sip.tables import LEG, LegInput, LegState
from tieline.sip.transaction import Transaction, Transactions
from tieline.sip.uac import Uac
from tieline.sip.uas import Uas
from tieline.sip.update import Updates

HeaderPairs = Sequence[tuple[str, str]]


class SipStack:
    """One user agent. Times are monotonic seconds of any origin; legs are named by their number.

    `draining`, settable, makes OPTIONS be answered 503; `counters` counts what no event tells.
    """

    def __init__(
        self,
        config: SipConfig,
        ids: IdSource,
        admit: Admit | None = None,
        peers: PeerOptionsOf | None = None,
        busy: BusyFor | None = None,
    ) -> None:
        self._core = core = Core(config, ids, peers, busy)
        self._admit = admit
        self._transactions = Transactions(core, self._tell)
        self._dialogs = Dialogs(core, self._transactions)
        timers = SessionTimers(core)
        self._uas = Uas(core, self._transactions, self._dialogs, timers)
        self._uac = Uac(core, self._transactions, self._dialogs, timers)
        self._updates = Updates(core, self._dialogs, self._uas, self._uac, timers)
        self._reliable = ReliableResponses(core, self._transactions, self._dialogs, self._uas, self._updates)
        Refreshes(core, self._dialogs, self._uac, timers)
        self._refers = Refers(core, self._uas, self._uac)
        self._registrations = Registrations(core, self._transactions, self._dialogs)
        self._digest = DigestClient(core, self._transactions, self._dialogs, self._uac)
        self._strangers = Strangers(core)

    def _tell(self, transaction: Transaction, status: int, response: Response | None, now: float) -> None:
        if response is not None and self._digest.retry(transaction, response, now):
            return
        if transaction.purpose == "REGISTER":
            self._registrations.tell(transaction, status, response, now)
        else:
            self._uac.tell(transaction, status, response, now)

    # ------------------------------------------------------------------------------------------ bytes and time

    @property
    def config(self) -> SipConfig:
        """The settings given at construction."""
        return self._core.config

    @property
    def counters(self) -> Counters:
        """What was counted so far."""
        return self._core.counters

    @property
    def draining(self) -> bool:
        """Whether OPTIONS says that we take no calls."""
        return self._core.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._core.draining = value

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram, or one framed message of a stream."""
        core = self._core
        if self._admit is not None:
            admission = self._admit(flow)
            if admission is not Admission.KNOWN:
                if admission is Admission.REFUSE:
                    self._strangers.receive(data, flow, now)
                else:
                    core.counters.dropped_stranger += 1
                return
        if len(data) > core.config.limits.message_bytes:
            core.counters.dropped_oversized += 1
            return
        if data[:1] in b"\r\n\x00":
            data = data.lstrip(b"\r\n\x00")
            if not data:
                core.counters.keepalives += 1
                return
        try:
            message = parse_message(data, core.config.limits)
        except MessageMalformed as broken:
            self._uas.refuse_malformed(broken.request, broken.status, broken.why, flow, now)
            return
        if isinstance(message, Request):
            core.counters.requests_received += 1
            self._uas.receive(message, data, flow, now)
        else:
            core.counters.responses_received += 1
            self._uac.receive(message, data, flow, now)

    def receive_unframed(self, head: bytes, flow: Flow, now: float, status: int = 400) -> None:
        """A stream brought headers whose body cannot be told apart: answer with `status`; the caller closes it."""
        try:
            message = parse_message(head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", self._core.config.limits)
            request = message if isinstance(message, Request) else None
        except MessageMalformed as broken:
            request = broken.request
        self._uas.refuse_malformed(request, status, "body cannot be told apart", flow, now)

    def admission(self, flow: Flow) -> Admission:
        """What the owner's `admit` says of a peer; known without one."""
        return self._admit(flow) if self._admit is not None else Admission.KNOWN

    def depends_on(self, flow: Flow) -> bool:
        """Whether a leg or a transaction lives on the stream of `flow`."""
        return flow.connection in self._core.pinned

    def connection_lost(self, flow: Flow, now: float) -> None:
        """A stream closed, could not be opened, or a datagram could not be sent: what waits on `flow` fails."""
        self._transactions.fail_flow(flow, now)

    def outgoing(self) -> list[Outgoing]:
        """What is to be sent, in order; the caller owns the list."""
        queued = self._core.outgoing
        self._core.outgoing = []
        return queued

    def next_deadline(self) -> float | None:
        """When `on_deadline` is wanted next; None when nothing waits."""
        return self._core.timers.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Fire every timer that is due."""
        self._core.timers.fire(now)

    def next_event(self) -> SipEvent | None:
        """The oldest event not yet read."""
        return self._core.events.popleft() if self._core.events else None

    def is_idle(self) -> bool:
        """Whether no leg and no transaction is left."""
        return not (self._core.legs or self._transactions.servers or self._transactions.clients)

    # ------------------------------------------------------------------------------------------ legs

    def _leg(self, leg_id: int, verb: LegInput) -> Leg:
        leg = self._core.legs.get(leg_id)
        if leg is None:
            raise UnknownLeg(leg_id)
        if verb not in LEG[leg.state]:
            raise WrongState(leg_id, verb.value, leg.state.value)
        return leg

    def _lines(self, headers: Iterable[tuple[str, str]]) -> str:
        return header_lines(headers, self._core.config.custom_headers)

    def leg(self, leg_id: int) -> LegInfo:
        """What is known of a leg. Raises `UnknownLeg`."""
        leg = self._core.legs.get(leg_id)
        if leg is None:
            raise UnknownLeg(leg_id)
        return LegInfo(leg.id, leg.state.value, leg.call_id, leg.local_tag, leg.remote_tag, leg.flow)

    def leg_ids(self) -> list[int]:
        """The legs that are not over, oldest first."""
        return [leg.id for leg in self._core.legs.values() if leg.state is not LegState.OVER]

    def leg_trace(self, leg_id: int) -> list[TraceEntry]:
        """The messages of a leg so far, oldest first; empty once it is forgotten."""
        leg = self._core.legs.get(leg_id)
        return [] if leg is None or leg.trace is None else list(leg.trace)

    def dialog(self, leg_id: int) -> DialogRecord | None:
        """What a later process needs to end this leg's call; None before there is a dialog. Raises `UnknownLeg`."""
        leg = self._core.legs.get(leg_id)
        if leg is None:
            raise UnknownLeg(leg_id)
        return record_dialog(leg)

    def resume(self, dialog: DialogRecord) -> int:
        """A leg for a call that an earlier process had up, so that it can be ended. Raises `WrongArgument`."""
        return resume_dialog(self._core, dialog).id

    def forget(self, leg_id: int) -> None:
        """Let go of a leg that is over; unknown ones are fine. Raises `WrongState` for one that is not over."""
        leg = self._core.legs.get(leg_id)
        if leg is None:
            return
        if leg.state is not LegState.OVER:
            raise WrongState(leg_id, "be forgotten", leg.state.value)
        self._core.forget(leg)

    # ------------------------------------------------------------------------------------------ verbs: called

    def ring(
        self,
        leg_id: int,
        now: float,
        headers: HeaderPairs = (),
        sdp: bytes | None = None,
        status: int = 180,
    ) -> None:
        """180 Ringing, or another `status` from 101 to 199; with `sdp` for early media.

        It is sent reliably where the peer asked for that (RFC 3262), and then one after the other: `PrackReceived`
        follows each. SDP that went out so is what the 2xx stands by.
        """
        leg = self._leg(leg_id, LegInput.RING)
        lines = self._lines(headers)
        if not 101 <= status <= 199:
            raise WrongArgument("a provisional response has a status from 101 to 199")
        self._reliable.ring(leg, status, lines, sdp or b"", now)
        self._core.step(leg, LegInput.RING, now)

    def answer(self, leg_id: int, sdp: bytes, now: float, headers: HeaderPairs = ()) -> None:
        """200 OK with our SDP: the answer to the offer, or the offer where the INVITE had none.

        It waits for the PRACK of a reliable response that carried SDP.
        """
        leg = self._leg(leg_id, LegInput.ANSWER)
        lines = self._lines(headers)
        _check_sdp(sdp)
        if self._reliable.holds(leg, sdp, lines):
            self._core.step(leg, LegInput.ANSWER_WAITS, now)
            return
        self._reliable.stop(leg, now)
        self._core.step(leg, LegInput.ANSWER, now)
        self._uas.succeed(leg, sdp, lines, now)

    def reject(
        self, leg_id: int, status: int, now: float, phrase: str | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Refuse the call with a final `status` from 300 to 699."""
        leg = self._leg(leg_id, LegInput.REJECT)
        lines = self._lines(headers)
        _check_refusal(status, phrase)
        self._dialogs.fail(leg, status, phrase, lines + self._core.server_line, now)
        self._core.step(leg, LegInput.REJECT, now)

    def accept_reinvite(self, leg_id: int, sdp: bytes, now: float) -> None:
        """200 OK to the peer's re-INVITE."""
        leg = self._pending_reinvite(leg_id, LegInput.ACCEPT_REINVITE)
        _check_sdp(sdp)
        leg.target = leg.pending_target
        self._uas.succeed(leg, sdp, "", now)

    def reject_reinvite(self, leg_id: int, status: int, now: float) -> None:
        """Refuse the peer's re-INVITE; the session stays as it was."""
        leg = self._pending_reinvite(leg_id, LegInput.REJECT_REINVITE)
        _check_refusal(status, None)
        self._dialogs.fail(leg, status, None, self._core.server_line, now)

    def _pending_reinvite(self, leg_id: int, verb: LegInput) -> Leg:
        leg = self._leg(leg_id, verb)
        if leg.invite is None or leg.invite.parts is not None:
            raise WrongState(leg_id, verb.value, f"{leg.state.value} with no re-INVITE pending")
        return leg

    # ------------------------------------------------------------------------------------------ verbs: calling

    def invite(
        self,
        flow: Flow,
        target_uri: str,
        from_: str,
        to: str,
        sdp: bytes | None,
        now: float,
        headers: HeaderPairs = (),
        route: Sequence[str] = (),
        options: PeerOptions | None = None,
    ) -> int:
        """Call `target_uri` over `flow`; `from_` and `to` are addresses without tags. Without `sdp` the peer offers.

        `options` say how to speak to this peer for as long as the leg lives; None asks the stack's `peers`, by flow.
        Returns the new leg's number. Raises `WrongArgument` and `HeaderRefused`.
        """
        for name, value in (("From", from_), ("To", to), *[("Route", each) for each in route]):
            check_value(name, value)
        try:
            parse_uri(target_uri)
            if any(parse_address(address).tag is not None for address in (from_, to, *route)):
                raise WrongArgument("an address brings its own tag")
        except MessageMalformed as broken:
            raise WrongArgument(broken.why) from None
        routes = "".join([f"Route: {each}\r\n" for each in route])
        lines = self._lines(headers)
        return self._uac.invite(flow, target_uri, from_, to, sdp, lines, routes, now, options).id

    def ack(self, leg_id: int, sdp: bytes, now: float) -> None:
        """ACK the 2xx of a call that we made without SDP, with our answer to the peer's offer."""
        leg = self._leg(leg_id, LegInput.ACK)
        _check_sdp(sdp)
        self._core.step(leg, LegInput.ACK, now)
        leg.sdp = sdp
        self._uac.send_ack(leg, sdp, now)

    def cancel(self, leg_id: int, now: float) -> None:
        """Give up a call that was not answered yet; `LegRefused` follows."""
        leg = self._leg(leg_id, LegInput.CANCEL)
        self._core.step(leg, LegInput.CANCEL, now)
        if leg.state is LegState.CANCELLING:
            self._uac.send_cancel(leg, now)

    # ------------------------------------------------------------------------------------------ verbs: in a call

    def bye(self, leg_id: int, now: float, headers: HeaderPairs = (), reason: str | None = None) -> None:
        """End the call; `reason` is the value of a Reason header (RFC 3326). `ByeCompleted` follows.

        Before the ACK of our 2xx came, the BYE waits for it (RFC 3261 section 15).
        """
        leg = self._leg(leg_id, LegInput.BYE)
        pairs = [*headers, ("Reason", reason)] if reason is not None else headers
        leg.bye_text = self._lines(pairs)
        if leg.state is LegState.ANSWER_WAITING:
            # There is no dialog yet that BYE could end.
            self._dialogs.fail(leg, 480, None, leg.bye_text + self._core.server_line, now)
            self._core.step(leg, LegInput.BYE, now)
            self._core.events.append(ByeCompleted(leg.id, 480))
            return
        self._dialogs.drop_pending(leg, now)
        if leg.state is LegState.UNACKED:
            self._uac.send_ack(leg, b"", now)
        self._core.step(leg, LegInput.BYE, now)
        if leg.state is LegState.ENDING:
            self._dialogs.send_bye(leg, now)

    def reinvite(self, leg_id: int, sdp: bytes, now: float) -> None:
        """Offer new session parameters; `ReinviteCompleted` follows. One at a time."""
        leg = self._leg(leg_id, LegInput.REINVITE)
        if leg.invite is not None or leg.updating:
            raise WrongState(leg_id, "reinvite", "confirmed with an offer under way")
        _check_sdp(sdp)
        self._uac.reinvite(leg, sdp, now)

    def update(self, leg_id: int, sdp: bytes | None, now: float) -> None:
        """Offer new session parameters by UPDATE (RFC 3311), or with None only show that the call stands.

        `UpdateCompleted` follows. One at a time. Before the answer it needs a PRACKed answer of ours.
        """
        self._updates.send(self._leg(leg_id, LegInput.UPDATE), sdp, now)

    def accept_update(self, leg_id: int, sdp: bytes, now: float) -> None:
        """200 OK to the peer's UPDATE, with our answer."""
        leg = self._leg(leg_id, LegInput.ACCEPT_UPDATE)
        _check_sdp(sdp)
        self._updates.accept(leg, sdp, now)

    def reject_update(self, leg_id: int, status: int, now: float) -> None:
        """Refuse the peer's UPDATE; the session stays as it was."""
        leg = self._leg(leg_id, LegInput.REJECT_UPDATE)
        _check_refusal(status, None)
        self._updates.reject(leg, status, now)

    def info(self, leg_id: int, content_type: str, body: bytes, now: float) -> None:
        """Send an INFO within the call; `InfoCompleted` follows."""
        leg = self._leg(leg_id, LegInput.INFO)
        check_value("Content-Type", content_type)
        self._dialogs.send_request(leg, "INFO", "INFO", now, f"Content-Type: {content_type}\r\n", body)

    def refer(
        self,
        leg_id: int,
        refer_to: str,
        now: float,
        headers: HeaderPairs = (),
        referred_by: str | None = None,
    ) -> None:
        """Ask the peer to call `refer_to`, a whole header value that is sent as it is (RFC 3515).

        `ReferCompleted` and `NotifyReceived` follow. One at a time. `referred_by` is an address (RFC 3892).
        """
        leg = self._leg(leg_id, LegInput.REFER)
        if leg.referring:
            raise WrongState(leg_id, "refer", "confirmed with a REFER under way")
        lines = refer_lines(refer_to, referred_by, [name for name, _ in headers])
        self._dialogs.send_refer(leg, lines + self._lines(headers), now)

    def options(self, flow: Flow, uri: str, now: float, options: PeerOptions | None = None) -> int:
        """Ping a peer; `OptionsCompleted` follows with the number returned here. `options` are those of `invite`."""
        try:
            parse_uri(uri)
        except MessageMalformed as broken:
            raise WrongArgument(broken.why) from None
        return self._uac.options(flow, uri, now, options)

    def register(
        self,
        flow: Flow,
        registrar_uri: str,
        aor: str,
        contact_user: str,
        expires_s: int,
        now: float,
        options: PeerOptions | None = None,
    ) -> int:
        """Register `contact_user` at our address for `aor`, both URIs without brackets; `RegisterCompleted` follows.

        The same registrar, address and user again refresh that registration: same number, same Call-ID, next CSeq.
        With `expires_s` 0 it is taken back. `options` are those of `invite`. Raises `RegisterPending` while one is
        under way.
        """
        for name, value in (("Request-URI", registrar_uri), ("To", aor), ("Contact", contact_user)):
            check_value(name, value)
        try:
            for uri in (registrar_uri, aor, f"sip:{contact_user}@localhost"):
                if parse_uri(uri).scheme not in {"sip", "sips"} or parse_uri(uri).headers is not None:
                    raise WrongArgument("a registration is made of SIP URIs without headers")
        except MessageMalformed as broken:
            raise WrongArgument(broken.why) from None
        if not contact_user or not 0 <= expires_s < 2**31:
            raise WrongArgument("a registration has a user and a time from 0 seconds")
        return self._registrations.register(flow, registrar_uri, aor, contact_user, expires_s, now, options)


def _check_refusal(status: int, phrase: str | None) -> None:
    if not 300 <= status <= 699:
        raise WrongArgument("a refusal has a status from 300 to 699")
    if phrase is not None and not phrase.isprintable():
        raise WrongArgument("a reason phrase is printable text")


def _check_sdp(sdp: bytes) -> None:
    if not sdp:
        raise WrongArgument("an INVITE is answered with SDP")
