"""How often somebody may try: failures count by a key, and each one past a few doubles the wait for the next.

Pure: `now` is monotonic seconds, handed in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """`free` failures cost nothing; the next makes one wait `first_wait_s`, each further one twice as long.

    A key is forgotten when nothing was tried for `forget_s`, or when `kept` others were tried since.
    """

    free: int
    first_wait_s: float = 1.0
    longest_wait_s: float = 900.0
    forget_s: float = 3600.0
    kept: int = 10_000


@dataclass(slots=True)
class _Tries:
    failures: int
    last_at: float
    open_at: float


class Attempts:
    """The attempts by key. One counts as failed from its beginning, so that many at once are many failures."""

    def __init__(self, rules: AttemptRules) -> None:
        self._rules = rules
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def begin(self, key: str, now: float) -> float:
        """Count an attempt and return 0.0, or return the seconds to wait; then nothing is counted."""
        wait = self.wait_s(key, now)
        if wait > 0:
            return wait
        rules = self._rules
        there = self._tries.pop(key, None)
        failures = 1 if there is None or now - there.last_at >= rules.forget_s else there.failures + 1
        over = failures - rules.free
        # The exponent is bounded: 2.0 ** 2000 is an error.
        pause = 0.0 if over <= 0 else min(rules.longest_wait_s, rules.first_wait_s * 2.0 ** min(over - 1, 60))
        self._tries[key] = _Tries(failures, now, now + pause)
        while len(self._tries) > rules.kept:
            self._tries.popitem(last=False)
        return 0.0

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the next attempt is heard; 0.0 when one is now."""
        there = self._tries.get(key)
        return 0.0 if there is None else max(0.0, there.open_at - now)

    def forgive(self, key: str) -> None:
        """The last attempt counted for nothing: it succeeded, or was never looked at."""
        there = self._tries.get(key)
        if there is not None:
            there.failures -= 1
            there.open_at = there.last_at
            if there.failures == 0:
                del self._tries[key]

    def forget(self, key: str) -> None:
        """Whoever has the key has shown who they are."""
        self._tries.pop(key, None)
