"""Metrics: one table with closed label sets, exposed in the Prometheus text format.

`METRICS` is what the code, the reference page and the tests read. Every combination of label values is made when
`Metrics` is made, so counting on a hot path is one dictionary look-up and one addition, and a value outside the
table is a defect that shows at once instead of a new time series.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.exposition import generate_latest

from tieline.model.call import FAULT_OF, Fault, TerminationReason
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure
from tieline.model.record import Record
from tieline.model.reservation import BindVerdict
from tieline.model.trunk import RefusalReason
from tieline.model.webhook import EventType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FAST_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
CALL_BUCKETS = (1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class MetricKind(StrEnum):
    """The Prometheus types that we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(Record):
    """One row: `labels` maps each label to all the values it can have."""

    name: str
    kind: MetricKind
    help: str
    labels: Mapping[str, Sequence[str]] = {}
    buckets: tuple[float, ...] = ()


HTTP_ROUTES = (
    "reserve", "reservation", "pool_stats", "handoff_state", "handoff", "conversations", "health", "metrics", "admin",
    "other",
)  # fmt: skip
TRUNK_STATES = ("unknown", "up", "down")
"""What `tieline.calls.trunk_watch.TrunkState` says; this package may not import it."""

WEBHOOK_RESULTS = ("delivered", "answered", "timed_out", "unreachable", "refused")
"""What `tieline.webhooks.posting.PostResult` says; this package may not import it."""

HTTP_STATUSES = (
    "200", "400", "401", "403", "404", "405", "409", "413", "415", "422", "429", "500", "503", "other",
)  # fmt: skip

_COUNTER, _GAUGE, _HISTOGRAM = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM

