"""Reliable provisional responses of ours (RFC 3262, the called side): RSeq, repetition, PRACK."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs
from tieline.sip.errors import WrongState
from tieline.sip.events import LegFailed, LegFailure, PrackReceived
from tieline.sip.extensions import ALLOW_LINE, RELIABLE, claimed, option_tags, supported_line
from tieline.sip.leg import Leg
from tieline.sip.message import Request
from tieline.sip.replies import build_reply
from tieline.sip.tables import Input, LegInput, LegState
from tieline.sip.timers import Timer
from tieline.sip.transaction import Transaction, Transactions
from tieline.sip.uas import Uas
from tieline.sip.update import Updates

_match_rack = re.compile("0*([0-9]{1,10})[ \t]+0*([0-9]{1,10})[ \t]+INVITE").fullmatch
_MOST_WAITING = 16


class _Provisional(NamedTuple):
    status: int
    lines: str
    sdp: bytes


class Reliability:
    """Where the reliable responses of one INVITE stand.

    `waiting`: one is out without its PRACK; `queue` is sent after it, one by one (section 3). `had_sdp`: an offer or
    answer went out in one of them. `held` is the 2xx, as (SDP, header lines), that waits for a PRACK.
    """

    __slots__ = ("had_sdp", "held", "interval", "queue", "rseq", "started", "timer", "waiting")

    def __init__(self, rseq: int) -> None:
        self.rseq = rseq
        self.waiting = False
        self.had_sdp = False
        self.queue: deque[_Provisional] = deque()
        self.held: tuple[bytes, str] | None = None
        self.interval = 0.0
        self.started = 0.0
        self.timer: Timer = []


class ReliableResponses:
    """18x out, reliably or not; PRACKs in."""

    def __init__(
        self, core: Core, transactions: Transactions, dialogs: Dialogs, uas: Uas, updates: Updates
    ) -> None:
        self._core = core
        self._transactions = transactions
        self._dialogs = dialogs
        self._uas = uas
        self._updates = updates
        uas.in_dialog["PRACK"] = self._on_prack
        uas.beginnings.append(self._begin)
        core.partings.append(self.stop)

    def _begin(self, leg: Leg, request: Request) -> None:
        """See whether a new call wants reliable responses, or we do."""
        wanted = RELIABLE in option_tags(request, "require")
        if wanted or (leg.options.reliable_required and RELIABLE in claimed(request)):
            leg.reliable = Reliability(int(self._core.ids.delay(1, 2**20)))

    # ------------------------------------------------------------------------------------------ 18x

    def ring(self, leg: Leg, status: int, lines: str, sdp: bytes, now: float) -> None:
        """Send a provisional response. Raises `WrongState` when too many wait for the PRACK of another."""
        reliable = leg.reliable
        if reliable is None:
            self._send(leg, _Provisional(status, lines, sdp), "", now)
        elif not reliable.waiting:
            self._send_reliably(leg, reliable, _Provisional(status, lines, sdp), now)
        elif len(reliable.queue) < _MOST_WAITING:
            reliable.queue.append(_Provisional(status, lines, sdp))
        else:
            raise WrongState(leg.id, "ring", f"{leg.state.value} with {_MOST_WAITING} responses waiting")

    def _send(self, leg: Leg, what: _Provisional, lines: str, now: float) -> None:
        invite = leg.invite
        assert invite is not None
        kind = "Content-Type: application/sdp\r\n" if what.sdp else ""
        leg.sdp = what.sdp or leg.sdp
        extra = (
            f"{invite.record_routes}Contact: {leg.contact}\r\n{lines}{ALLOW_LINE}{supported_line(leg.options)}"
            f"{what.lines}{self._core.server_line}{kind}"
        )
        data = build_reply(what.status, invite.head, invite.to, extra, what.sdp)
        self._transactions.run(invite, Input.PROVISIONAL, now, data)

    def _send_reliably(self, leg: Leg, reliable: Reliability, what: _Provisional, now: float) -> None:
        reliable.rseq += 1
        reliable.waiting = True
        if reliable.had_sdp:
            # A second one would be a new offer.
            what = what._replace(sdp=b"")
        elif what.sdp:
            reliable.had_sdp = True
            leg.answered = not leg.offered
        self._send(leg, what, f"Require: {RELIABLE}\r\nRSeq: {reliable.rseq}\r\n", now)
        reliable.started = now
        reliable.interval = self._core.config.timers.t1
        reliable.timer = self._core.timers.set(now + reliable.interval, self._repeat, leg)

    def _repeat(self, leg: Leg, now: float) -> None:
        reliable, invite = leg.reliable, leg.invite
        assert reliable is not None
        assert invite is not None
        times = self._core.config.timers
        if now >= reliable.started + times.t64:
            self._dialogs.fail(leg, 504, None, self._core.server_line, now)
            self._core.step(leg, LegInput.NO_PRACK, now)
            self._core.events.append(LegFailed(leg.id, LegFailure.PEER_GONE))
            return
        self._transactions.run(invite, Input.REQUEST, now)
        reliable.interval *= 2
        due = min(now + reliable.interval, reliable.started + times.t64)
        reliable.timer = self._core.timers.set(due, self._repeat, leg)

    # ------------------------------------------------------------------------------------------ 2xx

    def holds(self, leg: Leg, sdp: bytes, lines: str) -> bool:
        """Whether a 2xx has to wait: SDP is out in a response that has no PRACK yet (section 3)."""
        reliable = leg.reliable
        if reliable is None or not (reliable.waiting and reliable.had_sdp):
            return False
        reliable.held = (sdp, lines)
        return True

    def stop(self, leg: Leg, _now: float) -> None:
        """A final response leaves: nothing more is repeated. A PRACK on its way is still answered."""
        if leg.reliable is not None:
            self._core.timers.cancel(leg.reliable.timer)
            leg.reliable.queue.clear()

    # ------------------------------------------------------------------------------------------ PRACK

    def _on_prack(self, leg: Leg, request: Request, transaction: Transaction, now: float) -> None:
        reliable = leg.reliable
        found = _match_rack(request.headers.get("rack") or "")
        if (
            reliable is None
            or not reliable.waiting
            or found is None
            or (int(found.group(1)), int(found.group(2))) != (reliable.rseq, leg.invite_cseq)
        ):
            self._uas.answer(transaction, 481, "", now)
            return
        reliable.waiting = False
        self._core.timers.cancel(reliable.timer)
        body = request.sdp if request.content_type else b""
        if body and leg.offered and reliable.had_sdp and not leg.answered:
            leg.answered, leg.remote_sdp = True, body
            self._uas.answer(transaction, 200, "", now)
            self._core.events.append(PrackReceived(leg.id, body))
        elif body and leg.answered and leg.update is None:
            # A further offer, which our 2xx to the PRACK must answer (section 5).
            self._core.events.append(PrackReceived(leg.id, b""))
            self._updates.offer(leg, transaction, body)
        else:
            self._uas.answer(transaction, 200, "", now)
            self._core.events.append(PrackReceived(leg.id, b""))
        self._go_on(leg, reliable, now)

    def _go_on(self, leg: Leg, reliable: Reliability, now: float) -> None:
        if leg.state is LegState.ANSWER_WAITING and reliable.held is not None:
            sdp, lines = reliable.held
            self._core.step(leg, LegInput.PRACKED, now)
            self._uas.succeed(leg, sdp, lines, now)
        elif reliable.queue and leg.invite is not None:
            self._send_reliably(leg, reliable, reliable.queue.popleft(), now)
