"""Refreshing a session, and ending one that nobody refreshed (RFC 4028 sections 7.2 and 10).

A refresh is an UPDATE without a body where the peer's Allow lists UPDATE, otherwise a re-INVITE with the SDP that we
sent last, unchanged. The owner hears of it only when the peer's answer is not what it was, or when the call ends.
"""

from __future__ import annotations

from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs, refresh_target
from tieline.sip.events import LegFailed, LegFailure, ReinviteCompleted
from tieline.sip.extensions import ALLOW_LINE, supported_line
from tieline.sip.leg import Leg
from tieline.sip.message import Response
from tieline.sip.session_timer import SessionTimers
from tieline.sip.tables import LegInput, LegState
from tieline.sip.transaction import Transaction
from tieline.sip.uac import GONE, Uac

_BUSY_S = 2.0
_AGAIN_S = 10.0


class Refreshes:
    """Refreshes of ours out, their answers in."""

    def __init__(self, core: Core, dialogs: Dialogs, uac: Uac, timers: SessionTimers) -> None:
        self._core = core
        self._dialogs = dialogs
        self._uac = uac
        self._timers = timers
        timers.due = self._due
        uac.hearers["REFRESH"] = self._on_update_response
        uac.hearers["REFRESH INVITE"] = self._on_invite_response

    def _due(self, leg: Leg, now: float) -> None:
        clock = leg.clock
        assert clock is not None
        busy = leg.invite is not None or leg.update is not None or leg.updating or leg.ack_waits
        if leg.state is not LegState.CONFIRMED:
            self._timers.wait(leg, _BUSY_S, now)
        elif now >= clock.gives_up_at:
            self._end(leg, LegFailure.SESSION_EXPIRED, "session not refreshed", now)
        elif busy:
            self._timers.wait(leg, _BUSY_S, now)
        else:
            self._refresh(leg, now)

    def _refresh(self, leg: Leg, now: float) -> None:
        clock = leg.clock
        assert clock is not None
        if clock.by_update and "UPDATE" in leg.peer_methods:
            lines = f"Contact: {leg.contact}\r\n{ALLOW_LINE}{supported_line(leg.options)}"
            self._dialogs.send_request(leg, "UPDATE", "REFRESH", now, lines + self._timers.request_lines(leg))
        else:
            self._uac.reinvite(leg, leg.sdp, now, "REFRESH INVITE")
        self._timers.wait(leg, clock.interval_s, now)

    def _on_update_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        if leg.state is not LegState.CONFIRMED or leg.clock is None:
            return
        if response is not None and status < 300:
            refresh_target(leg, response)
            self._timers.agree(leg, response, now)
        elif not self._try_again(leg, transaction, status, response, now):
            leg.clock.by_update = False
            self._timers.wait(leg, 0.0, now)

    def _on_invite_response(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> None:
        known = leg.remote_sdp
        if not self._uac.settle_reinvite(leg, transaction, status, response, now):
            return
        if leg.state is not LegState.CONFIRMED or leg.clock is None:
            return
        if response is not None and status < 300:
            if response.sdp != known:
                self._core.events.append(ReinviteCompleted(leg.id, status, response.sdp))
        elif not self._try_again(leg, transaction, status, response, now):
            if leg.clock.agreed:
                self._timers.wait(leg, _AGAIN_S, now)
            else:
                # It takes no part in session timers, and its refusal shows that it is there.
                self._timers.renew(leg, now)

    def _try_again(
        self, leg: Leg, transaction: Transaction, status: int, response: Response | None, now: float
    ) -> bool:
        """Deal with what either method may meet; False for a refusal of the method itself."""
        if status == 422 and self._timers.raise_min(leg, response):
            self._timers.wait(leg, 0.0, now)
        elif status == 491:
            self._timers.wait(leg, self._uac.glare_delay(leg), now)
        elif response is None and status == 503 and transaction.flow.connection is None:
            self._uac.check_gone(leg, transaction, status, response, now)
        elif response is None and status == 503:
            self._timers.wait(leg, _BUSY_S, now)
        elif status in GONE:
            self._end(leg, LegFailure.PEER_GONE, "session refresh not answered", now)
        else:
            return False
        return True

    def _end(self, leg: Leg, failure: LegFailure, why: str, now: float) -> None:
        """BYE, though the peer may be gone: a proxy on the way may not be (section 10)."""
        leg.quiet = True
        self._dialogs.drop_pending(leg, now)
        self._core.step(leg, LegInput.EXPIRED, now)
        self._core.events.append(LegFailed(leg.id, failure))
        leg.bye_text = f'Reason: SIP;cause=408;text="{why}"\r\n'
        self._dialogs.send_bye(leg, now)