METRICS: tuple[Metric, ...] = (
    Metric(
        name="tieline_http_requests_total", kind=_COUNTER, help="HTTP requests answered.",
        labels={"route": HTTP_ROUTES, "status": HTTP_STATUSES},
    ),
    Metric(
        name="tieline_reserve_seconds", kind=_HISTOGRAM, buckets=FAST_BUCKETS,
        help="Time to reserve a DNI, from the parsed request to the durable commit.",
    ),
    Metric(
        name="tieline_reservations_total", kind=_COUNTER, help="Requests for a DNI by what became of them.",
        labels={"result": ("made", "replayed", "exhausted", "refused", "failed")},
    ),
    Metric(
        name="tieline_binds_total", kind=_COUNTER, help="Calls to pool numbers by what they found there.",
        labels={"verdict": tuple(BindVerdict)},
    ),
    Metric(
        name="tieline_handoff_lookups_total", kind=_COUNTER, help="Get Handoff requests by the case answered.",
        labels={"status": tuple(OutcomeStatus)},
    ),
    Metric(
        name="tieline_event_loop_lag_seconds", kind=_GAUGE,
        help="How late the server's event loop runs, lately; above server.max_lag_ms new calls get 503.",
    ),
    Metric(
        name="tieline_trunks", kind=_GAUGE, help="Trunks that are pinged or registered at, by what is known of them.",
        labels={"state": TRUNK_STATES},
    ),
    Metric(
        name="tieline_trunk_changes_total", kind=_COUNTER, help="Changes of a watched trunk's state, by the new one.",
        labels={"state": TRUNK_STATES},
    ),
    Metric(
        name="tieline_sms_sent_total", kind=_COUNTER, help="Text messages handed to the provider, by what it said.",
        labels={"result": ("accepted", "not_taken", "rejected", "lost")},
    ),
    Metric(
        name="tieline_sms_webhooks_total", kind=_COUNTER, help="Webhooks of text messages, by what became of them.",
        labels={"webhook": ("inbound", "status"), "result": ("taken", "refused", "failed")},
    ),
    Metric(
        name="tieline_sms_received_total", kind=_COUNTER, help="Text messages that came in, by what they ask for.",
        labels={"kind": ("message", "stop", "start", "help")},
    ),
    Metric(name="tieline_calls_active", kind=_GAUGE, help="Calls up at this moment."),
    Metric(name="tieline_calls_offered_total", kind=_COUNTER, help="INVITEs that asked for a new call."),
    Metric(name="tieline_calls_answered_total", kind=_COUNTER, help="Calls answered with 200."),
    Metric(
        name="tieline_calls_refused_total", kind=_COUNTER, help="INVITEs refused, by reason.",
        labels={"reason": tuple(RefusalReason)},
    ),
    Metric(
        name="tieline_calls_ended_total", kind=_COUNTER, help="Calls ended, by reason (docs: terminations).",
        labels={"reason": tuple(TerminationReason)},
    ),
    Metric(
        name="tieline_calls_ended_by_fault_total", kind=_COUNTER, help="Calls ended, by whose doing it was.",
        labels={"fault": tuple(Fault)},
    ),
    Metric(
        name="tieline_calls_interrupted_total", kind=_COUNTER,
        help="Calls that were up when the previous process died, settled at start.",
    ),
    Metric(
        name="tieline_call_setup_seconds", kind=_HISTOGRAM, buckets=FAST_BUCKETS,
        help="From the INVITE to our 200.",
    ),
    Metric(
        name="tieline_call_seconds", kind=_HISTOGRAM, buckets=CALL_BUCKETS,
        help="From the answer to the end of a call.",
    ),
    Metric(
        name="tieline_handoffs_total", kind=_COUNTER, help="Rungs of handoffs by method and what became of them.",
        labels={"method": tuple(HandoffMethod), "result": ("done", "failed", "skipped")},
    ),
    Metric(
        name="tieline_handoff_failures_total", kind=_COUNTER, help="Rungs of handoffs that failed, by reason.",
        labels={"reason": tuple(HandoffFailure)},
    ),
    Metric(
        name="tieline_handoff_seconds", kind=_HISTOGRAM, buckets=CALL_BUCKETS,
        help="From the first message of a handoff to its success.", labels={"method": tuple(HandoffMethod)},
    ),
    Metric(
        name="tieline_handoffs_died_young_total", kind=_COUNTER,
        help="Handoffs that had worked and were over sooner than the trunk's alive_s.",
        labels={"method": tuple(HandoffMethod)},
    ),
    Metric(
        name="tieline_sip_messages_total", kind=_COUNTER, help="SIP messages in and out.",
        labels={"direction": ("in", "out")},
    ),
    Metric(
        name="tieline_sip_dropped_total", kind=_COUNTER, help="SIP input that was dropped without an answer.",
        labels={"reason": ("malformed", "oversized", "stranger", "unmatched")},
    ),
    Metric(
        name="tieline_sip_refused_total", kind=_COUNTER, help="SIP requests that the stack refused by itself.",
        labels={"reason": ("stranger", "malformed", "full", "request")},
    ),
    Metric(
        name="tieline_sip_retransmissions_total", kind=_COUNTER, help="SIP messages that came or were sent again.",
        labels={"direction": ("in", "out")},
    ),
    Metric(
        name="tieline_sip_targets_quarantined", kind=_GAUGE,
        help="Servers of trunks that failed lately and are tried last.",
    ),
    Metric(
        name="tieline_tls_handshakes_failed_total", kind=_COUNTER,
        help="TLS connections of SIP that failed before a message: peers' to us (in), and ours (out).",
        labels={"direction": ("in", "out")},
    ),
    Metric(
        name="tieline_tls_certificate_expires_seconds", kind=_GAUGE,
        help="Seconds until the first of our certificates ends, negative afterwards, +Inf without one.",
    ),
    Metric(
        name="tieline_rtp_packets_total", kind=_COUNTER, help="RTP packets of ended calls.",
        labels={"direction": ("in", "out")},
    ),
    Metric(
        name="tieline_rtp_lost_total", kind=_COUNTER,
        help="RTP packets of ended calls that never arrived or came late.",
        labels={"cause": ("lost", "discarded")},
    ),
    Metric(
        name="tieline_agent_runs_total", kind=_COUNTER, help="Turns of customers' code, by how they ended.",
        labels={
            "kind": ("start", "turn", "handoff_failed", "bridge_ended", "end"),
            "result": (
                "ok", "raised", "timed_out", "exited", "out_of_memory", "bad_return", "not_loaded", "overloaded",
            ),
        },
    ),
    Metric(
        name="tieline_agent_run_seconds", kind=_HISTOGRAM, buckets=FAST_BUCKETS,
        help="Time of one turn of customers' code.",
        labels={"kind": ("start", "turn", "handoff_failed", "bridge_ended", "end")},
    ),
    Metric(
        name="tieline_prompts_total", kind=_COUNTER, help="Prompts asked for, by where the audio came from.",
        labels={"source": ("cache", "voice", "recording", "failed")},
    ),
    Metric(
        name="tieline_twilio_webhooks_total", kind=_COUNTER,
        help="Voice webhooks of Twilio: taken, refused for a missing or wrong signature, or not understood.",
        labels={
            "webhook": ("call", "status", "fallback", "progress", "screen", "next"),
            "result": ("taken", "refused", "failed"),
        },
    ),
    Metric(
        name="tieline_twilio_streams_total", kind=_COUNTER, help="Media streams of Twilio, by how they ended.",
        labels={"ended": ("stopped", "closed", "refused", "bad_messages", "no_start", "too_many")},
    ),
    Metric(
        name="tieline_webhook_events_total", kind=_COUNTER, help="Webhook events that were routed, by type.",
        labels={"type": tuple(EventType)},
    ),
    Metric(
        name="tieline_webhook_attempts_total", kind=_COUNTER,
        help="Attempts to deliver a webhook event, by what came of them.",
        labels={"result": WEBHOOK_RESULTS},
    ),
    Metric(
        name="tieline_webhook_attempt_seconds", kind=_HISTOGRAM, buckets=FAST_BUCKETS,
        help="Time of one attempt to deliver a webhook event.",
    ),
    Metric(
        name="tieline_webhook_failed_total", kind=_COUNTER,
        help="Deliveries of webhook events that were given up after their last attempt.",
    ),
    Metric(name="tieline_store_commits_total", kind=_COUNTER, help="Transactions committed."),
    Metric(name="tieline_store_writes_total", kind=_COUNTER, help="Writes carried by those transactions."),
    Metric(name="tieline_store_ready", kind=_GAUGE, help="1 while the store takes writes."),
    Metric(name="tieline_agents_down", kind=_GAUGE, help="Projects whose agent could not be started as it is now."),
    Metric(name="tieline_draining", kind=_GAUGE, help="1 while the server drains."),
    Metric(name="tieline_clock_offset_seconds", kind=_GAUGE, help="How far the wall clock was stepped since start."),
)  # fmt: skip
"""Every metric there is, besides the standard `process_*` ones."""


