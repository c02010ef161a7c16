"""What handoffs have in common whose result is waited for: a receipt to fill, a deadline, and how they came out."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from tieline.handoff.policy import HandoffFailed
from tieline.handoff.receipt import RungReceipt
from tieline.model.machine import Given, Machine, State, Table
from tieline.model.receipt import HandoffFailure, Step

Outcome = TypeVar("Outcome")


class AwaitedHandoff(Machine[State, Given], Generic[State, Given, Outcome]):
    """One try to give the caller away. `outcome` is None until it is known.

    `deadline` is in monotonic seconds, `at` always aware UTC.
    """

    def __init__(
        self, table: Table[State, Given], state: State, receipt: RungReceipt, deadline: float
    ) -> None:
        super().__init__(table, state)
        self.outcome: Outcome | HandoffFailed | None = None
        self._receipt = receipt
        self._deadline: float | None = deadline

    def next_deadline(self) -> float | None:
        """When `on_deadline` is to be called, in monotonic seconds; None when nothing is waited for."""
        return self._deadline

    def _fail(
        self,
        failure: HandoffFailure,
        at: datetime,
        *,
        status: int | None = None,
        evidence: str | None = None,
        caller_gone: bool = False,
        detail: str = "",
    ) -> None:
        """It has failed, and nothing is waited for any more."""
        self._deadline = None
        self._receipt.add(Step.FAILED, at, status=status, evidence=evidence, failure=failure, detail=detail)
        self.outcome = HandoffFailed(
            failure=failure, status=status, evidence=evidence, caller_gone=caller_gone
        )
