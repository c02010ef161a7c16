"""Figures, added up."""

from __future__ import annotations

from typing import Any

import pytest

from tieline.admin.dashboard import CONTAINED, HANDED_OFF, NOT_ANSWERED, OTHERWISE, dashboard, span_of
from tieline.store.figures import CallFigure, FigureFilter, Figures, HandoffFigure, RefusalFigure
from tieline.testing.store_samples import T0, after

HOUR_S = 3600.0


def calls(at: float, reason: str, **counts: Any) -> CallFigure:
    known: dict[str, Any] = {
        "at": after(at * HOUR_S),
        "account": "a",
        "project": "x",
        "reason": reason,
        "handed_off": False,
    }
    return CallFigure(**(known | counts))


def asked(hours: float = 3) -> FigureFilter:
    return FigureFilter(after=T0, before=after(hours * HOUR_S))


def test_calls_are_told_by_what_came_of_them() -> None:
    found = dashboard(
        Figures(
            calls=(
                calls(0, "agent_hung_up", calls=4, answered=4, talk_s=80, answer_ms=2000),
                calls(0, "handed_off", calls=2, answered=2, talk_s=20, answer_ms=400, handed_off=True),
                calls(2, "no_media", calls=1, answered=1, talk_s=5, answer_ms=100, project="y"),
                calls(2, "caller_cancelled", calls=3),
            ),
            refusals=(
                RefusalFigure(at=after(2 * HOUR_S), trunk=None, reason="no_route", calls=5),
                RefusalFigure(at=after(2 * HOUR_S), trunk="t", reason="no_route", calls=2),
            ),
        ),
        asked(),
    )
    assert (found.calls, found.answered, found.refused) == (10, 7, 7)
    assert found.outcomes == {CONTAINED: 4, HANDED_OFF: 2, OTHERWISE: 1, NOT_ANSWERED: 3}
    assert found.containment == pytest.approx(4 / 7)
    assert found.talk_s == pytest.approx(15.0)
    assert found.answer_s == pytest.approx(2.5 / 7)
    assert [(one.at, one.calls, one.refused) for one in found.periods] == [
        (T0, 6, 0), (after(HOUR_S), 0, 0), (after(2 * HOUR_S), 4, 7),
    ]  # fmt: skip
    assert found.periods[1].talk_s is None
    assert found.projects == {"x": 9, "y": 1}
    assert list(found.reasons) == ["agent_hung_up", "caller_cancelled", "handed_off", "no_media"]
    assert found.refusals == {"no_route": 7}


def test_handoffs_are_told_by_method() -> None:
    rungs: dict[str, Any] = {"at": T0, "account": "a", "project": "x"}
    found = dashboard(
        Figures(
            handoffs=(
                HandoffFigure(method="refer", result="done", rungs=3, **rungs),
                HandoffFigure(method="refer", result="busy", rungs=1, **rungs),
                HandoffFigure(method="bye", result="no_response", rungs=2, **rungs),
            )
        ),
        asked(),
    )
    bye, refer = found.methods
    assert (refer.tried, refer.done, refer.share, refer.failures) == (4, 3, 0.75, {"busy": 1})
    assert (bye.method, bye.done, bye.share) == ("bye", 0, 0.0)


def test_nothing_is_told_of_nothing() -> None:
    found = dashboard(Figures(), asked())
    assert (found.calls, found.containment, found.talk_s, found.methods) == (0, None, None, ())
    assert len(found.periods) == 3


def test_a_day_is_told_by_hours_and_more_by_days() -> None:
    assert span_of(1, T0).step_h == 1
    week = span_of(7, T0, "x")
    assert (week.step_h, week.project, week.before) == (24, "x", T0)
    assert len(dashboard(Figures(), week).periods) == 8
