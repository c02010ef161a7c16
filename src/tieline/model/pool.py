"""A pool: numbers that are handed out one caller at a time, and the policy by which they rotate.

The worst failure of a pool is one caller's data reaching another caller's call; the policy exists to prevent it.
A number whose last reservation was claimed by the right call is *clean*: nothing can be outstanding on it. One
whose reservation expired or was released unclaimed is *dirty*: its call may still be on its way. Clean numbers
are reused first, longest idle first; dirty ones only when no clean number is free, oldest first.
"""

from __future__ import annotations

from enum import StrEnum

from tieline.model.record import Record


class CallerPolicy(StrEnum):
    """How the caller is compared with the reservation's `expected_caller`."""

    OFF = "off"
    LENIENT = "lenient"
    STRICT = "strict"


class LatePolicy(StrEnum):
    """Whether a call that arrives after its reservation ended is rescued."""

    MATCHED = "matched"
    ALWAYS = "always"
    NEVER = "never"


class Pool(Record):
    """A pool's policy. Durations in seconds; `numbers` are canonical and ordered.

    Calls to a pool number are accepted from the trunks named in `trunks` (any trunk of the account when empty);
    arriving over a named trunk also verifies the claim.
    """

    name: str
    project: str
    numbers: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    ttl_s: float = 60.0
    min_ttl_s: float = 5.0
    max_ttl_s: float = 180.0
    claim_cooldown_s: float = 5.0
    expiry_cooldown_s: float = 60.0
    setup_grace_s: float = 32.0
    caller_policy: CallerPolicy = CallerPolicy.LENIENT
    late_policy: LatePolicy = LatePolicy.MATCHED


class NumberAdmin(StrEnum):
    """What the operator has decided about a number."""

    ACTIVE = "active"
    DRAINING = "draining"
    DISABLED = "disabled"


class NumberState(StrEnum):
    """The state of a pool number at an instant; lazily derived from its stored lease and the time."""

    FREE_CLEAN = "free_clean"
    FREE_DIRTY = "free_dirty"
    RESERVED = "reserved"
    BOUND = "bound"
    COOLING = "cooling"
    QUARANTINE = "quarantine"
    DRAINING = "draining"
    DISABLED = "disabled"


class PoolStats(Record):
    """A pool at an instant: numbers by state, and counters since the pool was made."""

    pool: str
    numbers: int
    by_state: dict[NumberState, int]
    suspect: int
    reserved_total: int
    claimed_total: int
    expired_total: int
    released_total: int
    refused_total: int
    late_total: int
    stray_total: int
