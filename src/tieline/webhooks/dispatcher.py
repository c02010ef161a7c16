"""Takes events out of the outbox and delivers them: one lane for each endpoint, so that none waits for another's.

A lane has a few requests under way at a time, of different subjects; what concerns one subject goes one after the
other, which the store sees to. Whatever is interrupted is still waiting in the store, so an event is delivered at least
once, and its id tells a receiver what it has had.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tieline.clock import Clock
from tieline.errors import TielineError
from tieline.model.facts import trunk_changed
from tieline.model.trunk import Trunk
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEndpoint,
)
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.store.outbox import DeliveryFilter, WebhookStore
from tieline.webhooks.posting import Posted, Poster, PostResult
from tieline.webhooks.routes import accounts_told, endpoints_of, may_have, wanted_types
from tieline.webhooks.schedule import settle

POLL_S = 0.25
"""How often new events are looked for while there are endpoints."""

EXPIRY_S = 5.0
"""How often reservations that have expired are looked for."""

LANES = 4
"""Requests that one endpoint has under way at a time."""

BATCH = 500
"""Events that are routed with one write."""

RETRY_STORE_S = 5.0
"""How long to leave a store alone that has failed."""


@dataclass(frozen=True, slots=True)
class TrunkChange:
    """A trunk that is `down`, or up: again, where it `was_down`, or for the first time since the server began."""

    trunk: Trunk
    detail: str
    down: bool
    was_down: bool


MakePoster = Callable[[], Poster]


class Dispatcher:
    """One per server. `follow` tells it of the endpoints, `run` does the work."""

    def __init__(self, store: WebhookStore, clock: Clock, metrics: Metrics, make_poster: MakePoster) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._make_poster = make_poster
        self._endpoints: tuple[WebhookEndpoint, ...] = ()
        self._lanes: dict[str, _Lane] = {}
        self._woken = asyncio.Event()
        self._changes: list[tuple[WebhookEndpoint, ...]] = []
        self._trunks: list[TrunkChange] = []
        self._expiry_due = 0.0
        self._log = get_logger("webhooks")

    def want(self, endpoints: Sequence[WebhookEndpoint]) -> None:
        """Let the store know what to write down, from now on."""
        self._store.wanted_events = wanted_types(endpoints)

    def follow(self, endpoints: Sequence[WebhookEndpoint]) -> None:
        """These are the endpoints now."""
        self.want(endpoints)
        self._changes.append(tuple(endpoints))
        self._woken.set()

    def wake(self) -> None:
        """Look at once: something was put in by hand."""
        self._woken.set()
        for lane in self._lanes.values():
            lane.wake()

    async def run(self) -> None:
        """Route events and keep a lane for each endpoint, until cancelled."""
        try:
            while True:
                pause_s: float | None = POLL_S
                try:
                    await self._round()
                except TielineError as error:
                    self._log.error("webhook events not routed", detail=error.message)
                    pause_s = RETRY_STORE_S
                if not self._endpoints and not self._changes:
                    pause_s = None
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), pause_s)
                self._woken.clear()
        finally:
            await asyncio.gather(*(lane.stop() for lane in self._lanes.values()), return_exceptions=True)
            self._lanes.clear()

    def note_trunk(self, change: TrunkChange) -> None:
        """A trunk that is watched was lost, or is up: to be told."""
        self._trunks.append(change)
        self._woken.set()

    async def _round(self) -> None:
        """What is to be done now: other endpoints, reservations that expired, new events."""
        while self._changes:
            known = len(self._changes)
            await self._change(self._changes[-1])
            del self._changes[:known]
        while self._trunks:
            await self._tell_trunk(self._trunks[0])
            del self._trunks[0]
        if EventType.RESERVATION_EXPIRED in self._store.wanted_events:
            await self._look_for_expired()
        while events := await self._store.unrouted_events(BATCH):
            routes = [(one.id, endpoints_of(one, self._endpoints)) for one in events]
            await self._store.route_events(routes, self._clock.utc())
            for one in events:
                self._metrics.inc("tieline_webhook_events_total", one.type)
            for name in {name for _, names in routes for name in names}:
                if name in self._lanes:
                    self._lanes[name].wake()

    async def _tell_trunk(self, change: TrunkChange) -> None:
        trunk, at, down = change.trunk, self._clock.utc(), change.down
        type_ = EventType.TRUNK_DOWN if down else EventType.TRUNK_UP
        told = accounts_told(trunk, type_, self._endpoints)
        if not told or not (down or change.was_down or await self._was_told_down(trunk)):
            return
        await self._store.add_events(
            [trunk_changed(trunk, one, at, change.detail, down=down) for one in told]
        )

    async def _was_told_down(self, trunk: Trunk) -> bool:
        """Whether the last that was told of a trunk, maybe by an earlier process, is that it was lost."""
        last = await self._store.deliveries(DeliveryFilter(subject=trunk.name, limit=1))
        return any(one.event.type is EventType.TRUNK_DOWN for one in last)

    async def _look_for_expired(self) -> None:
        if self._clock.monotonic() >= self._expiry_due:
            self._expiry_due = self._clock.monotonic() + EXPIRY_S
            while await self._store.expired_reservation_events(self._clock.utc(), BATCH) == BATCH:
                pass

    async def _change(self, endpoints: tuple[WebhookEndpoint, ...]) -> None:
        """Keep a lane for each of these endpoints that is not disabled."""
        self._endpoints = endpoints
        active = {one.name: one for one in endpoints if not one.disabled}
        for name in [name for name in self._lanes if name not in active]:
            await self._lanes.pop(name).stop()
        for name, one in active.items():
            if name in self._lanes and self._lanes[name].endpoint.url != one.url:
                await self._lanes.pop(name).stop()
            if name not in self._lanes:
                self._lanes[name] = _Lane(one, self._store, self._clock, self._metrics, self._make_poster())
            self._lanes[name].endpoint = one
            self._lanes[name].wake()
        given_up = await self._store.give_up_deliveries([one.name for one in endpoints])
        if given_up:
            self._log.warning("deliveries to removed webhooks given up", deliveries=given_up)


class _Lane:
    """The deliveries to one endpoint."""

    def __init__(
        self, endpoint: WebhookEndpoint, store: WebhookStore, clock: Clock, metrics: Metrics, poster: Poster
    ) -> None:
        self.endpoint = endpoint
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._poster = poster
        self._woken = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._finished: set[str] = set()
        self._log = get_logger("webhooks").bind(webhook=endpoint.name)
        self._task = asyncio.create_task(self._run(), name=f"webhook {endpoint.name}")

    def wake(self) -> None:
        """There may be something to deliver."""
        self._woken.set()

    async def stop(self) -> None:
        """Leave it: what is under way is tried again by whoever comes next."""
        tasks = [self._task, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._poster.close()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                pause_s = await self._start_due()
            except TielineError as error:
                self._log.error("deliveries cannot be read", detail=error.message)
                pause_s = RETRY_STORE_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause_s)

    async def _start_due(self) -> float | None:
        """Begin what is due, as far as there is room; in how many seconds to look again, None: when woken."""
        if len(self._running) >= LANES:
            return None
        now = self._clock.utc()
        self._finished.clear()
        due = await self._store.due_deliveries(self.endpoint.name, now, LANES + len(self._running))
        # What has finished while the store was being read may have been due when it looked.
        begun = self._running.keys() | self._finished
        for delivery in due:
            if delivery.id not in begun and len(self._running) < LANES:
                task = asyncio.create_task(self._deliver(delivery), name=f"webhook {delivery.id}")
                self._running[delivery.id] = task
        if due:
            return None  # each wakes the lane when it is done, or has done so already
        next_at = await self._store.next_delivery_at(self.endpoint.name)
        return None if next_at is None else max((next_at - now).total_seconds(), 0.01)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._attempt(delivery)
        except TielineError as error:
            self._log.error("an attempt is not stored", delivery=delivery.id, detail=error.message)
            await asyncio.sleep(RETRY_STORE_S)
        except Exception:
            self._log.exception("an attempt failed in an unknown way", delivery=delivery.id)
            await asyncio.sleep(RETRY_STORE_S)
        finally:
            self._running.pop(delivery.id, None)
            self._finished.add(delivery.id)
            self._woken.set()

    async def _attempt(self, delivery: Delivery) -> None:
        endpoint, now = self.endpoint, self._clock.utc()
        if may_have(endpoint, delivery.event):
            posted = await self._poster.post(endpoint, delivery, now)
            made = len(delivery.attempts) + 1
            state, next_at = settle(posted.attempt.status, posted.retry_after, made, self._clock.utc())
        else:
            posted, state, next_at = _not_theirs(delivery), DeliveryState.FAILED, None
        await self._store.save_attempt(delivery.id, posted.attempt, state, next_at)
        self._metrics.inc("tieline_webhook_attempts_total", posted.result)
        self._metrics.observe("tieline_webhook_attempt_seconds", posted.attempt.duration_ms / 1000)
        if state is DeliveryState.FAILED:
            self._metrics.inc("tieline_webhook_failed_total")
            self._log.warning(
                "webhook not delivered", delivery=delivery.id, event_type=delivery.event.type.value,
                attempts=len(delivery.attempts) + 1, detail=posted.attempt.error,
            )  # fmt: skip


def _not_theirs(delivery: Delivery) -> Posted:
    """An event that was meant for the endpoint when it was another account's, or another project's."""
    attempt = DeliveryAttempt(
        at=delivery.next_at or delivery.event.at,
        status=None,
        error="not sent: the endpoint is of another account or project now",
        duration_ms=0.0,
    )
    return Posted(attempt, PostResult.REFUSED)


def tls_context() -> ssl.SSLContext:
    """How certificates of receivers are checked: by the system's authorities."""
    return ssl.create_default_context()
