"""Calls as metrics."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.agent.messages import RunKind, TurnResult
from tieline.media.messages import LegClosed
from tieline.model.call import Termination
from tieline.model.handoff import HandoffMethod
from tieline.model.receipt import HandoffFailure, ReceiptStep, Step
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

    def handoff_step(self, call_id: str, step: ReceiptStep) -> None:
        """Something became known of a handoff; of single steps only the rungs that were not even tried are counted."""
        if step.step is Step.SKIPPED:
            self._metrics.inc("tieline_handoffs_total", step.method, "skipped")

    def handoff_tried(self, method: HandoffMethod, failure: HandoffFailure | None, seconds: float) -> None:
        """One rung of a handoff's ladder has worked, or failed, so long after it was sent."""
        self._metrics.inc("tieline_handoffs_total", method, "done" if failure is None else "failed")
        if failure is None:
            self._metrics.observe("tieline_handoff_seconds", seconds, method)
        else:
            self._metrics.inc("tieline_handoff_failures_total", failure)

    def handoff_died_young(self, method: HandoffMethod) -> None:
        """A handoff that had worked was over too soon."""
        self._metrics.inc("tieline_handoffs_died_young_total", method)

    def ended(self, termination: Termination, talk_s: float, media: Sequence[LegClosed]) -> None:
        """A call is over."""
        self._metrics.count_end(termination.reason)
        self._metrics.observe("tieline_call_seconds", talk_s)
        for leg in media:
            self._metrics.inc("tieline_rtp_packets_total", "in", by=leg.packets_received)
            self._metrics.inc("tieline_rtp_packets_total", "out", by=leg.packets_sent)
            self._metrics.inc("tieline_rtp_lost_total", "lost", by=leg.packets_lost)
            self._metrics.inc("tieline_rtp_lost_total", "discarded", by=leg.packets_discarded)
