from datetime import timedelta

import pytest

from tieline.admin.pool_pace import KEPT, PoolPace
from tieline.model.pool import PoolStats
from tieline.testing.store_samples import T0


def stats(**counters: int) -> PoolStats:
    """A pool's figures; those that are not named are 0."""
    totals = (
        dict.fromkeys(("reserved", "claimed", "expired", "released", "refused", "late", "stray"), 0)
        | counters
    )
    named = {f"{name}_total": count for name, count in totals.items()}
    return PoolStats(pool="p", numbers=2, by_state={}, suspect=0, **named)


def test_pace_is_what_happened_between_the_samples() -> None:
    pace = PoolPace()
    assert pace.pace("p").rate == 0
    assert pace.pace("p").refused_share is None
    pace.note(stats(reserved=5, refused=1), T0)
    assert pace.pace("p").no_show_share == 0
    pace.note(stats(reserved=35, refused=11, claimed=18, expired=6), T0 + timedelta(seconds=20))
    found = pace.pace("p")
    assert (found.span_s, found.reserved, found.refused) == (20.0, 30, 10)
    assert found.rate == 2.0
    assert found.refused_share == 0.25
    assert found.no_show_share == pytest.approx(0.25)


def test_counters_that_go_back_begin_anew_and_old_samples_go() -> None:
    pace = PoolPace()
    pace.note(stats(reserved=50), T0)
    pace.note(stats(reserved=1), T0 + timedelta(seconds=10))
    assert len(pace.samples("p")) == 1
    for step in range(KEPT + 5):
        pace.note(stats(reserved=2 + step), T0 + timedelta(seconds=20 + step))
    assert len(pace.samples("p")) == KEPT
    pace.forget(frozenset())
    assert pace.samples("p") == ()
