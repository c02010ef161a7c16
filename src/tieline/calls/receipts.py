"""Keeping the receipt of one handoff: each step is logged, told to the observer and stored as it becomes known."""

from __future__ import annotations

from datetime import datetime

from tieline.calls.call import Call
from tieline.handoff.ladder import Attempt, Ladder
from tieline.handoff.policy import HandoffFailed
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, Step

SETTLED = frozenset({Step.ANSWERED, Step.DONE})
"""Steps that say that a rung has worked."""


class ReceiptKeeper:
    """The receipt of the call's handoff number `index`, as its ladder writes it."""

    def __init__(self, call: Call, index: int, ladder: Ladder) -> None:
        self._call = call
        self._index = index
        self._builder = ladder.receipt

    @property
    def receipt(self) -> Receipt:
        """The receipt as it stands."""
        return self._builder.receipt()

    def begin(self, ladder: Ladder, asked_at: datetime, *, spoken: bool) -> None:
        """The agent asked for the handoff, and what there was to say has been said."""
        rung = self._builder.rung(0, ladder.plan.method, ladder.plan.destination)
        rung.add(Step.REQUESTED, asked_at, detail=ladder.plan.reason or "")
        if spoken:
            rung.add(Step.SPOKEN, self._call.services.clock.utc())
        self.tell()

    def tell(self) -> None:
        """Pass on what is new; nothing where nothing is."""
        steps = self._builder.new_steps()
        for step in steps:
            self._call.services.observer.handoff_step(self._call.id, step)
            if step.step is Step.FAILED and self._had_worked(step.rung):
                self.die_young(step.method)
            known = {
                "destination": step.destination,
                "status": step.status,
                "reason": step.failure.value if step.failure is not None else None,
            }
            self._call.log.info(
                "= handoff",
                step=step.step.value,
                rung=step.rung,
                method=step.method.value,
                **{name: value for name, value in known.items() if value is not None},
            )
        if steps:
            self._call.writes.save_receipt(self._index, self.receipt)

    def settle(self, attempt: Attempt, failed: HandoffFailed | None) -> None:
        """The rung has worked, or failed."""
        seconds = self._seconds(attempt)
        failure = failed.failure if failed is not None else None
        self._call.services.observer.handoff_tried(attempt.plan.method, failure, seconds)
        self.tell()

    def die_young(self, method: HandoffMethod) -> None:
        """What had worked was over too soon."""
        self._call.services.observer.handoff_died_young(method)
        self._call.log.warning("= handoff died young", method=method.value)

    def abandon(self, attempt: Attempt | None, failure: HandoffFailure, detail: str) -> bool:
        """The call ends in the middle of it; whether the handoff has failed by that."""
        if self.receipt.state is ReceiptState.UNDER_WAY:
            if attempt is not None and not attempt.receipt.has(Step.FAILED):
                attempt.receipt.add(
                    Step.FAILED, self._call.services.clock.utc(), failure=failure, detail=detail
                )
                self._call.services.observer.handoff_tried(
                    attempt.plan.method, failure, self._seconds(attempt)
                )
            self._builder.give_up()
            self.tell()
            self._call.writes.save_receipt(self._index, self.receipt)
        return self.receipt.state is ReceiptState.FAILED

    def _had_worked(self, rung: int) -> bool:
        return any(step.step is Step.DONE and step.rung == rung for step in self.receipt.steps)

    def store(self) -> None:
        """Store the receipt though no step was added: its state has changed."""
        self._call.writes.save_receipt(self._index, self.receipt)

    def _seconds(self, attempt: Attempt) -> float:
        """From the first message of the rung to the step that settled it."""
        steps = [step for step in self.receipt.steps if step.rung == attempt.index]
        sent = next((step.at for step in steps if step.step is Step.SENT), None)
        end = next((step.at for step in steps if step.step in SETTLED), self._call.services.clock.utc())
        return max(0.0, (end - sent).total_seconds()) if sent is not None else 0.0
