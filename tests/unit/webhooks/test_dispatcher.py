"""The dispatcher between a store and a poster that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from tieline.model.facts import event, trial_event
from tieline.model.trunk import Trunk
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEndpoint,
    WebhookEvent,
)
from tieline.model.webhook_payloads import TrialPayload
from tieline.observe.metrics import Metrics
from tieline.store.errors import StoreFailed
from tieline.store.memory import MemoryStore
from tieline.store.outbox import DeliveryFilter
from tieline.testing.clock import FakeClock
from tieline.testing.store_contract_webhooks import want
from tieline.testing.store_samples import ask, pool
from tieline.webhooks import dispatcher as module
from tieline.webhooks.dispatcher import LANES, Dispatcher, TrunkChange
from tieline.webhooks.posting import Posted, PostResult

TRUNK = Trunk(name="carrier", networks=(), account=None)


def endpoint(name: str = "e", **fields: Any) -> WebhookEndpoint:
    return WebhookEndpoint(
        **({"name": name, "account": "a", "url": f"https://{name}", "secret": "s"} | fields)
    )


def told(subject: str, mark: str = "", account: str = "a") -> WebhookEvent:
    payload = TrialPayload(endpoint="", by="")
    return event(EventType.CALL_ENDED, FakeClock().utc(), account, None, subject, payload, mark)


class Receivers:
    """Every endpoint's receiver: answers as told, or keeps one waiting."""

    def __init__(self) -> None:
        self.answers: dict[str, int | Exception] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.got: list[tuple[str, str]] = []
        self.under_way: dict[str, int] = {}
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1

    async def post(self, endpoint: WebhookEndpoint, delivery: Delivery, now: datetime) -> Posted:
        name = endpoint.name
        self.got.append((name, delivery.event.subject))
        self.under_way[name] = self.under_way.get(name, 0) + 1
        try:
            if name in self.held:
                await self.held[name].wait()
        finally:
            self.under_way[name] -= 1
        answer = self.answers.get(name, 200)
        if isinstance(answer, Exception):
            raise answer
        attempt = DeliveryAttempt(at=now, status=answer, error=None, duration_ms=1.0)
        return Posted(attempt, PostResult.DELIVERED if attempt.succeeded else PostResult.ANSWERED)


