"""Who may still come in: the server's and each trunk's limits on concurrent calls and calls per second."""

from __future__ import annotations

import math
from collections import Counter

from tieline.model.trunk import Refusal, RefusalReason, RuleResult, Trunk

BUSY_RETRY_AFTER_S = 5
"""What a refused peer is told to wait when a limit on concurrent calls was met."""


class Admission:
    """Counts calls and paces arrivals. Time is monotonic seconds, passed in.

    Rates use the generic cell rate algorithm with a burst of one second's worth: a trunk with `max_cps` of 10 may
    send ten INVITEs at once and then one every 100 ms.
    """

    def __init__(self, max_calls: int) -> None:
        self.max_calls = max_calls
        self.draining = False
        self._calls = 0
        self._by_trunk: Counter[str] = Counter()
        self._arrival_due: dict[str, float] = {}

    @property
    def calls(self) -> int:
        """Calls up now."""
        return self._calls

    def calls_on(self, trunk: str) -> int:
        """Calls up now on one trunk."""
        return self._by_trunk[trunk]

    def admit(self, trunk: Trunk, now: float) -> Refusal | None:
        """Count a call in, or say why not."""
        if self.draining:
            return _refusal(RefusalReason.DRAINING, "the server is draining and takes no new calls", 10)
        if self._calls >= self.max_calls:
            detail = f"the server's limit of {self.max_calls} calls is reached"
            return _refusal(RefusalReason.SERVER_FULL, detail, BUSY_RETRY_AFTER_S)
        if trunk.max_calls is not None and self._by_trunk[trunk.name] >= trunk.max_calls:
            detail = f"trunk {trunk.name} has its limit of {trunk.max_calls} calls up"
            return _refusal(RefusalReason.TRUNK_CALL_LIMIT, detail, BUSY_RETRY_AFTER_S)
        wait_s = self._pace(trunk, now)
        if wait_s > 0:
            detail = f"trunk {trunk.name} sends more than {trunk.max_cps:g} calls/s"
            return _refusal(RefusalReason.TRUNK_RATE_LIMIT, detail, max(1, math.ceil(wait_s)))
        self._calls += 1
        self._by_trunk[trunk.name] += 1
        return None

    def leave(self, trunk: str) -> None:
        """A call that was admitted is over."""
        self._calls -= 1
        self._by_trunk[trunk] -= 1
        if not self._by_trunk[trunk]:
            del self._by_trunk[trunk]

    def _pace(self, trunk: Trunk, now: float) -> float:
        """Seconds until the trunk may send its next call; 0 takes the arrival into account."""
        if not trunk.max_cps:
            return 0.0
        interval = 1 / trunk.max_cps
        due = max(self._arrival_due.get(trunk.name, now), now)
        burst = max(1.0, interval)
        if due + interval - now > burst + 1e-9:
            return due + interval - now - burst
        self._arrival_due[trunk.name] = due + interval
        return 0.0


def _refusal(reason: RefusalReason, detail: str, retry_after_s: int) -> Refusal:
    return Refusal(
        status=503,
        phrase="Service Unavailable",
        reason=reason,
        rules=(RuleResult(rule="admission", held=False, detail=detail),),
        retry_after_s=retry_after_s,
    )
