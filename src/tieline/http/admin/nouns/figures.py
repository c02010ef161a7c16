"""Calls, outcomes, handoffs and refusals, added up: what dashboards are drawn from."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated

from msgspec import Meta

from tieline.admin.calls import FigureFilter
from tieline.admin.dashboard import Dashboard, dashboard
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Moment, Shape
from tieline.store.figures import KEPT_FIGURES

figures = Noun("look")

MOST_STEPS = 1000
"""Steps of a dashboard."""


class FiguresQuery(Shape):
    """What to add up: calls that started from `after` until before `before`, in steps of so many hours."""

    after: Moment
    before: Moment
    step_h: Annotated[int, Meta(ge=1, le=744)] = 24
    project: str | None = None


@figures.get("/figures")
async def get_figures(call: Call, query: FiguresQuery) -> Dashboard:
    """Calls, outcomes, handoffs and refusals of some time, added up."""
    span = query.before - query.after
    if not timedelta() < span <= KEPT_FIGURES:
        raise InvalidFields((FieldFault("before", f"must be within {KEPT_FIGURES.days} days after `after`"),))
    if span / timedelta(hours=query.step_h) > MOST_STEPS:
        raise InvalidFields((FieldFault("step_h", f"would make more than {MOST_STEPS} steps"),))
    wanted = FigureFilter(
        after=query.after.astimezone(UTC), before=query.before.astimezone(UTC), step_h=query.step_h,
        project=_project(call, query.project),
    )  # fmt: skip
    return dashboard(await call.admin.calls.figures(call.who, wanted), wanted)


def _project(call: Call, slug: str | None) -> str | None:
    """A project's id by its slug."""
    if slug is None:
        return None
    found = {name: one for one, name in call.admin.calls.projects(call.who).items()}.get(slug)
    if found is None:
        raise InvalidFields((FieldFault("project", f"there is no project {slug}"),))
    return found
