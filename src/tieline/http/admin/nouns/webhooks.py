"""Webhooks: how endpoints do, their tests and secrets, and every delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from tieline.admin.webhooks import KEEP_OLD, ListedWebhook
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Before, Filter, Limit, Shape
from tieline.model.record import Record
from tieline.model.webhook import Delivery, DeliveryState, EventType

webhooks = Noun("operate")


class Rotation(Shape):
    """How a signing secret is changed for another."""

    keep_old_hours: Annotated[
        float | None, Meta(description="How long the old secret signs beside it (24); 0: no longer.")
    ] = None


class NewSecret(Record):
    """An endpoint's new signing secret, which is shown here alone; until when the old one signs too."""

    name: str
    secret: str
    previous_until: datetime | None


class Reachable(Record):
    """Why nothing can be sent to an endpoint, as far as its address tells; null when nothing is known."""

    problem: str | None


class DeliveriesQuery(Filter):
    """Which deliveries to list."""

    endpoint: Annotated[str | None, Meta(description="Only those to this endpoint.")] = None
    subject: Annotated[
        str | None, Meta(description="Only those about this call, reservation, pool or trunk.")
    ] = None
    type: Annotated[EventType | None, Meta(description="Only events of this type.")] = None
    state: Annotated[DeliveryState | None, Meta(description="Only those in this state.")] = None
    before: Before = None
    limit: Limit = 100


@webhooks.get("/webhooks")
async def list_webhooks(call: Call) -> Sequence[ListedWebhook]:
    """Endpoints, and how they do."""
    return await call.admin.webhooks.webhooks(call.who)


@webhooks.get("/webhooks/{name}")
async def get_webhook(call: Call, name: str) -> ListedWebhook:
    """One endpoint, and how it does."""
    return await call.admin.webhooks.webhook(call.who, name)


@webhooks.get("/webhooks/{name}/check")
async def check_webhook(call: Call, name: str) -> Reachable:
    """Whether events may go where an endpoint is."""
    return Reachable(problem=await call.admin.webhooks.check(call.who, name))


@webhooks.post("/webhooks/{name}/test")
async def test_webhook(call: Call, name: str) -> Delivery:
    """Send an endpoint a test event at once."""
    return await call.admin.webhooks.test(call.who, name)


@webhooks.post("/webhooks/{name}/rotate", right="build")
async def rotate_webhook(call: Call, name: str, body: Rotation) -> NewSecret:
    """Give an endpoint a new signing secret."""
    hours = body.keep_old_hours
    keep = KEEP_OLD if hours is None else timedelta(hours=min(max(hours, -1), 10_000))
    made = await call.admin.webhooks.rotate(call.who, name, keep)
    return NewSecret(name=made.name, secret=made.secret, previous_until=made.previous_until)


@webhooks.get("/deliveries")
async def list_deliveries(call: Call, query: DeliveriesQuery) -> Sequence[Delivery]:
    """Deliveries, newest event first."""
    return await call.admin.webhooks.deliveries(
        call.who, endpoint=query.endpoint, subject=query.subject, type_=query.type, state=query.state,
        before=query.before, limit=query.limit,
    )  # fmt: skip


@webhooks.get("/deliveries/{delivery_id}")
async def get_delivery(call: Call, delivery_id: str) -> Delivery:
    """One delivery."""
    return await call.admin.webhooks.delivery(call.who, delivery_id)


@webhooks.post("/deliveries/{delivery_id}/redeliver")
async def redeliver(call: Call, delivery_id: str) -> Delivery:
    """Send a delivery again at once."""
    return await call.admin.webhooks.redeliver(call.who, delivery_id)


@webhooks.get("/calls/{call_id}/deliveries")
async def list_call_deliveries(call: Call, call_id: str) -> Sequence[Delivery]:
    """What was sent about one call, in order."""
    return await call.admin.webhooks.of_call(call.who, call_id)
