"""The fall-back ladder: what is tried next when a handoff has failed.

A rung changes the method, the destination, or both. Another destination brings its own method, route and configured
headers, but not its own ladder, so nothing goes in circles; headers given in code go along, a route given in code
does not. Rungs that cannot be used on the call's trunk are skipped, with the reason on the receipt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.plan import PLAIN_DIALECT, find_destination, plan_handoff
from tieline.handoff.policy import HandoffFailed
from tieline.handoff.receipt import ReceiptBuilder, RungReceipt
from tieline.model.handoff import Destination, HandoffMethod, HandoffPlan, HandoffRequest, Rung
from tieline.model.profile import Dialect
from tieline.model.receipt import HandoffFailure, Step


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung to be tried: its place in the ladder (0 is the request itself), its plan, and where its steps go.

    From the second attempt on, the plan's `utterance` is what the caller is told between two rungs, if anything.
    """

    index: int
    plan: HandoffPlan
    receipt: RungReceipt


class Ladder:
    """The attempts of one handoff request, in order; ask for the `next` one when the one before has failed.

    Making it plans the request itself and raises `UnplannableHandoff`; nothing later does.
    """

    def __init__(
        self,
        request: HandoffRequest,
        destinations: Sequence[Destination],
        variables: Mapping[str, object],
        dialect: Dialect = PLAIN_DIALECT,
        outbound: Mapping[str, Dialect] | None = None,
    ) -> None:
        self.receipt = ReceiptBuilder()
        self._request = request
        self._destinations = destinations
        self._variables = variables
        self._dialect = dialect
        self._outbound = outbound
        self.plan = plan_handoff(request, destinations, variables, dialect, outbound)
        """The plan of the request itself."""
        self._rungs = list(enumerate(self.plan.ladder, start=1))
        self._tried: set[tuple[HandoffMethod, str | None]] = set()
        self._begun = False
        own = find_destination(self.plan.destination, destinations) if self.plan.destination else None
        self._between = own.between if own is not None else None

    def next(self, at: datetime, failed: HandoffFailed | None = None) -> Attempt | None:
        """The next attempt, None when there is none left; `failed` is what became of the one before.

        At the end the receipt is closed as failed. Nothing is tried for a caller who is gone.
        """
        if failed is not None and (failed.caller_gone or failed.failure is HandoffFailure.CALLER_HUNG_UP):
            self._rungs.clear()
        elif not self._begun:
            self._begun = True
            attempt = self._offer(0, self.plan, at)
            if attempt is not None:
                return attempt
        while self._rungs:
            index, rung = self._rungs.pop(0)
            attempt = self._climb(index, rung, at)
            if attempt is not None:
                return attempt
        self.receipt.give_up()
        return None

    def _climb(self, index: int, rung: Rung, at: datetime) -> Attempt | None:
        request = self._request_of(rung)
        try:
            plan = plan_handoff(request, self._destinations, self._variables, self._dialect, self._outbound)
        except UnplannableHandoff as error:
            method = rung.method or self.plan.method
            name = rung.destination or self.plan.destination
            self._skip(self.receipt.rung(index, method, name), at, HandoffFailure.MISCONFIGURED, str(error))
            return None
        plan = msgspec.structs.replace(plan, ladder=tuple(rung for _, rung in self._rungs))
        return self._offer(index, plan, at)

    def _request_of(self, rung: Rung) -> HandoffRequest:
        """The request that a rung stands for."""
        if rung.destination is not None and not self._is_own(rung.destination):
            return HandoffRequest(
                destination=rung.destination,
                method=rung.method,
                reason=self._request.reason,
                utterance=self._between,
                sip_headers=self._request.sip_headers,
            )
        return msgspec.structs.replace(
            self._request,
            destination=self.plan.destination,
            # Without any destination the method alone says what is meant.
            method=rung.method or (self.plan.method if self.plan.destination is None else None),
            utterance=self._between,
        )

    def _is_own(self, name: str) -> bool:
        found = find_destination(name, self._destinations)
        return found is not None and found.name == self.plan.destination

    def _offer(self, index: int, plan: HandoffPlan, at: datetime) -> Attempt | None:
        """The plan as an attempt, unless it cannot be used here."""
        receipt = self.receipt.rung(index, plan.method, plan.destination)
        key = (plan.method, plan.destination)
        if key in self._tried:
            self._skip(receipt, at, HandoffFailure.MISCONFIGURED, "this was tried already")
            return None
        if plan.method is HandoffMethod.REFER and not self._dialect.profile.refer.supported:
            detail = f"the profile {self._dialect.profile.name} takes no REFER"
            self._skip(receipt, at, HandoffFailure.NOT_SUPPORTED, detail)
            return None
        self._tried.add(key)
        return Attempt(index=index, plan=plan, receipt=receipt)

    @staticmethod
    def _skip(receipt: RungReceipt, at: datetime, failure: HandoffFailure, detail: str) -> None:
        receipt.add(Step.SKIPPED, at, failure=failure, detail=detail)