class _Histogram:
    """One histogram's counts; `counts[i]` are the values above `bounds[i-1]` and up to `bounds[i]`."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0


class Metrics:
    """The counters of one server; one instance per server, made by the composition root.

    Values are plain numbers, changed by the event loop's thread only, and read by the collector when someone asks.
    """

    def __init__(self, *, process: bool = True) -> None:
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
        self._values: dict[tuple[str, ...], float] = {}
        self._histograms: dict[tuple[str, ...], _Histogram] = {}
        self._requests: dict[tuple[str, int], tuple[str, ...]] = {}
        for metric in METRICS:
            for labels in itertools.product(*metric.labels.values()):
                key = (metric.name, *(str(value) for value in labels))
                if metric.kind is MetricKind.HISTOGRAM:
                    self._histograms[key] = _Histogram(metric.buckets)
                else:
                    self._values[key] = 0
        self.registry.register(self)

    def inc(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter. `labels` are the values in the order of the table; others raise `KeyError`."""
        self._values[(name, *labels)] += by

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        key = (name, *labels)
        if key not in self._values:
            raise KeyError(key)
        self._values[key] = value

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put one value into a histogram."""
        histogram = self._histograms[(name, *labels)]
        histogram.counts[bisect_left(histogram.bounds, value)] += 1
        histogram.total += value

    def count_request(self, route: str, status: int) -> None:
        """Count one HTTP answer; a status that the table does not list counts as `other`."""
        key = self._requests.get((route, status))
        if key is None:
            key = ("tieline_http_requests_total", route, str(status))
            if key not in self._values:
                key = ("tieline_http_requests_total", route, "other")
            self._requests[(route, status)] = key
        self._values[key] += 1

    def count_end(self, reason: TerminationReason) -> None:
        """Count one ended call, by reason and by fault."""
        self.inc("tieline_calls_ended_total", reason)
        self.inc("tieline_calls_ended_by_fault_total", FAULT_OF[reason])

    def value(self, name: str, *labels: str) -> float:
        """The present value of a counter or gauge, for health pages and tests."""
        return self._values[(name, *labels)]

    def collect(self) -> Iterator[PrometheusMetric]:
        """The present values as `prometheus_client` exposes them."""
        for metric in METRICS:
            family: PrometheusMetric
            names = list(metric.labels)
            if metric.kind is MetricKind.HISTOGRAM:
                family = HistogramMetricFamily(metric.name, metric.help, labels=names)
                for key in self._keys(metric):
                    family.add_metric(key[1:], *_cumulated(self._histograms[key]))
            else:
                gauge = metric.kind is MetricKind.GAUGE
                family = (GaugeMetricFamily if gauge else CounterMetricFamily)(
                    metric.name, metric.help, labels=names
                )
                for key in self._keys(metric):
                    family.add_metric(key[1:], self._values[key])
            yield family

    @staticmethod
    def _keys(metric: Metric) -> Iterator[tuple[str, ...]]:
        for labels in itertools.product(*metric.labels.values()):
            yield (metric.name, *(str(value) for value in labels))

    def render(self) -> bytes:
        """All metrics in the text format, for `GET /metrics`."""
        return generate_latest(self.registry)


def _cumulated(histogram: _Histogram) -> tuple[list[tuple[str, float]], float]:
    """Buckets as Prometheus counts them, each with all below it, and the sum of the values."""
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, itertools.accumulate(histogram.counts), strict=True)), histogram.total
