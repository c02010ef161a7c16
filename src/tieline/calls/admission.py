"""Who may still come in: limits on calls, on calls per second, and on how late the server may run.

Whoever is refused gets 503 with Retry-After before anything else is done for the call, so that the calls that are up
do not notice. A trunk that goes on calling at many times its limit is refused at a fraction of the cost: without a
transaction and a route, and counted into one record.
"""

from __future__ import annotations

import math
from collections import Counter

from tieline.model.trunk import Refusal, RefusalReason, RuleResult, Trunk

BUSY_RETRY_AFTER_S = 5
"""What a refused peer is told to wait when a limit on concurrent calls was met."""

LAG_RETRY_AFTER_S = 2
"""What a refused peer is told to wait when the server is behind its work."""

BRIEF_AFTER = 20
"""Refusals to one trunk within a second, after which the rest are refused briefly, before their route is looked for."""

LAG_WEIGHT = 0.2
"""What one measurement counts: a single hold-up of a second refuses nobody, the same for half a second does."""


class Admission:
    """Counts calls and paces arrivals. Time is monotonic seconds, passed in.

    Rates use the generic cell rate algorithm with a burst of one second's worth: a trunk with `max_cps` of 10 may
    send ten INVITEs at once and then one every 100 ms. `max_cps` is the whole server's. With `max_lag_s`, nobody
    is let in while the event loop runs later than that; `note_lag` is told how late it runs.
    """

    def __init__(self, max_calls: int, max_cps: float | None = None, max_lag_s: float | None = None) -> None:
        self.max_calls = max_calls
        self.max_cps = max_cps
        self.max_lag_s = max_lag_s
        self.draining = False
        self.lag_s = 0.0
        self._calls = 0
        self._by_trunk: Counter[str] = Counter()
        self._arrival_due: dict[str | None, float] = {}
        self._refused: dict[str, tuple[float, int]] = {}

    @property
    def calls(self) -> int:
        """Calls up now."""
        return self._calls

    def calls_on(self, trunk: str) -> int:
        """Calls up now on one trunk."""
        return self._by_trunk[trunk]

    def note_lag(self, lag_s: float) -> None:
        """How late the event loop ran just now; `lag_s` is the weighted mean of what was told."""
        self.lag_s += (lag_s - self.lag_s) * LAG_WEIGHT

    def admit(self, trunk: Trunk, now: float) -> Refusal | None:
        """Count a call in, or say why not."""
        refusal = self._refusal_of(trunk, now)
        if refusal is not None:
            since, count = self._refused.get(trunk.name, (now, 0))
            self._refused[trunk.name] = (since, count + 1) if now - since < 1 else (now, 1)
            return refusal
        self._take_turn(trunk.name, trunk.max_cps, now)
        self._take_turn(None, self.max_cps, now)
        self._calls += 1
        self._by_trunk[trunk.name] += 1
        return None

    def refuse_briefly(self, trunk: Trunk, now: float) -> Refusal | None:
        """Why a call is not worth a look: its trunk was refused often within this second, and would be again."""
        since, count = self._refused.get(trunk.name, (now, 0))
        if count < BRIEF_AFTER or now - since >= 1:
            return None
        return self._refusal_of(trunk, now)

    def _refusal_of(self, trunk: Trunk, now: float) -> Refusal | None:
        """Why a call would not be let in; None when it would."""
        if self.draining:
            return _refusal(RefusalReason.DRAINING, "the server is draining and takes no new calls", 10)
        if self.max_lag_s is not None and self.lag_s > self.max_lag_s:
            detail = (
                f"the server runs {self.lag_s * 1000:.0f} ms late, more than {self.max_lag_s * 1000:.0f} ms"
            )
            return _refusal(RefusalReason.OVERLOADED, detail, LAG_RETRY_AFTER_S)
        if self._calls >= self.max_calls:
            detail = f"the server's limit of {self.max_calls} calls is reached"
            return _refusal(RefusalReason.SERVER_FULL, detail, BUSY_RETRY_AFTER_S)
        if trunk.max_calls is not None and self._by_trunk[trunk.name] >= trunk.max_calls:
            detail = f"trunk {trunk.name} has its limit of {trunk.max_calls} calls up"
            return _refusal(RefusalReason.TRUNK_CALL_LIMIT, detail, BUSY_RETRY_AFTER_S)
        wait_s = self._wait_s(trunk.name, trunk.max_cps, now)
        if wait_s > 0:
            detail = f"trunk {trunk.name} sends more than {trunk.max_cps:g} calls/s"
            return _refusal(RefusalReason.TRUNK_RATE_LIMIT, detail, max(1, math.ceil(wait_s)))
        wait_s = self._wait_s(None, self.max_cps, now)
        if wait_s > 0:
            detail = f"more than {self.max_cps:g} calls/s arrive at the server"
            return _refusal(RefusalReason.SERVER_RATE_LIMIT, detail, max(1, math.ceil(wait_s)))
        return None

    def leave(self, trunk: str) -> None:
        """A call that was admitted is over."""
        self._calls -= 1
        self._by_trunk[trunk] -= 1
        if not self._by_trunk[trunk]:
            del self._by_trunk[trunk]

    def _wait_s(self, payer: str | None, rate: float | None, now: float) -> float:
        """Seconds until the next call of a trunk, or (None) of anybody, may come; 0 when it may come now."""
        if not rate:
            return 0.0
        interval = 1 / rate
        due = max(self._arrival_due.get(payer, now), now)
        burst = max(1.0, interval)
        wait_s = due + interval - now - burst
        return wait_s if wait_s > 1e-9 else 0.0

    def _take_turn(self, payer: str | None, rate: float | None, now: float) -> None:
        if rate:
            self._arrival_due[payer] = max(self._arrival_due.get(payer, now), now) + 1 / rate


def _refusal(reason: RefusalReason, detail: str, retry_after_s: int) -> Refusal:
    return Refusal(
        status=503,
        phrase="Service Unavailable",
        reason=reason,
        rules=(RuleResult(rule="admission", held=False, detail=detail),),
        retry_after_s=retry_after_s,
    )
