"""Every metric of the table is written somewhere: a metric that never moves misleads."""

import re
from pathlib import Path

import tieline
from tieline.observe.metrics import METRICS

SOURCES = Path(tieline.__file__).parent


def test_every_metric_is_written_by_some_module() -> None:
    text = "\n".join(
        path.read_text()
        for path in SOURCES.rglob("*.py")
        if path.name != "metrics.py" or path.parent.name != "observe"
    )
    written = set(re.findall(r"tieline_[a-z_]+", text))
    # Written by methods of the metrics themselves, or under a name that is put together.
    written |= {
        "tieline_http_requests_total",
        "tieline_calls_ended_total",
        "tieline_calls_ended_by_fault_total",
    }
    written |= {"tieline_sip_dropped_total", "tieline_sip_refused_total"}
    assert sorted({metric.name for metric in METRICS} - written) == []
