"""How patient a handoff is, and what its machines tell when they have come to an end."""

from __future__ import annotations

from enum import StrEnum

from tieline.model.profile import Dialect
from tieline.model.receipt import HandoffFailure
from tieline.model.record import Record
from tieline.model.trunk import FirstBye


class HandoffPolicy(Record):
    """The times of one trunk's handoffs, in seconds, and who hangs up first.

    `notify_timeout_s` is the silence allowed after a REFER was accepted, `max_wait_s` the longest wait for its result,
    `bye_wait_s` how long the peer may take to end our leg, `alive_s` when a bridge counts as alive, and
    `whisper_limit_s` the longest whisper.
    """

    notify_timeout_s: float = 32.0
    max_wait_s: float = 120.0
    first_bye: FirstBye = FirstBye.US
    bye_wait_s: float = 5.0
    alive_s: float = 60.0
    sends_notify: bool = True
    whisper_limit_s: float = 60.0


def policy_of(dialect: Dialect) -> HandoffPolicy:
    """The policy that a trunk's dialect asks for."""
    return HandoffPolicy(
        notify_timeout_s=dialect.notify_timeout_s,
        max_wait_s=max(HandoffPolicy().max_wait_s, dialect.notify_timeout_s),
        first_bye=dialect.first_bye,
        bye_wait_s=dialect.bye_wait_s,
        alive_s=dialect.alive_s,
        sends_notify=dialect.profile.refer.sends_notify,
    )


class ByeTurn(StrEnum):
    """Who ends our leg now that a REFER has succeeded: we at once, the peer within a while, or it is over."""

    SEND_NOW = "send_now"
    WAIT = "wait"
    OVER = "over"


class Referred(Record):
    """A REFER succeeded. With `WAIT`, `until` is the monotonic second after which we send BYE ourselves."""

    bye: ByeTurn
    until: float | None = None


class HandoffFailed(Record):
    """A rung failed. `caller_gone`: there is nobody left to hand over, so no further rung is tried."""

    failure: HandoffFailure
    status: int | None = None
    evidence: str | None = None
    caller_gone: bool = False


class Side(StrEnum):
    """A side of a bridge."""

    CALLER = "caller"
    CALLEE = "callee"
    US = "us"


class Connected(Record):
    """Caller and callee are joined; `since` is in monotonic seconds."""

    since: float


class Ended(Record):
    """A bridge is over: who ended it, and for how many seconds the two were joined."""

    by: Side
    duration_s: float
