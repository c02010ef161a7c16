from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tieline.model.call import TerminationReason
from tieline.observe.metrics import METRICS, MetricKind, Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(process=False)


def test_everything_is_exposed_from_the_start(metrics: Metrics) -> None:
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    assert families.keys() == {row.name.removesuffix("_total") for row in METRICS}
    for row in METRICS:
        family = families[row.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (row.kind, row.help)
        shown = {name: {sample.labels[name] for sample in family.samples} for name in row.labels}
        assert shown == {name: {str(value) for value in values} for name, values in row.labels.items()}


def test_names_follow_the_rules() -> None:
    assert len({row.name for row in METRICS}) == len(METRICS)
    for row in METRICS:
        assert row.name.startswith("tieline_")
        assert row.name.endswith("_total") == (row.kind is MetricKind.COUNTER)
        assert bool(row.buckets) == (row.kind is MetricKind.HISTOGRAM)
        assert list(row.buckets) == sorted(row.buckets)


def test_counting(metrics: Metrics) -> None:
    metrics.inc("tieline_reservations_total", "made")
    metrics.inc("tieline_reservations_total", "made", by=2)
    metrics.set("tieline_calls_active", 7)
    assert metrics.value("tieline_reservations_total", "made") == 3
    assert metrics.value("tieline_calls_active") == 7


def test_a_histogram_is_cumulative_with_inclusive_bounds(metrics: Metrics) -> None:
    for value in (0.0005, 0.0006, 0.02, 99.0):
        metrics.observe("tieline_reserve_seconds", value)
    text = metrics.render().decode()
    assert 'tieline_reserve_seconds_bucket{le="0.0005"} 1.0' in text
    assert 'tieline_reserve_seconds_bucket{le="0.001"} 2.0' in text
    assert 'tieline_reserve_seconds_bucket{le="0.02"} 3.0' in text
    assert 'tieline_reserve_seconds_bucket{le="+Inf"} 4.0' in text
    assert "tieline_reserve_seconds_sum 99.0211" in text


def test_a_value_outside_the_table_is_a_defect(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.inc("tieline_reservations_total", "mislaid")
    with pytest.raises(KeyError):
        metrics.set("tieline_nothing", 1)
    with pytest.raises(KeyError):
        metrics.observe("tieline_nothing", 1)


def test_an_unusual_status_counts_as_other(metrics: Metrics) -> None:
    for _ in range(2):
        metrics.count_request("reserve", 418)
    assert metrics.value("tieline_http_requests_total", "reserve", "other") == 2


def test_an_end_counts_by_reason_and_by_fault(metrics: Metrics) -> None:
    metrics.count_end(TerminationReason.NO_MEDIA)
    assert metrics.value("tieline_calls_ended_total", "no_media") == 1
    assert metrics.value("tieline_calls_ended_by_fault_total", "trunk") == 1


def test_the_process_is_shown_too() -> None:
    assert b"process_resident_memory_bytes" in Metrics().render()
