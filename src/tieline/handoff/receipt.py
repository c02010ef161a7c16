"""Collects the receipt of one handoff request, step by step, over all rungs of its ladder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tieline.handoff.failures import RETRY_OF
from tieline.model.handoff import HandoffMethod, HandoffPlan
from tieline.model.receipt import HandoffFailure, Receipt, ReceiptState, ReceiptStep, Step

MAX_EVIDENCE = 200
"""Longest evidence and detail in characters."""

MAX_STEPS = 100
"""Most steps of a receipt: a peer that never stops telling must not fill the store."""

EVIDENCE_HEADERS = ("reason", "warning", "retry-after", "subscription-state")
"""Headers that may be kept as evidence, in lower case: none of them names a person or holds a secret."""

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]+")
_PERSONAL = re.compile(r"(?:sips?|tel):[^\s>;,\"]+|\+?[0-9]{6,}|[^\s@<>\":;,]+@[^\s@<>\":;,]+", re.IGNORECASE)


def clean(text: str) -> str:
    """Text of a peer's as evidence: one printable line of at most 200 characters, URIs and numbers masked."""
    line = " ".join(_UNPRINTABLE.sub(" ", text[: 4 * MAX_EVIDENCE]).split())
    return _PERSONAL.sub("***", line)[:MAX_EVIDENCE]


def evidence_of(status: int, phrase: str, headers: Iterable[tuple[str, str]] = ()) -> str:
    """A response as evidence: its status, its phrase, and those of its headers that may be kept."""
    parts = [f"{status} {phrase}".strip()]
    parts += [f"{name}: {value}" for name, value in headers if name.casefold() in EVIDENCE_HEADERS]
    return clean("; ".join(parts))


class RungReceipt:
    """Where one rung's steps go. What a machine is given to write to."""

    def __init__(
        self, builder: ReceiptBuilder, index: int, method: HandoffMethod, destination: str | None
    ) -> None:
        self._builder = builder
        self._index = index
        self._method = method
        self._destination = destination

    def add(
        self,
        step: Step,
        at: datetime,
        *,
        status: int | None = None,
        evidence: str | None = None,
        failure: HandoffFailure | None = None,
        detail: str = "",
    ) -> None:
        """Note a step. A failure brings its retry advice along; evidence is cleaned."""
        self._builder.add(
            ReceiptStep(
                step=step,
                at=at,
                rung=self._index,
                method=self._method,
                destination=self._destination,
                status=status,
                evidence=clean(evidence) if evidence else None,
                failure=failure,
                retry=RETRY_OF[failure] if failure is not None else None,
                detail=detail[:MAX_EVIDENCE],
            )
        )

    def has(self, step: Step) -> bool:
        """Whether this rung has such a step already."""
        return any(each.step is step and each.rung == self._index for each in self._builder.receipt().steps)


class ReceiptBuilder:
    """The receipt of one handoff request while it grows, from nothing or from `receipt`.

    A `done` step makes it done. A `failed` one concerns its rung only, until `give_up` says that no rung is left; but
    one that comes after `done` (a NOTIFY after the BYE) tells that it failed after all.
    """

    def __init__(self, receipt: Receipt | None = None) -> None:
        self._receipt = receipt or Receipt()
        self._told = len(self._receipt.steps)

    def rung(self, index: int, method: HandoffMethod, destination: str | None) -> RungReceipt:
        """Where the steps of the ladder's rung `index` go; 0 is the destination's own method."""
        return RungReceipt(self, index, method, destination)

    def add(self, step: ReceiptStep) -> None:
        """Append a step; those beyond the hundredth are dropped."""
        state, steps = self._receipt.state, self._receipt.steps
        if step.step is Step.DONE:
            state = ReceiptState.DONE
        elif step.step is Step.FAILED and state is ReceiptState.DONE:
            state = ReceiptState.FAILED
        if len(steps) < MAX_STEPS:
            steps = (*steps, step)
        self._receipt = Receipt(state=state, steps=steps)

    def give_up(self) -> None:
        """No rung is left, or the caller is gone: the whole handoff failed."""
        self._receipt = Receipt(state=ReceiptState.FAILED, steps=self._receipt.steps)

    def receipt(self) -> Receipt:
        """The receipt as it stands."""
        return self._receipt

    def new_steps(self) -> tuple[ReceiptStep, ...]:
        """The steps added since this was last asked, for events and logs."""
        found = self._receipt.steps[self._told :]
        self._told = len(self._receipt.steps)
        return found


def as_result(receipt: Receipt, plan: HandoffPlan | None) -> dict[str, Any]:
    """A handoff as `conv.handoff_result` shows it.

    Keys: `destination`, `method`, `state`, `reason`, `retry`, `status`, `detail`. They tell of the last step that
    failed or was skipped when the handoff failed, of the last step when it did not, and of `plan` when there is none.
    """
    failed = receipt.state is ReceiptState.FAILED
    steps = [each for each in receipt.steps if each.failure is not None] if failed else list(receipt.steps)
    last = steps[-1] if steps else None
    planned = (plan.destination, plan.method.value) if plan is not None else (None, None)
    return {
        "destination": last.destination if last is not None else planned[0],
        "method": last.method.value if last is not None else planned[1],
        "state": receipt.state.value,
        "reason": last.failure.value if last is not None and last.failure is not None else None,
        "retry": last.retry.value if last is not None and last.retry is not None else None,
        "status": last.status if last is not None else None,
        "detail": (last.detail or last.evidence or "") if last is not None else "",
    }
