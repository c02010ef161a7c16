"""A handoff by REFER (RFC 3515, 4488): from the request on the wire to a result one can rely on.

The result comes as NOTIFYs in every order and shape, or not at all; many SBCs simply end our leg once the caller is
elsewhere. So, after a 2xx: a final status in a NOTIFY decides; the peer's BYE means that it took the caller over; and
silence is a failure, which gives the caller back to the agent.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tieline.handoff.awaited import AwaitedHandoff
from tieline.handoff.failures import failure_of
from tieline.handoff.policy import ByeTurn, HandoffFailed, HandoffPolicy, Referred
from tieline.handoff.receipt import RungReceipt, evidence_of
from tieline.model.handoff import HandoffMethod
from tieline.model.machine import Table
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import FirstBye


class ReferState(StrEnum):
    """Where a REFER is. UNRESOLVED: the subscription ended without a result, and only a BYE can still bring one."""

    SENT = "sent"
    ACCEPTED = "accepted"
    PROGRESSING = "progressing"
    UNRESOLVED = "unresolved"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ReferInput(StrEnum):
    """What can happen to a REFER."""

    ACCEPTED = "2xx"
    ACCEPTED_QUIETLY = "2xx, no NOTIFY to come"
    REFUSED = "3xx-6xx"
    PROVISIONAL = "NOTIFY 1xx or without status"
    SUCCESS = "NOTIFY 2xx"
    FAILURE = "NOTIFY 3xx-6xx"
    OVER = "NOTIFY terminated, no final status"
    PEER_BYE = "peer's BYE"
    LEG_FAILED = "leg failed"
    DEADLINE = "deadline"


_S = ReferState
_I = ReferInput

_RESULTS: dict[ReferInput, ReferState] = {
    _I.SUCCESS: _S.SUCCEEDED,
    _I.FAILURE: _S.FAILED,
    _I.LEG_FAILED: _S.FAILED,
    _I.DEADLINE: _S.FAILED,
}

REFER: Table[ReferState, ReferInput] = {
    _S.SENT: {
        _I.ACCEPTED: _S.ACCEPTED,
        _I.ACCEPTED_QUIETLY: _S.SUCCEEDED,
        _I.REFUSED: _S.FAILED,
        _I.PROVISIONAL: _S.PROGRESSING,
        _I.OVER: _S.UNRESOLVED,
        _I.PEER_BYE: _S.FAILED,
        **_RESULTS,
    },
    _S.ACCEPTED: {
        _I.PROVISIONAL: _S.PROGRESSING,
        _I.OVER: _S.UNRESOLVED,
        _I.PEER_BYE: _S.SUCCEEDED,
        **_RESULTS,
    },
    _S.PROGRESSING: {
        _I.ACCEPTED: _S.PROGRESSING,
        _I.ACCEPTED_QUIETLY: _S.PROGRESSING,
        _I.REFUSED: _S.FAILED,
        _I.PROVISIONAL: _S.PROGRESSING,
        _I.OVER: _S.UNRESOLVED,
        _I.PEER_BYE: _S.SUCCEEDED,
        **_RESULTS,
    },
    _S.UNRESOLVED: {
        _I.ACCEPTED: _S.UNRESOLVED,
        _I.ACCEPTED_QUIETLY: _S.UNRESOLVED,
        _I.REFUSED: _S.FAILED,
        _I.PROVISIONAL: _S.UNRESOLVED,
        _I.PEER_BYE: _S.SUCCEEDED,
        **_RESULTS,
    },
    _S.SUCCEEDED: {},
    _S.FAILED: {},
}
"""What a state has no row for changes nothing; NOTIFYs that come later are still noted on the receipt."""


class ReferHandoff(AwaitedHandoff[ReferState, ReferInput, Referred]):
    """One REFER. Made when the request has been sent; `at` is aware UTC, `now` monotonic seconds.

    `note` says on the receipt what was not sent. A receipt that has been sent already is gone on with.

    `outcome` is None until it is known. Afterwards `next_deadline` may still be set: the wait for the peer's BYE.
    """

    def __init__(
        self, receipt: RungReceipt, policy: HandoffPolicy, at: datetime, now: float, note: str = ""
    ) -> None:
        super().__init__(REFER, ReferState.SENT, receipt, now + policy.max_wait_s)
        self._policy = policy
        self._give_up_at = now + policy.max_wait_s
        self._rang = False
        if not receipt.has(Step.SENT):
            receipt.add(Step.SENT, at, detail=note)

    def on_response(
        self,
        status: int,
        phrase: str,
        at: datetime,
        now: float,
        *,
        no_subscription: bool = False,
        made_here: bool = False,
    ) -> None:
        """The REFER has its final response. `no_subscription`: a `Refer-Sub: false` (RFC 4488) came with it."""
        evidence = evidence_of(status, phrase)
        if status >= 300:
            if self._moves(ReferInput.REFUSED):
                failure = failure_of(HandoffMethod.REFER, status, made_here=made_here)
                self._fail(failure, at, status=status, evidence=evidence)
            return
        quiet = no_subscription or not self._policy.sends_notify
        if not self._receipt.has(Step.ACCEPTED):
            self._receipt.add(Step.ACCEPTED, at, status=status, evidence=evidence)
        if not self._moves(ReferInput.ACCEPTED_QUIETLY if quiet else ReferInput.ACCEPTED):
            return
        if self.state is ReferState.SUCCEEDED:
            self._succeed(at, now, "accepted, and the peer tells no more than that")
        elif self.state is ReferState.ACCEPTED:
            self._deadline = min(self._give_up_at, now + self._policy.notify_timeout_s)

    def on_notify(
        self, status: int | None, phrase: str, subscription: str | None, body: bytes, at: datetime, now: float
    ) -> None:
        """A NOTIFY came. `status` is that of its sipfrag, `subscription` the Subscription-State's word."""
        headers = [("Subscription-State", subscription)] if subscription else []
        evidence = f"NOTIFY {evidence_of(status, phrase, headers)}" if status is not None else "NOTIFY"
        over = subscription == "terminated"
        if status is not None and status >= 300:
            self._on_failure(status, evidence, at)
        elif status is not None and status >= 200:
            self._on_success(status, evidence, at, now)
        else:
            if status is not None and status >= 180 and not self._receipt.has(Step.RINGING):
                self._receipt.add(Step.RINGING, at, status=status, evidence=evidence)
                self._rang = True
            if not self._moves(ReferInput.OVER if over else ReferInput.PROVISIONAL):
                return
            if self.state is ReferState.PROGRESSING:
                self._deadline = self._give_up_at
            elif over:
                self._deadline = min(self._give_up_at, now + self._policy.bye_wait_s)

    def on_picked_up(self, at: datetime, detail: str) -> None:
        """A provider tells: who was called has answered, and is asked whether they take the call."""
        if self.outcome is None and not self._receipt.has(Step.ANSWERED):
            self._receipt.add(Step.ANSWERED, at, detail=detail)
            self._deadline = self._give_up_at

    def on_accepted(self, at: datetime, detail: str) -> None:
        """A provider tells: they have taken the call. The result follows."""
        if self.outcome is None:
            self._receipt.add(Step.ACCEPTED, at, detail=detail)

    def on_not_accepted(self, at: datetime, detail: str) -> None:
        """A provider tells: they have not taken the call."""
        if self._moves(ReferInput.FAILURE):
            self._fail(HandoffFailure.NOT_ACCEPTED, at, detail=detail)

    def on_peer_bye(self, at: datetime, now: float) -> None:
        """The peer ended our leg."""
        accepted = self.state is not ReferState.SENT
        if self._moves(ReferInput.PEER_BYE):
            if accepted:
                self._succeed(at, now, "the peer ended our leg, as one does that has taken the caller over")
                self.outcome = Referred(bye=ByeTurn.OVER)
            else:
                self._fail(HandoffFailure.CALLER_HUNG_UP, at, caller_gone=True)
        elif isinstance(self.outcome, Referred):
            self.outcome = Referred(bye=ByeTurn.OVER)
        self._deadline = None

    def on_leg_failed(self, at: datetime, now: float) -> None:
        """Our leg broke: nobody can be handed over by it any more."""
        if self._moves(ReferInput.LEG_FAILED):
            self._fail(HandoffFailure.TRANSPORT_FAILED, at, caller_gone=True, detail="the caller's leg broke")
        elif isinstance(self.outcome, Referred):
            self.outcome = Referred(bye=ByeTurn.OVER)
        self._deadline = None

    def give_up(self) -> None:
        """The call was ended from our side meanwhile, and the receipt says so: what is told later is only noted."""
        if self._moves(ReferInput.LEG_FAILED):
            self.outcome = HandoffFailed(failure=HandoffFailure.INTERNAL_ERROR, caller_gone=True)
        self._deadline = None

    def on_deadline(self, at: datetime, now: float) -> None:
        """Time has passed; nothing happens before the deadline."""
        if self._deadline is None or now < self._deadline:
            return
        waited_for = self.state
        self._deadline = None
        if not self._moves(ReferInput.DEADLINE):
            # The peer left it to us to end the leg.
            self.outcome = Referred(bye=ByeTurn.SEND_NOW)
        elif waited_for is ReferState.SENT:
            self._fail(HandoffFailure.NO_RESPONSE, at)
        elif self._receipt.has(Step.ANSWERED):
            self._fail(HandoffFailure.NOT_ACCEPTED, at, detail="picked up, then silence")
        elif waited_for is ReferState.PROGRESSING and self._rang:
            self._fail(HandoffFailure.NO_ANSWER, at, detail="it rang until we gave up")
        elif waited_for is ReferState.UNRESOLVED:
            self._fail(HandoffFailure.NO_NOTIFY, at, detail="the subscription ended without a result")
        else:
            self._fail(HandoffFailure.NO_NOTIFY, at, detail="accepted, then silence")

    def _on_failure(self, status: int, evidence: str, at: datetime) -> None:
        # What the sipfrag tells of is the INVITE that the REFER brought about.
        failure = failure_of(HandoffMethod.INVITE, status)
        if self._moves(ReferInput.FAILURE):
            self._fail(failure, at, status=status, evidence=evidence)
        elif isinstance(self.outcome, Referred) and not self._receipt.has(Step.FAILED):
            detail = "told after our leg had been given up"
            self._receipt.add(
                Step.FAILED, at, status=status, evidence=evidence, failure=failure, detail=detail
            )

    def _on_success(self, status: int, evidence: str, at: datetime, now: float) -> None:
        late = self.outcome is not None
        if not self._receipt.has(Step.ANSWERED):
            detail = "told after the result had been settled" if late else ""
            self._receipt.add(Step.ANSWERED, at, status=status, evidence=evidence, detail=detail)
        if self._moves(ReferInput.SUCCESS):
            self._succeed(at, now, "")

    def _succeed(self, at: datetime, now: float, detail: str) -> None:
        self._receipt.add(Step.DONE, at, detail=detail)
        if self._policy.first_bye is FirstBye.PEER:
            self._deadline = now + self._policy.bye_wait_s
            self.outcome = Referred(bye=ByeTurn.WAIT, until=self._deadline)
        else:
            self._deadline = None
            self.outcome = Referred(bye=ByeTurn.SEND_NOW)
