"""Webhooks out: endpoints, the events they are told of, and how their delivery goes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from tieline.model.record import ConfidentialRecord, Record


class EventType(StrEnum):
    """The closed list of what an endpoint can be told of. Documented in docs/reference/webhooks.md."""

    RESERVATION_ARRIVED = "reservation.arrived"
    RESERVATION_EXPIRED = "reservation.expired"
    RESERVATION_LATE = "reservation.late"
    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"
    HANDOFF_STATE_CHANGED = "handoff_state.changed"
    POOL_EXHAUSTED = "pool.exhausted"
    TRUNK_DOWN = "trunk.down"
    TRUNK_UP = "trunk.up"
    SMS_RECEIVED = "sms.received"
    SMS_STATUS = "sms.status"
    TEST = "test"


class WebhookEndpoint(ConfidentialRecord):
    """Where events of an account, or of one project of it, are posted. A resource like trunks and pools.

    `secret` signs; for as long as `previous_until` the `previous_secret` signs beside it (rotation).
    `allow_private` lets it be a private or loopback address, when the server's settings allow that at all.
    """

    hidden: ClassVar[tuple[str, ...]] = ("secret", "previous_secret")

    name: str
    account: str
    project: str | None = None
    url: str
    events: tuple[EventType, ...] = ()
    secret: str
    previous_secret: str | None = None
    previous_until: datetime | None = None
    disabled: bool = False
    allow_private: bool = False


class WebhookEvent(Record):
    """One fact to be told. `id` is what receivers know repeats by; those of one `subject` are delivered in order.

    `subject` is a call's conversation id where there is a call, else the reservation, pool or trunk concerned.
    """

    id: str
    type: EventType
    at: datetime
    account: str
    project: str | None
    subject: str
    data: dict[str, Any]


class DeliveryState(StrEnum):
    """How far the delivery of one event to one endpoint is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryAttempt(Record):
    """One POST and what came of it. `status` None: there was no answer, and `error` says why."""

    at: datetime
    status: int | None
    error: str | None
    duration_ms: float
    answer: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the event: any answer of the 2xx kind."""
        return self.status is not None and 200 <= self.status < 300


class Delivery(Record):
    """One event on its way to one endpoint, with every attempt so far."""

    id: str
    endpoint: str
    event: WebhookEvent
    state: DeliveryState
    next_at: datetime | None
    attempts: tuple[DeliveryAttempt, ...] = ()
