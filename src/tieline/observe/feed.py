"""Running totals that other parts keep, brought into counters: what was added since the last look is added there."""

from __future__ import annotations

from tieline.observe.metrics import Metrics


class CounterFeed:
    """Remembers the last total of each counter it feeds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._totals: dict[tuple[str, ...], float] = {}

    def take(self, total: float, name: str, *labels: str) -> None:
        """The total is now `total`. One that went down belongs to something started anew and counts from zero."""
        key = (name, *labels)
        last = self._totals.get(key, 0.0)
        self._totals[key] = total
        self._metrics.inc(name, *labels, by=total - last if total >= last else total)
