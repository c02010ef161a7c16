"""A handoff by BYE: our leg ends, and the client's SBC, which still has the caller, takes the call on.

There is nothing that could fail: whatever the peer answers, our leg is over and the caller is the peer's.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tieline.handoff.receipt import RungReceipt
from tieline.model.machine import Machine, Table
from tieline.model.receipt import Step


class ByeState(StrEnum):
    """Where a give-back is."""

    SENT = "sent"
    DONE = "done"


class ByeInput(StrEnum):
    """What can happen to a give-back."""

    ANSWERED = "2xx-6xx or none"
    LEG_OVER = "leg over already"


BYE: Table[ByeState, ByeInput] = {
    ByeState.SENT: {ByeInput.ANSWERED: ByeState.DONE, ByeInput.LEG_OVER: ByeState.DONE},
    ByeState.DONE: {},
}
"""What a state has no row for changes nothing."""


class ByeHandoff(Machine[ByeState, ByeInput]):
    """One give-back. Made when the BYE has been sent; `at` is aware UTC, `note` what was not sent with it."""

    def __init__(self, receipt: RungReceipt, at: datetime, note: str = "") -> None:
        super().__init__(BYE, ByeState.SENT)
        self._receipt = receipt
        receipt.add(Step.SENT, at, detail=note)

    def on_completed(self, status: int, at: datetime) -> None:
        """The BYE has its final response; 408 and 503 may be our own stack's word for none."""
        if not self._moves(ByeInput.ANSWERED):
            return
        if 200 <= status < 300:
            self._receipt.add(Step.ACCEPTED, at, status=status)
            self._receipt.add(Step.DONE, at)
        else:
            self._receipt.add(
                Step.DONE, at, status=status, detail="our leg is over; the BYE was not answered 200"
            )

    def on_leg_over(self, at: datetime) -> None:
        """The leg was over before the BYE was answered, or could be sent: both sides ended it at once."""
        if self._moves(ByeInput.LEG_OVER):
            self._receipt.add(Step.DONE, at, detail="the peer had ended the leg already")
