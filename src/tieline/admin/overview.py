"""Everything at one glance: what is up, what has gone wrong lately, and what a newcomer has still to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tieline.admin.access import require
from tieline.admin.pools import PoolAdmin, PoolView
from tieline.admin.redaction import redact_refusal
from tieline.admin.resources import ResourceAdmin
from tieline.admin.trunks import ListedTrunk, TrunkAdmin
from tieline.clock import Clock
from tieline.model.conversation import RefusedCall
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.resources.handoff_check import folder_destinations
from tieline.store.base import ConversationFilter, RefusalFilter, Store
from tieline.store.figures import DONE, FigureFilter

LATELY = timedelta(hours=24)
"""How far back failed handoffs are counted."""

SHOWN_REFUSALS = 5

Reasons = Callable[[], Awaitable[list[str]]]
"""Why the server is not ready; empty when it is."""

CallsUp = Callable[[], Iterable[Project]]
"""The project of each call that is up."""


class FirstStep(Record):
    """One thing that a newcomer does, and whether it is done. `optional` ones are not needed for a first call."""

    key: str
    done: bool
    optional: bool = False


class FailedHandoffs(Record):
    """How often a rung of a handoff failed for one reason (`tieline.model.receipt.HandoffFailure`) lately."""

    reason: str
    times: int


class Overview(Record):
    """The state of things for somebody. `calls` and what follows hold only what is theirs to see.

    `not_ready` says why the server takes no calls. `refusals` are the last ones, newest first, their numbers
    masked without the right to personal data. `handoffs` counts the rungs tried within `LATELY`.
    """

    at: datetime
    calls: int
    max_calls: int
    not_ready: tuple[str, ...]
    pools: tuple[PoolView, ...]
    trunks: tuple[ListedTrunk, ...]
    refusals: tuple[RefusedCall, ...]
    handoffs: int
    failed_handoffs: tuple[FailedHandoffs, ...]
    steps: tuple[FirstStep, ...]


@dataclass(frozen=True, slots=True)
class OverviewParts:
    """Where the overview comes from."""

    resources: ResourceAdmin
    pools: PoolAdmin
    trunks: TrunkAdmin
    calls_up: CallsUp
    store: Store
    reasons: Reasons
    clock: Clock
    max_calls: int


class OverviewAdmin:
    """Looking needs `Right.LOOK`."""

    def __init__(self, parts: OverviewParts) -> None:
        self._parts = parts

    async def overview(self, who: Principal) -> Overview:
        """How things stand now."""
        require(who, Right.LOOK)
        parts = self._parts
        resources = await parts.resources.resources(who)
        tried, failed = await self._handoffs(who)
        return Overview(
            at=parts.clock.utc(),
            calls=self.calls(who),
            max_calls=parts.max_calls,
            not_ready=tuple(await parts.reasons()),
            pools=tuple(await parts.pools.pools(who)),
            trunks=tuple(await parts.trunks.trunks(who)),
            refusals=tuple(await self._refusals(who, resources)),
            handoffs=tried,
            failed_handoffs=failed,
            steps=tuple(await self._steps(who, resources)),
        )

    def calls(self, who: Principal) -> int:
        """Their calls that are up."""
        require(who, Right.LOOK)
        return sum(who.may_see(one.account, one.id) for one in self._parts.calls_up())

    async def _refusals(self, who: Principal, resources: Resources) -> Sequence[RefusedCall]:
        """The last ones of their trunks; what strangers tried is for those of all accounts."""
        trunks: tuple[str | None, ...] | None = None
        if who.account is not None or who.project is not None:
            trunks = tuple(one.name for one in resources.trunks if one.account is not None)
        if who.project is not None:
            return ()
        found = await self._parts.store.refusals(RefusalFilter(trunks=trunks, limit=SHOWN_REFUSALS))
        if who.may(Right.PERSONAL_DATA):
            return found
        return [redact_refusal(one) for one in found]

    async def _handoffs(self, who: Principal) -> tuple[int, tuple[FailedHandoffs, ...]]:
        now = self._parts.clock.utc()
        wanted = FigureFilter(
            after=now - LATELY, before=now + timedelta(hours=1), account=who.account, project=who.project
        )
        results: Counter[str] = Counter()
        for one in (await self._parts.store.figures(wanted)).handoffs:
            results[one.result] += one.rungs
        failed = tuple(
            FailedHandoffs(reason=reason, times=times)
            for reason, times in results.most_common()
            if reason != DONE
        )
        return results.total(), failed

    async def _steps(self, who: Principal, resources: Resources) -> Sequence[FirstStep]:
        """The way of a newcomer, in its order."""
        wanted = ConversationFilter(account=who.account, project=who.project, limit=1)
        called = bool(await self._parts.store.conversations(wanted))
        destination = await asyncio.to_thread(_any_destination, resources.projects)
        return (
            FirstStep(key="project", done=bool(resources.projects)),
            FirstStep(key="trunk", done=bool(resources.trunks)),
            FirstStep(key="pool", done=bool(resources.pools)),
            FirstStep(key="destination", done=destination),
            FirstStep(key="api_key", done=bool(resources.api_keys)),
            FirstStep(key="test_call", done=called),
            FirstStep(key="twilio", done=bool(resources.twilio), optional=True),
        )


def _any_destination(projects: Sequence[Project]) -> bool:
    return any(one.handoffs or folder_destinations(one) for one in projects)
