"""A pool's figures in words and colours."""

from __future__ import annotations

from tieline.model.pool import NumberState, PoolStats
from tieline.model.reservation import ReservationState
from tieline.studio.parts.gauges import Share

STATES: dict[NumberState, tuple[str, str]] = {
    NumberState.FREE_CLEAN: ("free, clean", "good"),
    NumberState.FREE_DIRTY: ("free, dirty", "info"),
    NumberState.RESERVED: ("reserved", "accent"),
    NumberState.BOUND: ("in set-up", "accent"),
    NumberState.COOLING: ("cooling", "warn"),
    NumberState.QUARANTINE: ("in quarantine", "warn"),
    NumberState.DRAINING: ("draining", "quiet"),
    NumberState.DISABLED: ("disabled", "quiet"),
}
"""Each state of a number: its name for people, and its tone in a bar."""

BADGES = {"accent": "info"}
"""Tones of bars that badges have another one for."""

RESERVATION_TONES = {
    ReservationState.RESERVED: "info",
    ReservationState.BOUND: "info",
    ReservationState.CLAIMED: "good",
    ReservationState.RELEASED: "quiet",
    ReservationState.EXPIRED: "warn",
}


def shares(stats: PoolStats) -> list[Share]:
    """The numbers of a pool by state, for a `StackedBar`."""
    return [Share(name, stats.by_state.get(state, 0), tone) for state, (name, tone) in STATES.items()]


def free(stats: PoolStats) -> int:
    """Numbers that can be given out now."""
    return stats.by_state.get(NumberState.FREE_CLEAN, 0) + stats.by_state.get(NumberState.FREE_DIRTY, 0)


def share_text(share: float | None) -> str:
    """A share of requests as a percentage that tells 0 from little; a dash for None."""
    if share is None:
        return "–"
    percent = share * 100
    if percent == 0:
        return "0 %"
    if percent < 0.01:
        return "< 0.01 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"
