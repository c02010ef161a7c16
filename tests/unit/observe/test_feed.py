"""Totals into counters."""

from tieline.observe.feed import CounterFeed
from tieline.observe.metrics import Metrics


def test_only_what_was_added_is_counted_and_a_restart_counts_from_zero() -> None:
    metrics = Metrics(process=False)
    feed = CounterFeed(metrics)
    for total in (3, 3, 10):
        feed.take(total, "tieline_sip_dropped_total", "malformed")
    assert metrics.value("tieline_sip_dropped_total", "malformed") == 10
    feed.take(4, "tieline_sip_dropped_total", "malformed")
    assert metrics.value("tieline_sip_dropped_total", "malformed") == 14
    assert metrics.value("tieline_sip_dropped_total", "oversized") == 0
