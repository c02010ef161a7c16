"""A pool's last hour as a chart: numbers by state, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from nicegui import ui

from tieline.admin.pool_pace import PoolSample
from tieline.admin.pools import PoolView
from tieline.model.pool import NumberState
from tieline.studio.parts.times import iso

HOUR = timedelta(hours=1)

LINES = (
    ("Reserved", (NumberState.RESERVED,), "#4c6ef5"),
    ("In set-up", (NumberState.BOUND,), "#15aabf"),
    ("Cooling", (NumberState.COOLING, NumberState.QUARANTINE), "#f59f00"),
)
"""What is drawn: name, states that are added up, colour."""


class HourChart:
    """Keeps the chart up to date; a line below it says the same in words."""

    def __init__(self, there: PoolView) -> None:
        self._limit = there.stats.numbers
        self._chart = ui.echart(_options(self._limit)).classes("w-full").style("height: 240px")
        self._chart.props('role=img aria-label="Numbers in use over the last hour"')
        self._words = ui.label("A sample is taken every ten seconds.").classes("tl-muted tl-small")

    def show(self, samples: Sequence[PoolSample]) -> None:
        """Draw these samples."""
        if not samples:
            return
        for series, (_, states, _) in zip(self._chart.options["series"], LINES, strict=True):
            series["data"] = [
                [iso(one.at), sum(one.stats.by_state.get(state, 0) for state in states)] for one in samples
            ]
        busiest = max(_busy(one) for one in samples)
        refused = samples[-1].stats.refused_total - samples[0].stats.refused_total
        self._words.text = f"At most {busiest} of {self._limit} numbers in use; {refused:,} requests refused."
        self._chart.options["xAxis"] |= {"min": iso(samples[-1].at - HOUR), "max": iso(samples[-1].at)}
        self._chart.update()


def _busy(sample: PoolSample) -> int:
    return sum(sample.stats.by_state.get(state, 0) for _, states, _ in LINES for state in states)


def _options(limit: int) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 40, "right": 12, "top": 32, "bottom": 28},
        "legend": {"top": 0, "left": 0, "itemHeight": 8, "textStyle": {"color": "#868e96"}},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "time", "axisLabel": {"color": "#868e96", "hideOverlap": True}},
        "yAxis": {
            "type": "value", "minInterval": 1, "axisLabel": {"color": "#868e96"},
            "splitLine": {"lineStyle": {"color": "rgba(134,142,150,.2)"}},
            "max": limit or None,
        },
        "series": [
            {"name": name, "type": "line", "stack": "use", "areaStyle": {"opacity": 0.35}, "showSymbol": False,
             "lineStyle": {"width": 1}, "itemStyle": {"color": colour}, "data": []}
            for name, _, colour in LINES
        ],
    }  # fmt: skip
