"""Figures of calls added up for people to look at: shares, averages, and rows by time. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from tieline.model.call import TerminationReason
from tieline.model.record import Record
from tieline.store.figures import DONE, CallFigure, FigureFilter, Figures, hour_of, read_hour, step_of

HANDED_OFF = "handed off"
CONTAINED = "contained"
OTHERWISE = "ended otherwise"
NOT_ANSWERED = "not answered"
OUTCOMES = (CONTAINED, HANDED_OFF, OTHERWISE, NOT_ANSWERED)
"""What calls come to, in the order in which they are drawn."""

CONTAINING = frozenset({TerminationReason.AGENT_HUNG_UP, TerminationReason.CALLER_HUNG_UP})
"""Ends of calls that needed nobody else, unless they were handed off."""


class Period(Record):
    """One hour or day."""

    at: datetime
    calls: int
    outcomes: dict[str, int]
    refused: int
    talk_s: float | None
    answer_s: float | None


class MethodFigure(Record):
    """How the rungs of one method went. `failures` are counted by reason, the most first."""

    method: str
    tried: int
    done: int
    failures: dict[str, int]

    @property
    def share(self) -> float:
        """What part of them worked."""
        return self.done / self.tried if self.tried else 0.0


class Dashboard(Record):
    """Everything that a dashboard shows. Means are None where there was no call to take them of."""

    calls: int
    answered: int
    outcomes: dict[str, int]
    refused: int
    talk_s: float | None
    answer_s: float | None
    periods: tuple[Period, ...]
    projects: dict[str, int]
    reasons: dict[str, int]
    methods: tuple[MethodFigure, ...]
    refusals: dict[str, int]

    @property
    def containment(self) -> float | None:
        """What part of the answered calls needed nobody else; None without any."""
        return self.outcomes[CONTAINED] / self.answered if self.answered else None


def dashboard(figures: Figures, asked: FigureFilter) -> Dashboard:
    """Add the figures up that were asked for; periods without a call are there, too."""
    calls = figures.calls
    refused: Counter[datetime] = Counter()
    refusals: Counter[str] = Counter()
    for refusal in figures.refusals:
        refused[refusal.at] += refusal.calls
        refusals[refusal.reason] += refusal.calls
    by_period: defaultdict[datetime, list[CallFigure]] = defaultdict(list)
    projects: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for one in calls:
        by_period[one.at].append(one)
        projects[one.project] += one.calls
        reasons[one.reason] += one.calls
    return Dashboard(
        calls=sum(one.calls for one in calls),
        answered=sum(one.answered for one in calls),
        outcomes=_outcomes(calls),
        refused=sum(refused.values()),
        talk_s=_talk_s(calls),
        answer_s=_answer_s(calls),
        periods=tuple(_period(at, by_period[at], refused[at]) for at in _steps(asked)),
        projects=dict(projects.most_common()),
        reasons=dict(reasons.most_common()),
        methods=_methods(figures),
        refusals=dict(refusals.most_common()),
    )


def _period(at: datetime, calls: list[CallFigure], refused: int) -> Period:
    return Period(
        at=at,
        calls=sum(one.calls for one in calls),
        outcomes=_outcomes(calls),
        refused=refused,
        talk_s=_talk_s(calls),
        answer_s=_answer_s(calls),
    )


def _steps(asked: FigureFilter) -> list[datetime]:
    first, last = step_of(hour_of(asked.after), asked.step_h), asked.before
    found, hour = [], first
    while read_hour(hour) < last:
        found.append(read_hour(hour))
        hour += asked.step_h
    return found


def _outcomes(calls: tuple[CallFigure, ...] | list[CallFigure]) -> dict[str, int]:
    found = dict.fromkeys(OUTCOMES, 0)
    for one in calls:
        found[NOT_ANSWERED] += one.calls - one.answered
        found[outcome_of(one)] += one.answered
    return found


def outcome_of(figure: CallFigure) -> str:
    """What the answered calls of a row came to."""
    if figure.handed_off:
        return HANDED_OFF
    return CONTAINED if figure.reason in CONTAINING else OTHERWISE


def _talk_s(calls: tuple[CallFigure, ...] | list[CallFigure]) -> float | None:
    answered = sum(one.answered for one in calls)
    return sum(one.talk_s for one in calls) / answered if answered else None


def _answer_s(calls: tuple[CallFigure, ...] | list[CallFigure]) -> float | None:
    answered = sum(one.answered for one in calls)
    return sum(one.answer_ms for one in calls) / answered / 1000 if answered else None


def _methods(figures: Figures) -> tuple[MethodFigure, ...]:
    results: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in figures.handoffs:
        results[one.method][one.result] += one.rungs
    return tuple(
        MethodFigure(
            method=method,
            tried=sum(counts.values()),
            done=counts[DONE],
            failures={reason: count for reason, count in counts.most_common() if reason != DONE},
        )
        for method, counts in sorted(results.items())
    )


def span_of(days: int, now: datetime, project: str | None = None) -> FigureFilter:
    """The last so many days until now: a day by hours, more by days (UTC)."""
    step_h = 1 if days <= 2 else 24
    return FigureFilter(after=now - timedelta(days=days), before=now, step_h=step_h, project=project)
