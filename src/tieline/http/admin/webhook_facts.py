"""What else there is to know of webhooks: one endpoint, whether it may be reached, and what was sent about a call."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.admin.webhooks import ListedWebhook
from tieline.http.admin.signature import Call, Noun
from tieline.model.record import Record
from tieline.model.webhook import Delivery

webhook_facts = Noun("look")


class Reachable(Record):
    """Why nothing can be sent to an endpoint, as far as its address tells; null when nothing is known."""

    problem: str | None


@webhook_facts.get("/webhooks/{name}")
async def get_webhook(call: Call, name: str) -> ListedWebhook:
    """One endpoint, and how it does."""
    return await call.admin.webhooks.webhook(call.who, name)


@webhook_facts.get("/webhooks/{name}/check")
async def check_webhook(call: Call, name: str) -> Reachable:
    """Whether events may go where an endpoint is."""
    return Reachable(problem=await call.admin.webhooks.check(call.who, name))


@webhook_facts.get("/calls/{call_id}/deliveries")
async def list_call_deliveries(call: Call, call_id: str) -> Sequence[Delivery]:
    """What was sent about one call, in order."""
    return await call.admin.webhooks.of_call(call.who, call_id)
