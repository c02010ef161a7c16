"""The outbox of webhook events in memory, and what the other parts of the store tell facts to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from tieline.errors import NotFound
from tieline.model.resources import Resources
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEvent,
)
from tieline.store.outbox import DeliveryFigures, DeliveryFilter

_replace = msgspec.structs.replace


class MemoryOutbox:
    """The `WebhookStore` protocol but for reservations that expire."""

    _resources: Resources

    def __init__(self) -> None:
        super().__init__()
        self.wanted_events: Collection[EventType] = frozenset()
        self._events: dict[str, WebhookEvent] = {}
        self._unrouted: dict[str, None] = {}
        self._deliveries: dict[str, Delivery] = {}

    # ------------------------------------------------------------------------------------------------- inwards

    def _tell(self, *events: WebhookEvent) -> None:
        for one in events:
            if one.type in self.wanted_events and one.id not in self._events:
                self._events[one.id] = one
                self._unrouted[one.id] = None

    def _times_told(self, type_: EventType, subject: str) -> int:
        return sum((one.type, one.subject) == (type_, subject) for one in self._events.values())

    def _account_of(self, project: str) -> str:
        """The account that a project belongs to; empty when the project is gone."""
        return next((one.account for one in self._resources.projects if one.id == project), "")

    @contextmanager
    def _settling(self, delivery_id: str, at: datetime) -> Iterator[Delivery]:
        """A delivery to be settled, or not; if it is, the next about its subject gets its time. Raises `NotFound`."""
        delivery = self._deliveries.get(delivery_id)
        if delivery is None:
            raise NotFound("no such delivery", delivery_id=delivery_id)
        yield delivery
        waiting = self._waiting(delivery.endpoint, delivery.event.subject)
        if waiting and all(one.next_at is None for one in waiting):
            self._deliveries[waiting[0].id] = _replace(waiting[0], next_at=at)

    def _waiting(self, endpoint: str, subject: str) -> list[Delivery]:
        return [
            one
            for one in self._deliveries.values()
            if one.state is DeliveryState.WAITING
            and one.endpoint == endpoint
            and one.event.subject == subject
        ]

    def _delete_events(self, before: datetime) -> int:
        """Forget events from before `before`, with their deliveries, unless one waits; how many."""
        busy = {one.event.id for one in self._deliveries.values() if one.state is DeliveryState.WAITING}
        busy |= self._unrouted.keys()
        due = {key for key, one in self._events.items() if one.at < before and key not in busy}
        for key in due:
            del self._events[key]
        self._deliveries = {key: one for key, one in self._deliveries.items() if one.event.id not in due}
        return len(due)

    # ------------------------------------------------------------------------------------------------ outwards

    async def add_events(self, events: Sequence[WebhookEvent]) -> None:
        """Events of their own, as far as their types are wanted."""
        self._tell(*events)

    async def unrouted_events(self, limit: int) -> Sequence[WebhookEvent]:
        """Events that were given no deliveries yet, oldest first."""
        return [self._events[key] for key in list(self._unrouted)[:limit]]

    async def route_events(self, routes: Sequence[tuple[str, Sequence[str]]], now: datetime) -> None:
        """Give each event its deliveries, due at once. Once only."""
        for event_id, endpoints in routes:
            self._route(event_id, endpoints, now)

    def _route(self, event_id: str, endpoints: Sequence[str], now: datetime) -> list[str]:
        if event_id not in self._unrouted:
            return []
        del self._unrouted[event_id]
        event = self._events[event_id]
        made = []
        for endpoint in endpoints:
            delivery = Delivery(
                id=f"dlv_{os.urandom(16).hex()}",
                endpoint=endpoint,
                event=event,
                state=DeliveryState.WAITING,
                next_at=None if self._waiting(endpoint, event.subject) else now,
            )
            self._deliveries[delivery.id] = delivery
            made.append(delivery.id)
        return made

    async def send_event(self, event: WebhookEvent, endpoint: str, now: datetime) -> str:
        """Put an event in for one endpoint alone; the id of its delivery."""
        self._events[event.id] = event
        self._unrouted[event.id] = None
        return self._route(event.id, [endpoint], now)[0]

    async def due_deliveries(self, endpoint: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Deliveries to an endpoint that are due, the longest due first."""
        due = [
            (one.next_at, index, one)
            for index, one in enumerate(self._deliveries.values())
            if one.endpoint == endpoint and one.next_at is not None and one.next_at <= now
        ]
        return [one for *_, one in sorted(due, key=lambda row: row[:2])[:limit]]

    async def next_delivery_at(self, endpoint: str) -> datetime | None:
        """When the next delivery to an endpoint is due; None when none waits."""
        times = [
            one.next_at
            for one in self._deliveries.values()
            if one.endpoint == endpoint and one.next_at is not None
        ]
        return min(times, default=None)

    async def save_attempt(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_at: datetime | None
    ) -> None:
        """Add an attempt and say what becomes of the delivery, if it still waits. Raises `NotFound`."""
        with self._settling(delivery_id, attempt.at) as delivery:
            changed = _replace(delivery, attempts=(*delivery.attempts, attempt))
            if delivery.state is DeliveryState.WAITING:
                changed = _replace(changed, state=state, next_at=next_at)
            self._deliveries[delivery_id] = changed

    async def redeliver(self, delivery_id: str, now: datetime) -> Delivery:
        """Let a delivery, whatever its state, be tried again from now on. Raises `NotFound`."""
        with self._settling(delivery_id, now) as delivery:
            again = _replace(delivery, state=DeliveryState.WAITING, next_at=now)
            self._deliveries[delivery_id] = again
        return again

    async def give_up_deliveries(self, endpoints: Collection[str]) -> int:
        """What waits for endpoints other than these will not be delivered; returns how many."""
        lost = [
            one
            for one in self._deliveries.values()
            if one.state is DeliveryState.WAITING and one.endpoint not in endpoints
        ]
        for one in lost:
            self._deliveries[one.id] = _replace(one, state=DeliveryState.FAILED, next_at=None)
        return len(lost)

    async def deliveries(self, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Matching deliveries with all their attempts, newest event first."""
        order = {key: index for index, key in enumerate(self._events)}
        found = [one for one in self._deliveries.values() if _matches(one, wanted)]
        found.sort(key=lambda one: (-order[one.event.id], one.endpoint))
        return found[: wanted.limit]

    async def delivery_figures(self, endpoint: str, *, limit: int = 1000) -> DeliveryFigures:
        """How the endpoint's `limit` newest deliveries went."""
        newest = await self.deliveries(DeliveryFilter(endpoint=endpoint, limit=limit))
        counted = Counter(one.state for one in newest)
        failures = [tried for one in newest for tried in one.attempts if not tried.succeeded]
        return DeliveryFigures(
            waiting=counted[DeliveryState.WAITING],
            delivered=counted[DeliveryState.DELIVERED],
            failed=counted[DeliveryState.FAILED],
            last_failure=max(failures, key=lambda one: one.at, default=None),
        )


def _matches(one: Delivery, wanted: DeliveryFilter) -> bool:
    event = one.event
    return (
        wanted.id in {None, one.id}
        and wanted.account in {None, event.account}
        and wanted.project in {None, event.project}
        and wanted.endpoint in {None, one.endpoint}
        and wanted.subject in {None, event.subject}
        and wanted.type in {None, event.type}
        and wanted.state in {None, one.state}
        and (wanted.before is None or event.at < wanted.before)
    )