class Desk:
    """A dispatcher at work."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.receivers = Receivers()
        self.dispatcher = Dispatcher(
            self.store,
            self.clock,
            self.metrics,
            lambda: self.receivers,  # type: ignore[arg-type,return-value]
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(2000):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError(self.receivers.got)

    async def add(self, *events: WebhookEvent) -> None:
        await self.store.add_events(events)
        self.dispatcher.wake()

    async def settled(self) -> list[tuple[str, str, DeliveryState, int]]:
        """Deliveries by endpoint and subject, once nothing goes on."""
        for _ in range(200):
            await asyncio.sleep(0)
        found = await self.store.deliveries(DeliveryFilter())
        return sorted((one.endpoint, one.event.subject, one.state, len(one.attempts)) for one in found)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.dispatcher.wake()


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(module, "POLL_S", 3600.0)
    monkeypatch.setattr(module, "RETRY_STORE_S", 0.0)
    made = Desk()
    running = asyncio.create_task(made.dispatcher.run())
    yield made
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_events_go_where_they_are_wanted(desk: Desk) -> None:
    desk.dispatcher.follow([endpoint(), endpoint("f", account="b"), endpoint("g", disabled=True)])
    await desk.add(told("one"), told("two", account="b"), told("three", account="c"))
    assert await desk.settled() == [
        ("e", "one", DeliveryState.DELIVERED, 1), ("f", "two", DeliveryState.DELIVERED, 1),
    ]  # fmt: skip
    assert 'tieline_webhook_events_total{type="call.ended"} 3' in desk.metrics.render().decode()


async def test_what_failed_comes_again_before_what_follows_it(desk: Desk) -> None:
    desk.dispatcher.follow([endpoint()])
    desk.receivers.answers["e"] = 500
    await desk.add(told("one", "1"), told("one", "2"), told("two"))
    assert await desk.settled() == [
        ("e", "one", DeliveryState.WAITING, 0), ("e", "one", DeliveryState.WAITING, 1),
        ("e", "two", DeliveryState.WAITING, 1),
    ]  # fmt: skip
    desk.receivers.answers["e"] = 200
    desk.pass_time(59)
    assert len(desk.receivers.got) == 2
    desk.pass_time(1)
    assert {row[2] for row in await desk.settled()} == {DeliveryState.DELIVERED}
    assert [subject for _, subject in desk.receivers.got].count("one") == 3


async def test_after_six_attempts_it_has_failed_and_the_next_one_goes(desk: Desk) -> None:
    desk.dispatcher.follow([endpoint()])
    desk.receivers.answers["e"] = 503
    await desk.add(told("one", "1"), told("one", "2"))
    for wait_s in (60, 300, 900, 3600, 14400):
        await desk.settled()
        desk.pass_time(wait_s)
    assert await desk.settled() == [
        ("e", "one", DeliveryState.FAILED, 6), ("e", "one", DeliveryState.WAITING, 1),
    ]  # fmt: skip
    assert "tieline_webhook_failed_total 1" in desk.metrics.render().decode()


async def test_a_slow_endpoint_keeps_nobody_else_waiting(desk: Desk) -> None:
    desk.receivers.held["slow"] = asyncio.Event()
    desk.dispatcher.follow([endpoint("slow"), endpoint("quick")])
    await desk.add(*(told(str(index)) for index in range(50)))
    rows = await desk.settled()
    assert sum(row[2] is DeliveryState.DELIVERED for row in rows) == 50
    assert desk.receivers.under_way["slow"] == LANES
    desk.receivers.held.pop("slow").set()
    assert {row[2] for row in await desk.settled()} == {DeliveryState.DELIVERED}


async def test_a_disabled_endpoint_keeps_what_waits_and_a_removed_one_loses_it(desk: Desk) -> None:
    desk.receivers.answers["e"] = 500
    desk.dispatcher.follow([endpoint()])
    await desk.add(told("one"))
    assert await desk.settled() == [("e", "one", DeliveryState.WAITING, 1)]
    desk.dispatcher.follow([endpoint(disabled=True)])
    await desk.settled()
    desk.pass_time(3600)
    assert await desk.settled() == [("e", "one", DeliveryState.WAITING, 1)]
    desk.dispatcher.follow([endpoint()])
    assert await desk.settled() == [("e", "one", DeliveryState.WAITING, 2)]
    desk.dispatcher.follow([])
    assert await desk.settled() == [("e", "one", DeliveryState.FAILED, 2)]
    assert desk.receivers.closed == 2


async def test_an_endpoint_that_moved_begins_anew(desk: Desk) -> None:
    desk.receivers.held["e"] = asyncio.Event()
    desk.dispatcher.follow([endpoint()])
    await desk.add(told("one"))
    await desk.until(lambda: bool(desk.receivers.got))
    desk.receivers.held.pop("e")
    desk.dispatcher.follow([endpoint(url="https://elsewhere")])
    assert await desk.settled() == [("e", "one", DeliveryState.DELIVERED, 1)]
    assert desk.receivers.got == [("e", "one")] * 2


async def test_an_endpoint_of_another_account_by_the_same_name_gets_nothing(desk: Desk) -> None:
    desk.receivers.answers["e"] = 500
    desk.dispatcher.follow([endpoint()])
    await desk.add(told("one"))
    await desk.settled()
    desk.dispatcher.follow([endpoint(account="b")])
    desk.pass_time(60)
    assert await desk.settled() == [("e", "one", DeliveryState.FAILED, 2)]
    assert len(desk.receivers.got) == 1


async def test_a_test_goes_to_its_endpoint_alone(desk: Desk) -> None:
    desk.dispatcher.follow([endpoint(), endpoint("f")])
    await desk.settled()
    now = desk.clock.utc()
    await desk.store.send_event(trial_event(endpoint(), "jo", now), "e", now)
    desk.dispatcher.wake()
    assert [row[0] for row in await desk.settled()] == ["e"]


async def test_a_trunk_is_told_down_and_then_up_again(desk: Desk) -> None:
    desk.dispatcher.follow([endpoint(), endpoint("f", account="b")])
    for down, was_down in (
        (False, False),
        (True, False),
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ):
        desk.dispatcher.note_trunk(TrunkChange(TRUNK, "heard", down=down, was_down=was_down))
        await desk.settled()
        desk.clock.advance(1)
    found = await desk.store.deliveries(DeliveryFilter(endpoint="e"))
    down_type, up_type = EventType.TRUNK_DOWN, EventType.TRUNK_UP
    assert [one.event.type for one in reversed(found)] == [down_type, up_type, down_type, up_type]
    assert {one.event.account for one in await desk.store.deliveries(DeliveryFilter())} == {"a", "b"}


async def test_reservations_that_expire_are_looked_for(desk: Desk) -> None:
    await want(desk.store, pool(1))
    desk.dispatcher.follow([endpoint(events=(EventType.RESERVATION_EXPIRED,))])
    held = await desk.store.reserve(ask(), "p", desk.clock.utc())
    desk.pass_time(61)
    assert await desk.settled() == [("e", held.id, DeliveryState.DELIVERED, 1)]


async def test_a_store_that_fails_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = {"unrouted_events", "due_deliveries", "save_attempt", "give_up_deliveries"}
    whole = {name: getattr(desk.store, name) for name in failing}

    def fail(name: str) -> Any:
        async def once(*values: Any) -> Any:
            monkeypatch.setattr(desk.store, name, whole[name])
            raise StoreFailed("no space left")

        return once

    for name in failing:
        monkeypatch.setattr(desk.store, name, fail(name))
    desk.dispatcher.follow([endpoint()])
    await desk.add(told("one"))
    assert await desk.settled() == [("e", "one", DeliveryState.DELIVERED, 1)]
    assert desk.receivers.got == [("e", "one")] * 2


async def test_a_poster_that_breaks_loses_nothing(desk: Desk) -> None:
    desk.receivers.answers["e"] = ValueError("odd")
    desk.dispatcher.follow([endpoint()])
    await desk.add(told("one"))
    await desk.until(lambda: len(desk.receivers.got) > 1)
    desk.receivers.answers["e"] = 200
    assert await desk.settled() == [("e", "one", DeliveryState.DELIVERED, 1)]


async def test_what_finishes_while_the_store_is_read_is_not_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader's picture may be older than what was written since."""
    read = desk.store.due_deliveries

    async def slowly(*asked: Any, **more: Any) -> Any:
        found = await read(*asked, **more)
        for _ in range(20):
            await asyncio.sleep(0)
        return found

    monkeypatch.setattr(desk.store, "due_deliveries", slowly)
    desk.dispatcher.follow([endpoint()])
    for number in range(3 * LANES):
        await desk.add(told(f"call {number}", str(number)))
        await asyncio.sleep(0)
    settled = await desk.settled()
    for _ in range(3):
        settled = await desk.settled()
    assert [attempts for *_, attempts in settled] == [1] * 3 * LANES
    assert len(desk.receivers.got) == 3 * LANES
