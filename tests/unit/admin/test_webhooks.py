"""Webhooks as people keep them: endpoints, secrets shown once, deliveries, and whose they are."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.unit.admin.office import BUILDER, LOOKER, NOBODY, OWNER, STRANGER, Office, somebody
from tieline.admin.errors import Forbidden, InvalidFields
from tieline.admin.webhooks import ABOUT, WebhookAdmin, WebhookPorts
from tieline.errors import Conflict, NotFound
from tieline.model.user import Role
from tieline.model.webhook import DeliveryAttempt, DeliveryState, EventType, WebhookEndpoint
from tieline.store.people import AuditFilter

FIELDS = {"name": "crm", "account": "acme", "url": "https://crm.example.com/hook", "events": ["call.started"]}
OPERATOR = somebody(Role.OPERATOR)


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def webhooks(office: Office, woken: list[str]) -> WebhookAdmin:
    async def check(endpoint: WebhookEndpoint) -> str | None:
        return f"{endpoint.url} is private"

    office.store.wanted_events = frozenset(EventType)
    ports = WebhookPorts(wake=lambda: woken.append("woken"), check=check)
    return WebhookAdmin(office.resources, office.store, office.clock, office.trail, ports)


async def stored(office: Office) -> WebhookEndpoint:
    return (await office.store.resources()).webhooks[0]


async def test_every_type_has_words() -> None:
    assert set(ABOUT) == set(EventType)


async def test_a_secret_is_shown_once(webhooks: WebhookAdmin, office: Office) -> None:
    made = await webhooks.create(BUILDER, FIELDS)
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert (await stored(office)).secret == made.secret
    (listed,) = await webhooks.webhooks(LOOKER)
    assert (listed.name, listed.account, listed.events) == ("crm", "acme", (EventType.CALL_STARTED,))
    assert (listed.success_rate, listed.changeable, listed.previous_until) == (None, False, None)
    assert made.secret not in msgspec.json.encode(listed).decode()
    audited = msgspec.json.encode(list(await office.store.audit(AuditFilter()))).decode()
    assert made.secret not in audited


async def test_a_secret_of_ones_own(webhooks: WebhookAdmin, office: Office) -> None:
    made = await webhooks.create(BUILDER, FIELDS | {"secret": "a secret of my own making"})
    assert made.secret == "a secret of my own making"
    with pytest.raises(InvalidFields):
        await webhooks.update(BUILDER, "crm", {"secret": "another"})
    await webhooks.update(BUILDER, "crm", {"disabled": True, "events": None})
    after = await stored(office)
    assert (after.disabled, after.events, after.secret) == (True, (), made.secret)


async def test_a_secret_is_replaced_with_time_to_change_over(webhooks: WebhookAdmin, office: Office) -> None:
    first = await webhooks.create(BUILDER, FIELDS)
    second = await webhooks.rotate(BUILDER, "crm")
    after = await stored(office)
    assert (after.secret, after.previous_secret) == (second.secret, first.secret)
    assert after.previous_until == second.previous_until == office.clock.utc() + timedelta(days=1)
    assert (await webhooks.webhook(LOOKER, "crm")).previous_until == after.previous_until
    office.clock.advance(90000)
    assert (await webhooks.webhook(LOOKER, "crm")).previous_until is None
    third = await webhooks.rotate(BUILDER, "crm", timedelta())
    after = await stored(office)
    assert (after.secret, after.previous_secret, after.previous_until) == (third.secret, None, None)
    audited = msgspec.json.encode(list(await office.store.audit(AuditFilter()))).decode()
    assert not any(one.secret in audited for one in (first, second, third))
    for keep in (timedelta(days=31), timedelta(seconds=-1)):
        with pytest.raises(InvalidFields):
            await webhooks.rotate(BUILDER, "crm", keep)
    with pytest.raises(NotFound):
        await webhooks.rotate(BUILDER, "none")


async def test_a_test_goes_out_at_once(webhooks: WebhookAdmin, office: Office, woken: list[str]) -> None:
    await webhooks.create(BUILDER, FIELDS)
    delivery = await webhooks.test(OPERATOR, "crm")
    assert (delivery.event.type, delivery.endpoint, woken) == (EventType.TEST, "crm", ["woken"])
    assert delivery.event.data["by"] == "somebody@example.com"
    assert [one.id for one in await office.store.due_deliveries("crm", office.clock.utc(), 9)] == [
        delivery.id
    ]
    (entry, *_) = await office.store.audit(AuditFilter())
    assert (entry.action, entry.name) == ("test", "crm")
    await webhooks.update(BUILDER, "crm", {"disabled": True})
    with pytest.raises(Conflict):
        await webhooks.test(OPERATOR, "crm")


async def test_what_was_sent_about_a_call(webhooks: WebhookAdmin, office: Office) -> None:
    await webhooks.create(BUILDER, FIELDS)
    await office.call("c1")
    await office.end("c1")
    events = await office.store.unrouted_events(9)
    await office.store.route_events([(one.id, ["crm"]) for one in events], office.clock.utc())
    found = await webhooks.of_call(LOOKER, "c1")
    assert [one.event.type for one in found] == [EventType.CALL_STARTED, EventType.HANDOFF_STATE_CHANGED]
    assert await webhooks.of_call(STRANGER, "c1") == []
    assert await webhooks.of_call(somebody(Role.OWNER, project="PROJECT-other"), "c1") == []
    assert await webhooks.deliveries(STRANGER, endpoint="crm") == []
    with pytest.raises(NotFound):
        await webhooks.delivery(STRANGER, found[0].id)


async def test_a_delivery_is_tried_again(webhooks: WebhookAdmin, office: Office, woken: list[str]) -> None:
    await webhooks.create(BUILDER, FIELDS)
    delivery = await webhooks.test(OPERATOR, "crm")
    failed = DeliveryAttempt(at=office.clock.utc(), status=410, error="answered 410", duration_ms=1.0)
    await office.store.save_attempt(delivery.id, failed, DeliveryState.FAILED, None)
    (listed,) = await webhooks.webhooks(OPERATOR)
    assert (listed.failed, listed.success_rate, listed.last_failure) == (1, 0.0, failed)
    again = await webhooks.redeliver(OPERATOR, delivery.id)
    assert (again.state, len(woken)) == (DeliveryState.WAITING, 2)
    await webhooks.remove(BUILDER, "crm")
    with pytest.raises(Conflict):
        await webhooks.redeliver(OPERATOR, delivery.id)


async def test_what_has_to_wait_its_turn_does(webhooks: WebhookAdmin, office: Office) -> None:
    await webhooks.create(BUILDER, FIELDS)
    await office.call("c1")
    await office.end("c1")
    events = await office.store.unrouted_events(9)
    await office.store.route_events([(one.id, ["crm"]) for one in events], office.clock.utc())
    _, second = await webhooks.of_call(LOOKER, "c1")
    with pytest.raises(Conflict):
        await webhooks.redeliver(OPERATOR, second.id)


async def test_where_it_leads_is_checked(webhooks: WebhookAdmin) -> None:
    await webhooks.create(BUILDER, FIELDS)
    assert await webhooks.check(LOOKER, "crm") == "https://crm.example.com/hook is private"
    with pytest.raises(NotFound):
        await webhooks.check(STRANGER, "crm")


async def test_rights_and_accounts(webhooks: WebhookAdmin) -> None:
    for who in (LOOKER, OPERATOR, NOBODY):
        with pytest.raises(Forbidden):
            await webhooks.create(who, FIELDS)
    with pytest.raises(Forbidden):
        await webhooks.create(STRANGER, FIELDS)
    await webhooks.create(BUILDER, FIELDS)
    delivery = await webhooks.test(OPERATOR, "crm")
    for who in (LOOKER, NOBODY):
        for act in (
            webhooks.test(who, "crm"),
            webhooks.redeliver(who, delivery.id),
            webhooks.rotate(who, "crm"),
        ):
            with pytest.raises(Forbidden):
                await act
    with pytest.raises(Forbidden):
        await webhooks.deliveries(NOBODY)
    confined = somebody(Role.OWNER, project="PROJECT-desk")
    with pytest.raises(Forbidden):
        await webhooks.test(confined, "crm")
    assert await webhooks.webhooks(STRANGER) == []
    for act in (webhooks.test(STRANGER, "crm"), webhooks.redeliver(STRANGER, delivery.id)):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(Conflict):
        await webhooks.rotate(STRANGER, "crm")
    assert len(await webhooks.deliveries(OWNER)) == 1
