"""Webhooks: how endpoints do, their tests and secrets, and every delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tieline.admin.webhooks import KEEP_OLD, ListedWebhook
from tieline.http.admin.table import BEFORE, LIMIT, PREFIX, AdminRoute, Asked, Parameter
from tieline.model.webhook import Delivery, DeliveryState, EventType


@dataclass(frozen=True, slots=True)
class WebhookList:
    """Endpoints without their secrets."""

    items: Sequence[ListedWebhook]


@dataclass(frozen=True, slots=True)
class DeliveryList:
    """Deliveries with their attempts, newest event first."""

    items: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint's new signing secret, which is shown here alone; until when the old one signs too."""

    name: str
    secret: str
    previous_until: datetime | None


async def _list(asked: Asked) -> WebhookList:
    return WebhookList(await asked.admin.webhooks.webhooks(asked.who))


async def _test(asked: Asked) -> Delivery:
    return await asked.admin.webhooks.test(asked.who, asked.path["name"])


async def _rotate(asked: Asked) -> NewSecret:
    hours = asked.only(keep_old_hours=(int, float)).get("keep_old_hours")
    keep = KEEP_OLD if hours is None else timedelta(hours=min(max(hours, -1), 10_000))
    made = await asked.admin.webhooks.rotate(asked.who, asked.path["name"], keep)
    return NewSecret(made.name, made.secret, made.previous_until)


async def _deliveries(asked: Asked) -> DeliveryList:
    found = await asked.admin.webhooks.deliveries(
        asked.who, endpoint=asked.text("endpoint"), subject=asked.text("subject"),
        type_=asked.word("type", EventType), state=asked.word("state", DeliveryState), before=asked.time("before"),
        limit=asked.limit(),
    )  # fmt: skip
    return DeliveryList(found)


async def _delivery(asked: Asked) -> Delivery:
    return await asked.admin.webhooks.delivery(asked.who, asked.path["delivery_id"])


async def _redeliver(asked: Asked) -> Delivery:
    return await asked.admin.webhooks.redeliver(asked.who, asked.path["delivery_id"])


_WEBHOOKS = f"{PREFIX}/webhooks"
_DELIVERIES = f"{PREFIX}/deliveries"

ROUTES = (
    AdminRoute("GET", _WEBHOOKS, "list_webhooks", "Endpoints, and how they do.", _list, "look", WebhookList),
    AdminRoute("POST", f"{_WEBHOOKS}/{{name}}/test", "test_webhook", "Send an endpoint a test event at once.", _test,
               "operate", Delivery),
    AdminRoute("POST", f"{_WEBHOOKS}/{{name}}/rotate", "rotate_webhook", "Give an endpoint a new signing secret.",
               _rotate, "build", NewSecret,
               body={"keep_old_hours": "How long the old secret signs beside it (24); 0: no longer."}),
    AdminRoute("GET", _DELIVERIES, "list_deliveries", "Deliveries, newest event first.", _deliveries, "look",
               DeliveryList, (
        Parameter("endpoint", "Only those to this endpoint."),
        Parameter("subject", "Only those about this call, reservation, pool or trunk."),
        Parameter("type", "Only events of this type."), Parameter("state", "waiting, delivered or failed."), BEFORE,
        LIMIT,
    )),
    AdminRoute("GET", f"{_DELIVERIES}/{{delivery_id}}", "get_delivery", "One delivery.", _delivery, "look", Delivery),
    AdminRoute("POST", f"{_DELIVERIES}/{{delivery_id}}/redeliver", "redeliver", "Send a delivery again at once.",
               _redeliver, "operate", Delivery),
)  # fmt: skip
