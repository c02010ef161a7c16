"""What every store must do with the outbox of webhook events, as tests to inherit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest

from tieline.errors import NotFound
from tieline.model.environment import Environment
from tieline.model.facts import event
from tieline.model.project import Account, Project
from tieline.model.resources import Resources
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEvent,
)
from tieline.model.webhook_payloads import PoolExhaustedPayload
from tieline.store.base import Store
from tieline.store.errors import PoolExhausted
from tieline.store.outbox import DeliveryFigures, DeliveryFilter
from tieline.testing.store_contract_conversations import closed, opened, outcome
from tieline.testing.store_samples import STRANGER, T0, after, ask, invite, pool

CALL = "conversation-c1"
_Told = tuple[EventType, dict[str, Any]]


def told(subject: str = "p", mark: str = "", at: datetime = T0, **fields: Any) -> WebhookEvent:
    """Some event."""
    made = event(
        EventType.POOL_EXHAUSTED,
        at,
        "a",
        "x",
        subject,
        PoolExhaustedPayload(pool="p", retry_after_s=1.0),
        mark,
    )
    return msgspec.structs.replace(made, **fields)


def attempt(at: datetime = T0, status: int | None = 500) -> DeliveryAttempt:
    """One POST."""
    return DeliveryAttempt(
        at=at, status=status, error=None if status else "refused", duration_ms=2.5, answer="x"
    )


async def want(store: Store, *pools: Any) -> None:
    """Want every type, and have a project for the pools."""
    store.wanted_events = frozenset(EventType)
    project = Project(id="x", slug="x", account="a", env=Environment.LIVE, answer_only=True)
    accounts = (Account(id="a", slug="a"),)
    await store.apply(lambda _: Resources(accounts=accounts, projects=(project,), pools=pools), T0)


async def happened(store: Store) -> Sequence[WebhookEvent]:
    """All events that were not routed."""
    return await store.unrouted_events(1000)


async def types(store: Store) -> list[EventType]:
    """Their types."""
    return [one.type for one in await happened(store)]


async def route(store: Store, *endpoints: str, now: datetime = T0) -> None:
    """Route all that is not routed to these endpoints."""
    await store.route_events([(one.id, endpoints) for one in await happened(store)], now)


async def due(store: Store, at: datetime, endpoint: str = "e", limit: int = 100) -> list[str]:
    """Marks (subjects) of what is due."""
    return [one.event.subject for one in await store.due_deliveries(endpoint, at, limit)]


async def first(store: Store, **wanted: Any) -> Delivery:
    """The newest matching delivery."""
    return (await store.deliveries(DeliveryFilter(**wanted)))[0]


class WebhookContract:
    """Facts leave events behind, and events are delivered in order."""

    async def test_a_call_is_told_from_its_start_to_its_end(self, store: Store) -> None:
        await want(store)
        await store.open_conversation(opened())
        await store.open_conversation(opened())
        await store.mark_answered(CALL, after(1))
        await store.save_outcome(outcome(handoff={"destination": "sales", "method": "refer"}))
        await store.save_outcome(outcome(data={"other": 1}))
        await store.withdraw_outcome(CALL, after(3))
        await store.withdraw_outcome(CALL, after(3))
        await store.save_outcome(outcome(revision=1, handoff=None))
        await store.save_outcome(outcome(revision=2, handoff=None))
        await store.close_conversation(closed(answered_at=after(1), ended_at=after(11)))
        await store.close_conversation(closed())
        events = await happened(store)
        handoff = EventType.HANDOFF_STATE_CHANGED
        assert [one.type for one in events] == [EventType.CALL_STARTED, *[handoff] * 3, EventType.CALL_ENDED]
        assert len({one.id for one in events}) == 5
        assert {(one.account, one.project, one.subject) for one in events} == {("a", "x", CALL)}
        start, *handoffs, end = [one.data for one in events]
        assert (start["trunk"], start["callee_number"], start["shared_id"]) == (
            "carrier",
            "+15550100000",
            "1234",
        )
        assert [(one["status"], one["destination"], one["method"]) for one in handoffs] == [
            ("ended_with_handoff", "sales", "refer"),
            ("in_progress", None, None),
            ("ended_with_handoff", None, None),
        ]
        assert (end["talk_s"], end["handed_off"]) == (10.0, True)
        assert events[2].at == after(3)

    async def test_a_call_without_outcome_says_so_as_it_ends(self, store: Store) -> None:
        await want(store)
        await store.open_conversation(opened())
        assert await store.settle_interrupted(after(5)) == 1
        events = await happened(store)
        assert [one.type for one in events][1:] == [EventType.HANDOFF_STATE_CHANGED, EventType.CALL_ENDED]
        assert events[1].data["status"] == "ended_without_handoff"
        assert (events[2].data["reason"], events[2].data["answered_at"]) == ("interrupted", None)

    async def test_no_caller_is_named(self, store: Store) -> None:
        await want(store, pool(1))
        held = await store.reserve(ask(expected_caller="+15550109999"), "p", T0)
        await store.bind(invite(held.number), after(1))
        await store.open_conversation(opened(attributes_json='{"customer":{"age":25}}'))
        await store.save_outcome(outcome(data={"customer": "Jo"}))
        await store.close_conversation(closed())
        text = msgspec.json.encode(list(await happened(store))).decode()
        assert "+15550109999" not in text
        assert "customer" not in text

    async def test_nothing_is_put_in_that_nobody_wants(self, store: Store) -> None:
        await want(store, pool(1))
        store.wanted_events = frozenset({EventType.CALL_ENDED})
        await store.reserve(ask(), "p", T0)
        with pytest.raises(PoolExhausted):
            await store.reserve(ask(), "p", T0)
        await store.open_conversation(opened())
        await store.add_events([told()])
        await store.close_conversation(closed())
        assert await store.expired_reservation_events(after(500), 10) == 0
        assert await types(store) == [EventType.CALL_ENDED]

    async def test_a_caller_arrives_once(self, store: Store) -> None:
        await want(store, pool(2))
        held = await store.reserve(ask(expected_caller="+15550109999"), "p", T0)
        for _ in range(2):
            await store.bind(invite(held.number), after(1))
        assert (await store.bind(invite(held.number, "c9"), after(2))).reservation is None
        (arrived,) = await happened(store)
        assert (arrived.type, arrived.subject, arrived.account) == (EventType.RESERVATION_ARRIVED, CALL, "a")
        assert arrived.data["reservation_id"] == held.id
        assert arrived.data["caller_matched"] is True

    async def test_a_late_caller_is_told_as_late(self, store: Store) -> None:
        await want(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await store.bind(invite(held.number), after(75))
        (late,) = await happened(store)
        assert (late.type, late.data["late_s"]) == (EventType.RESERVATION_LATE, 15.0)
        assert await store.expired_reservation_events(after(80), 10) == 0

    async def test_a_reservation_that_nobody_called_on_expires_once(self, store: Store) -> None:
        await want(store, pool(3))
        lost = await store.reserve(ask(), "p", T0)
        given_up = await store.reserve(ask(), "p", T0)
        called = await store.reserve(ask(), "p", T0)
        await store.release(given_up.id, "x", after(1))
        await store.bind(invite(called.number, caller=STRANGER), after(2))
        await route(store, "e")
        assert await store.expired_reservation_events(after(59), 10) == 0
        for at, found in ((61, 1), (62, 0), (900, 0)):
            assert await store.expired_reservation_events(after(at), 10) == found
        (expired,) = await happened(store)
        assert (expired.type, expired.subject, expired.at) == (
            EventType.RESERVATION_EXPIRED, lost.id, lost.expires_at,
        )  # fmt: skip

    async def test_one_expired_before_anybody_looked_is_told_when_its_number_goes_out_again(
        self, store: Store
    ) -> None:
        await want(store, pool(1, expiry_cooldown_s=0.0))
        lost = await store.reserve(ask(), "p", T0)
        await store.reserve(ask(), "p", after(60))
        await store.expired_reservation_events(after(61), 10)
        (expired,) = await happened(store)
        assert (expired.type, expired.subject) == (EventType.RESERVATION_EXPIRED, lost.id)

    async def test_what_expired_long_ago_is_history(self, store: Store) -> None:
        await want(store, pool(1))
        await store.reserve(ask(), "p", T0)
        assert await store.expired_reservation_events(after(3661), 10) == 0

    async def test_a_full_pool_is_told_once_a_minute(self, store: Store) -> None:
        await want(store, pool(1))
        await store.reserve(ask(ttl_s=180), "p", T0)
        for at in (1, 2, 59.9, 60, 61):
            with pytest.raises(PoolExhausted):
                await store.reserve(ask(), "p", after(at))
        await store.add_events([])
        await store.set_number_admin("p", "+15550100000", (await store.pool_numbers("p", T0))[0].admin)
        events = await happened(store)
        assert [(one.type, one.subject, one.account) for one in events] == [
            (EventType.POOL_EXHAUSTED, "p", "a")
        ] * 2

    # -- deliveries -------------------------------------------------------------------------------------------

    async def test_an_event_is_routed_once(self, store: Store) -> None:
        await want(store)
        await store.add_events([told("one"), told("one"), told("two")])
        assert [one.subject for one in await happened(store)] == ["one", "two"]
        for _ in range(2):
            await store.route_events([(one, ("e", "f")) for one in (told("one").id, "none")], T0)
        assert [one.subject for one in await store.unrouted_events(1)] == ["two"]
        found = await store.deliveries(DeliveryFilter())
        assert [(one.endpoint, one.event.subject, one.state) for one in found] == [
            ("e", "one", DeliveryState.WAITING), ("f", "one", DeliveryState.WAITING),
        ]  # fmt: skip
        assert len({one.id for one in found}) == 2

    async def test_what_concerns_one_subject_goes_out_in_order(self, store: Store) -> None:
        await want(store)
        await store.add_events([told("one", "1"), told("one", "2"), told("two"), told("one", "3")])
        await route(store, "e", "f")
        assert await due(store, after(-1)) == []
        assert await due(store, T0) == ["one", "two"]
        assert await due(store, T0, limit=1) == ["one"]
        head = (await store.due_deliveries("e", T0, 1))[0]
        await store.save_attempt(head.id, attempt(), DeliveryState.WAITING, after(60))
        assert await due(store, after(59)) == ["two"]
        assert await due(store, after(60)) == ["two", "one"]
        await store.add_events([told("one", "4")])
        await route(store, "e", now=after(61))
        for mark in ("1", "2", "3", "4"):
            waiting = [
                one for one in await store.due_deliveries("e", after(99), 9) if one.event.subject == "one"
            ]
            assert [one.event.id for one in waiting] == [told("one", mark).id]
            state = DeliveryState.FAILED if mark == "2" else DeliveryState.DELIVERED
            await store.save_attempt(waiting[0].id, attempt(after(70), 200), state, None)
        assert await due(store, after(99)) == ["two"]
        assert await due(store, after(99), "f") == ["one", "two"]

    async def test_the_next_time_is_that_of_the_first_in_turn(self, store: Store) -> None:
        await want(store)
        assert await store.next_delivery_at("e") is None
        await store.add_events([told("one", "1"), told("one", "2")])
        await route(store, "e")
        (head,) = await store.due_deliveries("e", T0, 9)
        await store.save_attempt(head.id, attempt(), DeliveryState.WAITING, after(300))
        assert await store.next_delivery_at("e") == after(300)
        await store.save_attempt(head.id, attempt(after(300)), DeliveryState.FAILED, None)
        assert await store.next_delivery_at("e") == after(300)
        assert [len(one.attempts) for one in await store.deliveries(DeliveryFilter())] == [0, 2]

    async def test_a_delivery_is_tried_again_by_hand(self, store: Store) -> None:
        await want(store)
        await store.add_events([told("one", "1"), told("one", "2")])
        await route(store, "e")
        (head,) = await store.due_deliveries("e", T0, 9)
        await store.save_attempt(head.id, attempt(status=None), DeliveryState.FAILED, None)
        again = await store.redeliver(head.id, after(5))
        assert (again.state, again.next_at, again.attempts) == (
            DeliveryState.WAITING, after(5), (attempt(status=None),),
        )  # fmt: skip
        assert {one.event.id for one in await store.due_deliveries("e", after(5), 9)} == {
            told("one", "1").id, told("one", "2").id,
        }  # fmt: skip
        await store.save_attempt(head.id, attempt(after(6), 204), DeliveryState.DELIVERED, None)
        done = await first(store, id=head.id)
        assert ([one.status for one in done.attempts], done.state) == ([None, 204], DeliveryState.DELIVERED)

    async def test_what_waits_for_an_endpoint_that_is_gone_has_failed(self, store: Store) -> None:
        await want(store)
        await store.add_events([told("one", "1"), told("one", "2")])
        await route(store, "gone", "e")
        (head,) = await store.due_deliveries("gone", T0, 9)
        assert await store.give_up_deliveries(["e"]) == 2
        await store.save_attempt(head.id, attempt(), DeliveryState.WAITING, after(60))
        assert await store.next_delivery_at("gone") is None
        assert (await first(store, id=head.id)).state is DeliveryState.FAILED
        assert await store.give_up_deliveries(["e"]) == 0
        assert await due(store, T0) == ["one"]

    async def test_an_event_for_one_endpoint(self, store: Store) -> None:
        await want(store)
        store.wanted_events = frozenset()
        delivery_id = await store.send_event(told("test"), "e", T0)
        assert await happened(store) == []
        (delivery,) = await store.due_deliveries("e", T0, 9)
        assert (delivery.id, delivery.event) == (delivery_id, told("test"))

    async def test_deliveries_are_found(self, store: Store) -> None:
        await want(store)
        await store.add_events(
            [
                told("one", at=T0), told("two", at=after(1), account="b"),
                told("three", at=after(2), type=EventType.TRUNK_UP, project=None),
            ]
        )  # fmt: skip
        await route(store, "e")

        async def find(**wanted: Any) -> list[str]:
            found = await store.deliveries(DeliveryFilter(**wanted))
            return [one.event.subject for one in found]

        assert await find() == ["three", "two", "one"]
        assert await find(limit=1) == ["three"]
        assert await find(account="b") == ["two"]
        assert await find(project="x") == ["two", "one"]
        assert await find(endpoint="f") == []
        assert await find(subject="one") == ["one"]
        assert await find(type=EventType.TRUNK_UP) == ["three"]
        assert await find(state=DeliveryState.FAILED) == []
        assert await find(before=after(1)) == ["one"]

    async def test_how_an_endpoint_does(self, store: Store) -> None:
        await want(store)
        assert await store.delivery_figures("e") == DeliveryFigures()
        await store.add_events([told(str(index)) for index in range(4)])
        await route(store, "e")
        one, two, three, _ = await store.due_deliveries("e", T0, 9)
        await store.save_attempt(one.id, attempt(status=200), DeliveryState.DELIVERED, None)
        await store.save_attempt(two.id, attempt(after(9), 500), DeliveryState.FAILED, None)
        await store.save_attempt(three.id, attempt(after(8), None), DeliveryState.WAITING, after(60))
        assert await store.delivery_figures("e") == DeliveryFigures(
            waiting=2, delivered=1, failed=1, last_failure=attempt(after(9), 500)
        )

    async def test_unknown_deliveries_are_not_found(self, store: Store) -> None:
        for write in (
            store.save_attempt("none", attempt(), DeliveryState.FAILED, None),
            store.redeliver("none", T0),
        ):
            with pytest.raises(NotFound):
                await write

    async def test_old_events_go_unless_they_wait(self, store: Store) -> None:
        await want(store)
        await store.add_events([told(str(index), at=after(index)) for index in range(4)])
        await store.route_events([(told(str(index)).id, ("e",)) for index in range(3)], T0)
        for delivery in (await store.due_deliveries("e", T0, 9))[:2]:
            await store.save_attempt(delivery.id, attempt(status=200), DeliveryState.DELIVERED, None)
        pruned = await store.prune(after(101), keep_s=100.0, keep_keys_s=100.0)
        assert pruned.events == 1
        pruned = await store.prune(after(900), keep_s=100.0, keep_keys_s=100.0)
        assert pruned.events == 1
        assert [one.event.subject for one in await store.deliveries(DeliveryFilter())] == ["2"]
        assert [one.subject for one in await happened(store)] == ["3"]
