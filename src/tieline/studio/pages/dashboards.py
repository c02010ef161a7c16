"""Dashboards: how many calls there were, what came of them, and how handoffs went; as charts and as tables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from tieline.admin.call_words import ENDS, REFUSALS, reason_words
from tieline.admin.dashboard import (
    CONTAINED,
    HANDED_OFF,
    NOT_ANSWERED,
    OTHERWISE,
    OUTCOMES,
    Dashboard,
    dashboard,
    span_of,
)
from tieline.studio.frame import Group, View, page
from tieline.studio.parts.cards import card, columns, figure, grid
from tieline.studio.parts.states import empty
from tieline.studio.parts.tables import Column, DataTable
from tieline.studio.parts.times import duration, iso

PATH = "/dashboards"
SPANS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}
COLOURS = {CONTAINED: "#2b8a3e", HANDED_OFF: "#4c6ef5", OTHERWISE: "#e8590c", NOT_ANSWERED: "#adb5bd"}
_INK = "#868e96"


@page(PATH, "Dashboards", icon="insights", group=Group.ANALYZE, order=40)
async def dashboards(view: View, days: str = "1", project: str = "") -> None:
    """Figures of a span of time, of all projects or of one."""
    span = days if days in SPANS else "1"
    names = view.admin.calls.projects(view.who)
    with card():
        _form(span, project, names)
    asked = span_of(int(span), view.services.clock.utc(), project or None)
    # Months are thousands of rows: calls have the loop meanwhile.
    found = await asyncio.to_thread(dashboard, await view.admin.calls.figures(view.who, asked), asked)
    if not found.calls and not found.refused:
        with card():
            empty("insights", "No calls in this time", "Choose a longer one, or another project.")
        return
    _figures(found)
    by_hour = asked.step_h == 1
    with card("Calls by hour" if by_hour else "Calls by day (UTC)"):
        _chart(_calls_chart(found), f"{found.calls} calls, {found.refused} refused")
    with columns():
        with card("What came of them"):
            _bars("Calls", {name: found.outcomes[name] for name in OUTCOMES}, COLOURS)
        with card("Talk and answer times"):
            _chart(_times_chart(found), f"{duration(found.talk_s)} of talk on average")
    with columns():
        with card("How calls ended"):
            titles = {one.value: words.title for one, words in ENDS.items()}
            _bars("Calls", {titles.get(name, name): count for name, count in found.reasons.items()})
        with card("Why calls were refused"):
            titles = {one.value: words.title for one, words in REFUSALS.items()}
            _bars("Refused", {titles.get(name, name): count for name, count in found.refusals.items()})
    with card("Handoffs by method", flush=bool(found.methods)):
        _methods(found)
    with card("The same figures as a table", flush=True):
        _table(found, by_hour=by_hour)
    with card("By project", flush=bool(found.projects)):
        _counted("Project", {names.get(key, key): count for key, count in found.projects.items()})


def _form(span: str, project: str, names: Mapping[str, str]) -> None:
    projects = {"": "All", **names}
    projects.setdefault(project, project)

    def go(**changed: str) -> None:
        told = {"days": span, "project": project} | changed
        ui.navigate.to(f"{PATH}?{urlencode({name: value for name, value in told.items() if value})}")

    with ui.element("div").classes("tl-filters"):
        for name, label, options, value in (
            ("days", "Time", SPANS, span),
            ("project", "Project", projects, project),
        ):
            field = ui.select(
                dict(options),
                label=label,
                value=value,
                on_change=lambda event, name=name: go(**{name: event.value or ""}),
            )
            field.props("outlined dense options-dense")


def _figures(found: Dashboard) -> None:
    containment = found.containment
    tried, done = sum(one.tried for one in found.methods), sum(one.done for one in found.methods)
    with card(), grid(130):
        figure("Calls", f"{found.calls:,}", f"{found.answered:,} answered")
        figure("Contained", "–" if containment is None else f"{100 * containment:.1f} %", "of those answered")
        figure("Handed off", f"{found.outcomes[HANDED_OFF]:,}", f"{done:,} of {tried:,} tries worked")
        figure("Refused", f"{found.refused:,}", "before the answer")
        figure("Talk", duration(found.talk_s), "on average")
        figure("Answer", "–" if found.answer_s is None else f"{1000 * found.answer_s:.0f} ms", "on average")


def _chart(options: dict[str, Any], words: str) -> None:
    chart = ui.echart({"animation": False, **options}).classes("tl-chart")
    chart.props("role=img")
    chart.props["aria-label"] = f"{words}; the table below has the figures"


def _axes(found: Dashboard) -> dict[str, Any]:
    axis = {"axisLabel": {"color": _INK, "hideOverlap": True}}
    return {
        "grid": {"left": 48, "right": 12, "top": 40, "bottom": 28},
        "legend": {"top": 0, "left": 0, "itemHeight": 8, "type": "scroll", "textStyle": {"color": _INK}},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "time", **axis},
        "yAxis": {"type": "value", **axis, "splitLine": {"lineStyle": {"color": "rgba(134,142,150,.2)"}}},
    }


def _calls_chart(found: Dashboard) -> dict[str, Any]:
    series: list[dict[str, Any]] = [
        {"name": name, "type": "bar", "stack": "calls", "itemStyle": {"color": COLOURS[name]}, "barMaxWidth": 26,
         "data": [[iso(one.at), one.outcomes[name]] for one in found.periods]}
        for name in OUTCOMES
    ]  # fmt: skip
    series.append(
        {"name": "refused", "type": "line", "showSymbol": False, "itemStyle": {"color": "#c92a2a"},
         "lineStyle": {"width": 1.5}, "data": [[iso(one.at), one.refused] for one in found.periods]}
    )  # fmt: skip
    axes = _axes(found)
    axes["yAxis"]["minInterval"] = 1
    return {**axes, "series": series}


def _times_chart(found: Dashboard) -> dict[str, Any]:
    def line(name: str, colour: str, values: Sequence[float | None]) -> dict[str, Any]:
        points = [[iso(one.at), value] for one, value in zip(found.periods, values, strict=True)]
        return {
            "name": name, "type": "line", "connectNulls": True, "symbolSize": 4, "itemStyle": {"color": colour},
            "data": points,
        }  # fmt: skip

    talk = [None if one.talk_s is None else round(one.talk_s, 1) for one in found.periods]
    answer = [None if one.answer_s is None else round(one.answer_s, 3) for one in found.periods]
    return {
        **_axes(found),
        "series": [line("talk, s", "#4c6ef5", talk), line("until the answer, s", "#f59f00", answer)],
    }


def _bars(title: str, counts: Mapping[str, int], colours: Mapping[str, str] | None = None) -> None:
    """Counts as bars that are text and boxes, so that everybody can read them."""
    most = max(counts.values(), default=0)
    if not most:
        ui.label("None in this time.").classes("tl-muted")
        return
    whole = sum(counts.values())
    with ui.element("div").classes("tl-bars").props(f'role=list aria-label="{title}"'):
        for name, count in counts.items():
            with ui.element("div").classes("tl-bars-row").props("role=listitem"):
                ui.label(name[:1].upper() + name[1:])
                ui.label(f"{count:,} · {100 * count / whole:.1f} %").classes("tl-mono tl-small")
                with ui.element("div").classes("tl-bars-track"):
                    bar = ui.element("span").style(f"width: {100 * count / most:.2f}%")
                    if colours is not None:
                        bar.style(f"background: {colours[name]}")


def _methods(found: Dashboard) -> None:
    if not found.methods:
        ui.label("No handoff was tried in this time.").classes("tl-muted")
        return
    DataTable(
        [
            Column("method", "Method"),
            Column("tried", "Tried", "number"),
            Column("done", "Worked", "number"),
            Column("share", "Share", "number"),
            Column("failures", "Why not", "chips", sortable=False),
        ],
        [
            {
                "id": one.method,
                "method": one.method.upper(),
                "tried": one.tried,
                "done": one.done,
                "share": f"{100 * one.share:.1f} %",
                "failures": [f"{reason_words(reason)} {count:,}" for reason, count in one.failures.items()],
            }
            for one in found.methods
        ],
        label="Handoffs by method",
    )


def _table(found: Dashboard, *, by_hour: bool) -> None:
    DataTable(
        [
            Column("at", "Hour", "time") if by_hour else Column("at", "Day (UTC)", nowrap=True, sortable=False),
            Column("calls", "Calls", "number"),
            *(Column(name, name[:1].upper() + name[1:], "number") for name in OUTCOMES),
            Column("refused", "Refused", "number"),
            Column("talk", "Talk", "number", sortable=False),
        ],
        [
            {
                "id": iso(one.at), "at": one.at if by_hour else f"{one.at:%d %b %Y}", "calls": one.calls,
                **one.outcomes, "refused": one.refused, "talk": duration(one.talk_s),
            }
            for one in reversed(found.periods)
            if one.calls or one.refused
        ],
        per_page=10,
        label="Calls by time",
    )  # fmt: skip


def _counted(title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        ui.label("None in this time.").classes("tl-muted")
        return
    DataTable(
        [Column("name", title), Column("calls", "Calls", "number")],
        [{"id": name, "name": name, "calls": count} for name, count in counts.items()],
        per_page=10,
        label=title,
    )
