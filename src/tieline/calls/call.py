"""One call as its parts share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tieline.calls.caller_leg import CallerLeg
from tieline.calls.leg_media import LegMedia
from tieline.calls.patience import Patience
from tieline.calls.ports import CallServices
from tieline.calls.records import CallRecord
from tieline.calls.routing import Route
from tieline.calls.runs import AgentRuns
from tieline.calls.speaking import Speaker
from tieline.calls.writes import CallWrites
from tieline.model.call import TerminationReason
from tieline.observe.logging import FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Call:
    """The parts of one call: `leg` and `media` are the caller's, `runs` are those of its agent.

    `adopt` is told the number of each further leg, whose events the call is to get; `end` ends the whole call.
    """

    id: str
    route: Route
    services: CallServices
    record: CallRecord
    writes: CallWrites
    leg: CallerLeg
    media: LegMedia
    speaker: Speaker
    runs: AgentRuns
    patience: Patience
    log: FilteringBoundLogger
    adopt: Callable[[int], None]
    end: Callable[[TerminationReason], None]
