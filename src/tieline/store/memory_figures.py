"""Figures by the hour in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from tieline.model.conversation import ConversationClosed, ConversationOpened, RefusedCall
from tieline.model.receipt import Receipt
from tieline.store.figures import (
    KEPT_FIGURES,
    CallFigure,
    FigureFilter,
    Figures,
    HandoffFigure,
    RefusalFigure,
    counts_of,
    hour_of,
    read_hour,
    results_of,
    step_of,
)

_Calls = tuple[int, str, str, str, bool]
"""Hour, account, project, reason, whether handed off."""


class MemoryFigures:
    """The `FigureStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._call_figures: defaultdict[_Calls, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._handoff_figures: Counter[tuple[int, str, str, str, str]] = Counter()
        self._refusal_figures: Counter[tuple[int, str, str]] = Counter()

    async def figures(self, wanted: FigureFilter) -> Figures:
        """What was counted in the hours from `after` until before `before`."""

        def within(hour: int) -> bool:
            return hour_of(wanted.after) <= hour and read_hour(hour) < wanted.before

        def theirs(account: str, project: str) -> bool:
            return wanted.account in {None, account} and wanted.project in {None, project}

        calls: defaultdict[_Calls, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for (hour, account, project, reason, handed_off), counts in self._call_figures.items():
            if within(hour) and theirs(account, project):
                total = calls[step_of(hour, wanted.step_h), account, project, reason, handed_off]
                total[:] = [a + b for a, b in zip(total, counts, strict=True)]
        handoffs: Counter[tuple[int, str, str, str, str]] = Counter()
        for (hour, account, project, method, result), rungs in self._handoff_figures.items():
            if within(hour) and theirs(account, project):
                handoffs[step_of(hour, wanted.step_h), account, project, method, result] += rungs
        refusals: Counter[tuple[int, str, str]] = Counter()
        for (hour, trunk, reason), count in self._refusal_figures.items():
            if within(hour) and (wanted.trunks is None or (trunk or None) in wanted.trunks):
                refusals[step_of(hour, wanted.step_h), trunk, reason] += count
        return Figures(
            calls=tuple(_call_figure(key, calls[key]) for key in sorted(calls)),
            handoffs=tuple(
                HandoffFigure(
                    at=read_hour(hour), account=account, project=project, method=method, result=result, rungs=rungs
                )
                for (hour, account, project, method, result), rungs in sorted(handoffs.items())
            ),
            refusals=tuple(
                RefusalFigure(at=read_hour(hour), trunk=trunk or None, reason=reason, calls=count)
                for (hour, trunk, reason), count in sorted(refusals.items())
            ),
        )  # fmt: skip

    def _count_call(
        self, opened: ConversationOpened, closed: ConversationClosed, *, handed_off: bool
    ) -> None:
        reason = closed.termination.reason.value
        key = (hour_of(opened.started_at), opened.account, opened.project, reason, handed_off)
        counts = self._call_figures[key]
        counts[:] = [a + b for a, b in zip(counts, counts_of(opened, closed), strict=True)]

    def _count_handoff(self, opened: ConversationOpened, receipt: Receipt) -> None:
        key = (hour_of(opened.started_at), opened.account, opened.project)
        for method, result in results_of(receipt):
            self._handoff_figures[(*key, method.value, result)] += 1

    def _count_refusal(self, refused: RefusedCall) -> None:
        reason = refused.refusal.reason.value
        self._refusal_figures[hour_of(refused.at), refused.trunk or "", reason] += refused.count

    def _forget_figures(self, before: datetime) -> None:
        """Delete figures that are older than `before`, and than they are kept at least."""
        first = hour_of(before - KEPT_FIGURES)
        for call in [key for key in self._call_figures if key[0] < first]:
            del self._call_figures[call]
        for handoff in [key for key in self._handoff_figures if key[0] < first]:
            del self._handoff_figures[handoff]
        for refusal in [key for key in self._refusal_figures if key[0] < first]:
            del self._refusal_figures[refusal]


def _call_figure(key: _Calls, counts: list[int]) -> CallFigure:
    hour, account, project, reason, handed_off = key
    calls, answered, talk_s, answer_ms = counts
    return CallFigure(
        at=read_hour(hour),
        account=account,
        project=project,
        reason=reason,
        handed_off=handed_off,
        calls=calls,
        answered=answered,
        talk_s=talk_s,
        answer_ms=answer_ms,
    )
