"""Early dialogs of a call that we make (RFC 3261 section 12.1, RFC 3262): one per To tag, each with its own PRACKs.

An early dialog is a `Leg` of its own that bears its call's number; the call's leg becomes the dialog that is
answered first.
"""

from __future__ import annotations

from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs, contact_target, route_set
from tieline.sip.errors import MessageMalformed
from tieline.sip.extensions import RELIABLE, allowed_methods, option_tags
from tieline.sip.grammar import parse_number
from tieline.sip.leg import Leg
from tieline.sip.message import Response
from tieline.sip.tables import LegState

MOST_DIALOGS = 32
"""Early dialogs of one call, and as many answers of further branches: what comes beyond is not taken up."""


class EarlyDialogs:
    """What provisional responses to an INVITE of ours begin."""

    def __init__(self, core: Core, dialogs: Dialogs) -> None:
        self._core = core
        self._dialogs = dialogs

    def take(self, leg: Leg, response: Response, now: float) -> bool:
        """Note a provisional response, and PRACK it where it asks for that; False when it is not to be told.

        That is one that is repeated, comes out of order (section 4), or is broken.
        """
        if response.status == 100 or response.to.tag is None:
            return True
        try:
            early = self._dialog(leg, response)
            if early is None or RELIABLE not in option_tags(response, "require"):
                return True
            rseq = parse_number(response.headers.get("rseq") or "", 2**32 - 1)
        except MessageMalformed:
            self._core.counters.dropped_malformed += 1
            return False
        if early.rseq and rseq != early.rseq + 1:
            self._core.counters.retransmissions_received += rseq <= early.rseq
            return False
        early.rseq = rseq
        if response.sdp and leg.offered and not early.answered:
            early.answered, early.remote_sdp = True, response.sdp
        rack = f"RAck: {rseq} {leg.invite_cseq} INVITE\r\n"
        self._dialogs.send_request(early, "PRACK", "PRACK", now, rack)
        return True

    def _dialog(self, leg: Leg, response: Response) -> Leg | None:
        """The early dialog of a response, made where it is new; None when there are too many."""
        tag = response.to.tag or ""
        target = contact_target(response)
        early = leg.early.get(tag)
        if early is None or early.invite is not leg.invite:
            if len(leg.early) >= MOST_DIALOGS:
                return None
            routes = route_set(response.headers.getall("record-route"))[::-1]
            early = leg.early[tag] = branch_of(leg, LegState.PROCEEDING)
            early.invite = leg.invite
            early.remote_tag = tag
            early.remote = response.headers["to"]
            early.routes = routes
            early.trace_room = self._core.config.trace_bytes
        early.target = target or early.target
        early.peer_methods = allowed_methods(response) or early.peer_methods
        return early


def branch_of(leg: Leg, state: LegState) -> Leg:
    """A further dialog of a call that we make, before it is known whose it is."""
    dialog = Leg(leg.id, state, leg.flow, leg.call_id, leg.local_tag)
    dialog.options = leg.options
    dialog.contact = leg.contact
    dialog.session = leg.session
    dialog.local = leg.local
    dialog.target = leg.target
    dialog.offered = leg.offered
    dialog.made = True
    dialog.trace = leg.trace
    dialog.local_cseq = dialog.invite_cseq = leg.invite_cseq
    return dialog


def adopt(leg: Leg, tag: str) -> None:
    """Go on where the early dialog that was answered stopped: its numbers, its answer, what it still owes."""
    early = leg.early.get(tag)
    if early is None:
        return
    leg.local_cseq = max(leg.local_cseq, early.local_cseq)
    leg.remote_cseq = early.remote_cseq
    leg.remote_sdp = early.remote_sdp
    leg.peer_methods = early.peer_methods
    leg.answered = early.answered
    leg.sdp = early.sdp or leg.sdp
    if leg.update is not None and leg.update.leg is early:
        leg.update.leg = leg
        leg.pending_target = early.pending_target
