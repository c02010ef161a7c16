"""Calls as metrics."""

from __future__ import annotations

from tieline.agent.messages import RunKind, TurnResult
from tieline.media.messages import LegClosed
from tieline.model.call import Termination
from tieline.model.reservation import BindVerdict
from tieline.observe.metrics import Metrics


class MetricsObserver:
    """Puts what happens to calls into the server's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def offered(self) -> None:
        """An INVITE for a new call arrived."""
        self._metrics.inc("tieline_calls_offered_total")

    def bound(self, verdict: BindVerdict) -> None:
        """A pool number was called."""
        self._metrics.inc("tieline_binds_total", verdict)

    def answered(self, setup_s: float) -> None:
        """200 was sent, so long after the INVITE."""
        self._metrics.inc("tieline_calls_answered_total")
        self._metrics.observe("tieline_call_setup_seconds", setup_s)

    def agent_ran(self, kind: RunKind, result: TurnResult) -> None:
        """A run of customer code is over."""
        self._metrics.inc("tieline_agent_runs_total", kind, result.failure.kind if result.failure else "ok")
        seconds = sum(run.duration_ms for run in result.function_runs) / 1000
        self._metrics.observe("tieline_agent_run_seconds", seconds, kind)

    def ended(self, termination: Termination, talk_s: float, media: LegClosed | None) -> None:
        """A call is over."""
        self._metrics.count_end(termination.reason)
        self._metrics.observe("tieline_call_seconds", talk_s)
        if media is not None:
            self._metrics.inc("tieline_rtp_packets_total", "in", by=media.packets_received)
            self._metrics.inc("tieline_rtp_packets_total", "out", by=media.packets_sent)
            self._metrics.inc("tieline_rtp_lost_total", "lost", by=media.packets_lost)
            self._metrics.inc("tieline_rtp_lost_total", "discarded", by=media.packets_discarded)
