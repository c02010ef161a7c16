"""UPDATE (RFC 3311), both ways, before the call is answered and after."""

from __future__ import annotations

from tieline.sip.bodies import ACCEPTED
from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs, contact_target, refresh_target
from tieline.sip.errors import MessageMalformed, Refused, WrongState
from tieline.sip.events import UpdateCompleted, UpdateReceived
from tieline.sip.extensions import ALLOW_LINE, allowed_methods, supported_line
from tieline.sip.leg import Leg
from tieline.sip.message import Request, Response
from tieline.sip.offers import our_offer_is_open, their_offer_is_open
from tieline.sip.session_timer import SessionTimers, Terms, check_terms
from tieline.sip.tables import LegState
from tieline.sip.transaction import Transaction
from tieline.sip.uac import Uac
from tieline.sip.uas import Uas

_SDP_LINE = "Content-Type: application/sdp\r\n"
_LEAVING = frozenset({LegState.BYE_WAITING, LegState.ENDING, LegState.CANCELLING, LegState.CANCEL_WAITING})


def _is_offering(leg: Leg) -> bool:
    """Whether an offer of either side is open, so that there may be no other (RFC 3311 section 5.1)."""
    unsettled = leg.reliable is not None and bool(leg.reliable.waiting)
    return unsettled or our_offer_is_open(leg) or their_offer_is_open(leg)


class Updates:
    """UPDATEs in and out. One that brings an offer waits in `leg.update` until the owner has decided."""

    def __init__(self, core: Core, dialogs: Dialogs, uas: Uas, uac: Uac, timers: SessionTimers) -> None:
        self._core = core
        self._dialogs = dialogs
        self._uas = uas
        self._uac = uac
        self._timers = timers
        uas.in_dialog["UPDATE"] = self._on_update
        uac.hearers["UPDATE"] = self._on_response
        core.partings.append(self._drop)

    # ------------------------------------------------------------------------------------------ ours

    def send(self, leg: Leg, sdp: bytes | None, now: float) -> None:
        """Our UPDATE. Raises `WrongState` while another is under way, or an offer is open."""
        if leg.update_sent is not None:
            raise WrongState(leg.id, "update", f"{leg.state.value} with an UPDATE under way")
        if sdp is not None and _is_offering(leg):
            raise WrongState(leg.id, "update", f"{leg.state.value} with an offer open")
        leg.updating = sdp is not None
        leg.update_sent = sdp or b""
        lines = f"Contact: {leg.contact}\r\n{ALLOW_LINE}{supported_line(leg.options)}"
        lines += self._timers.request_lines(leg) if leg.state is LegState.CONFIRMED else ""
        kind = _SDP_LINE if sdp else ""
        self._dialogs.send_request(leg, "UPDATE", "UPDATE", now, lines + kind, sdp or b"")

    def _on_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        sdp = leg.update_sent or b""
        leg.updating = False
        leg.update_sent = None
        body = b""
        if leg.state in _LEAVING or leg.state is LegState.OVER:
            return
        if response is not None and status < 300:
            body = response.sdp
            refresh_target(leg, response)
            if sdp:
                leg.sdp, leg.remote_sdp = sdp, body
            if leg.state is LegState.CONFIRMED:
                self._timers.agree(leg, response, now)
        elif status == 422 and not (sdp and _is_offering(leg)) and self._timers.raise_min(leg, response):
            self.send(leg, sdp or None, now)
            return
        retry = self._uac.glare_delay(leg) if status == 491 else None
        self._core.events.append(UpdateCompleted(leg.id, status, body, retry))
        self._uac.check_gone(leg, transaction, status, response, now)

    # ------------------------------------------------------------------------------------------ theirs

    def _on_update(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        try:
            self._take(leg, request, transaction, now)
        except Refused as refused:
            self._uas.answer(transaction, refused.status, refused.lines, now)
        except MessageMalformed as broken:
            self._uas.answer(transaction, broken.status, "", now)

    def _take(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        owner = self._core.legs.get(leg.id, leg)
        if owner.state in _LEAVING:
            raise Refused(481, "dialog is ending")
        target = contact_target(request)
        terms = check_terms(request, leg.options)
        methods = allowed_methods(request)
        if not request.body:
            leg.target = target or leg.target
            leg.peer_methods = methods or leg.peer_methods
            self._accept(leg, transaction, terms, b"", now)
            return
        if request.session.refused or not request.content_type:
            raise Refused(415, request.session.refused or "body has no type", f"Accept: {ACCEPTED}\r\n")
        if our_offer_is_open(leg):
            raise Refused(491, "our offer has no answer yet")
        if their_offer_is_open(leg) or owner.update is not None:
            later = f"Retry-After: {int(self._core.ids.delay(0, 10))}\r\n"
            raise Refused(500, "an offer is under way", later)
        leg.pending_target = target or leg.target
        leg.peer_methods = methods or leg.peer_methods
        transaction.terms = terms
        self.offer(leg, transaction, request.sdp)

    def offer(self, leg: Leg, transaction: Transaction, sdp: bytes) -> None:
        """Hand an offer of the peer's to the owner; `transaction` is what its decision answers."""
        owner = self._core.legs.get(leg.id, leg)
        owner.update = transaction
        owner.update_offer = sdp
        self._core.events.append(UpdateReceived(leg.id, sdp))

    def _accept(
        self, leg: Leg, transaction: Transaction, terms: Terms | None, sdp: bytes, now: float
    ) -> None:
        lines = f"Contact: {leg.contact}\r\n{ALLOW_LINE}{supported_line(leg.options)}"
        if terms is not None:
            lines += self._timers.answer_lines(leg, terms, now)
        self._uas.answer(transaction, 200, lines + (_SDP_LINE if sdp else ""), now, sdp)

    def accept(self, leg: Leg, sdp: bytes, now: float) -> None:
        """200 with our answer."""
        transaction, offer = self._settle(leg, "accept_update")
        dialog = transaction.leg
        assert dialog is not None
        if transaction.terms is not None:
            dialog.target = dialog.pending_target
        dialog.sdp, dialog.remote_sdp = sdp, offer
        self._accept(dialog, transaction, transaction.terms, sdp, now)

    def reject(self, leg: Leg, status: int, now: float) -> None:
        """Refuse; the session stays as it was."""
        transaction, _ = self._settle(leg, "reject_update")
        self._uas.answer(transaction, status, "", now)

    def _settle(self, leg: Leg, verb: str) -> tuple[Transaction, bytes]:
        transaction, offer = leg.update, leg.update_offer
        if transaction is None:
            raise WrongState(leg.id, verb, f"{leg.state.value} with no UPDATE pending")
        leg.update = None
        leg.update_offer = b""
        return transaction, offer

    def _drop(self, leg: Leg, now: float) -> None:
        """The call ends before the owner has decided."""
        if leg.update is not None:
            transaction, _ = self._settle(leg, "end")
            self._uas.answer(transaction, 487, "", now)
