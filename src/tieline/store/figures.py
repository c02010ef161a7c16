"""Figures of calls by the hour, and the store's protocol for them: what dashboards are drawn from.

They are counted as calls end, in the transaction that closes them. They name nobody, and so stay when calls are
deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from tieline.model.conversation import ConversationClosed, ConversationOpened
from tieline.model.handoff import HandoffMethod
from tieline.model.lease import LONG_AGO
from tieline.model.receipt import Receipt, Step
from tieline.model.record import Record

KEPT_FIGURES = timedelta(days=400)
"""How long figures stay at least where calls are deleted after a while."""

DONE = "done"
"""The result of a rung that has worked; of one that has not, it is the reason."""

_HOUR = timedelta(hours=1)


class FigureFilter(Record):
    """What to add up: calls that started from `after` until before `before`, in steps of whole hours.

    None means any. `trunks` confines refusals to those trunks' (None among them: to those that no trunk sent).
    """

    after: datetime
    before: datetime
    step_h: int = 1
    account: str | None = None
    project: str | None = None
    trunks: tuple[str | None, ...] | None = None


class CallFigure(Record):
    """Calls of one step, project and way to end. Sums: `answer_ms` to the answer, `talk_s` from then on."""

    at: datetime
    account: str
    project: str
    reason: str
    handed_off: bool
    calls: int = 0
    answered: int = 0
    talk_s: int = 0
    answer_ms: int = 0


class HandoffFigure(Record):
    """Rungs of handoffs that were tried, by how they went: `done` or the reason of the failure."""

    at: datetime
    account: str
    project: str
    method: str
    result: str
    rungs: int = 0


class RefusalFigure(Record):
    """INVITEs that were refused."""

    at: datetime
    trunk: str | None
    reason: str
    calls: int = 0


class Figures(Record):
    """All that was counted, oldest step first."""

    calls: tuple[CallFigure, ...] = ()
    handoffs: tuple[HandoffFigure, ...] = ()
    refusals: tuple[RefusalFigure, ...] = ()


class FigureStore(Protocol):
    """Figures of calls."""

    async def figures(self, wanted: FigureFilter) -> Figures:
        """What was counted."""
        ...


def hour_of(at: datetime) -> int:
    """The hour of `at`, counted from 1970, UTC."""
    return (at - LONG_AGO) // _HOUR


def read_hour(hour: int) -> datetime:
    """When that hour begins."""
    return LONG_AGO + hour * _HOUR


def step_of(hour: int, step_h: int) -> int:
    """The first hour of the step that an hour is in; steps of a day begin at midnight, UTC."""
    return hour - hour % step_h


def counts_of(opened: ConversationOpened, closed: ConversationClosed) -> tuple[int, int, int, int]:
    """What one call adds: calls, answered, seconds of talk, milliseconds to the answer."""
    if closed.answered_at is None:
        return 1, 0, 0, 0
    talk_s = round((closed.ended_at - closed.answered_at).total_seconds())
    answer_ms = round((closed.answered_at - opened.started_at).total_seconds() * 1000)
    return 1, 1, max(0, talk_s), max(0, answer_ms)


def results_of(receipt: Receipt) -> Iterator[tuple[HandoffMethod, str]]:
    """The method of each rung that was tried and how it went. One that worked and was over too soon has failed."""
    tried: dict[int, tuple[HandoffMethod, str]] = {}
    for step in receipt.steps:
        if step.step is Step.DONE:
            tried[step.rung] = (step.method, DONE)
        elif step.step is Step.FAILED:
            tried[step.rung] = (step.method, step.failure.value if step.failure is not None else "unknown")
    yield from tried.values()
