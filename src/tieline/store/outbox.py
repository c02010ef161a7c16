"""The store's protocol for what goes out: webhook events with their deliveries, and SMS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from tieline.model.record import Record
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.model.webhook import Delivery, DeliveryAttempt, DeliveryState, EventType, WebhookEvent

EXPIRED_WITHIN = timedelta(hours=1)
"""How long ago a reservation may have expired for its event to be put in still."""


class DeliveryFilter(Record):
    """What to list, newest first. None means any; `endpoint` is a webhook's name, `subject` that of the event."""

    id: str | None = None
    account: str | None = None
    project: str | None = None
    endpoint: str | None = None
    subject: str | None = None
    type: EventType | None = None
    state: DeliveryState | None = None
    before: datetime | None = None
    limit: int = 100


class DeliveryFigures(Record):
    """How an endpoint's newest deliveries went; `last_failure` is the newest attempt among them that failed."""

    waiting: int = 0
    delivered: int = 0
    failed: int = 0
    last_failure: DeliveryAttempt | None = None


class SmsFilter(Record):
    """What to list, newest first. None means any; `number` is either end, `before` the time that it was made."""

    account: str | None = None
    project: str | None = None
    conversation_id: str | None = None
    number: str | None = None
    state: SmsState | None = None
    before: datetime | None = None
    limit: int = 100


class WebhookStore(Protocol):
    """The outbox of webhook events. Facts of calls and reservations put theirs in with the same commit.

    `wanted_events` are the types that some endpoint gets: only those are written. The server sets it, before it
    settles what the last process left behind. Of the deliveries to one endpoint about one subject only the oldest that
    waits has a `next_at`; the one behind it gets its own when that one is delivered or has failed.
    """

    wanted_events: Collection[EventType]

    async def add_events(self, events: Sequence[WebhookEvent]) -> None:
        """Events of their own, which belong to no other write. One whose id is there already is passed over."""
        ...

    async def unrouted_events(self, limit: int) -> Sequence[WebhookEvent]:
        """Events that were given no deliveries yet, oldest first."""
        ...

    async def route_events(self, routes: Sequence[tuple[str, Sequence[str]]], now: datetime) -> None:
        """Give each event (by id) one delivery to each of its endpoints (by name), due at once. Once only."""
        ...

    async def send_event(self, event: WebhookEvent, endpoint: str, now: datetime) -> str:
        """Put an event in for one endpoint alone, wanted or not; the id of its delivery."""
        ...

    async def due_deliveries(self, endpoint: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Deliveries to an endpoint that are due, the longest due first."""
        ...

    async def next_delivery_at(self, endpoint: str) -> datetime | None:
        """When the next delivery to an endpoint is due; None when none waits."""
        ...

    async def save_attempt(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_at: datetime | None
    ) -> None:
        """Add an attempt and say what becomes of the delivery, if it still waits. Raises `NotFound`."""
        ...

    async def redeliver(self, delivery_id: str, now: datetime) -> Delivery:
        """Let a delivery, whatever its state, be tried again from now on. Raises `NotFound`."""
        ...

    async def give_up_deliveries(self, endpoints: Collection[str]) -> int:
        """What waits for endpoints other than these will not be delivered; returns how many."""
        ...

    async def deliveries(self, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Matching deliveries with all their attempts, newest event first."""
        ...

    async def delivery_figures(self, endpoint: str, *, limit: int = 1000) -> DeliveryFigures:
        """How the endpoint's `limit` newest deliveries went."""
        ...

    async def expired_reservation_events(self, now: datetime, limit: int) -> int:
        """Put in an event for each reservation that expired lately without its call and has none yet; how many."""
        ...


class SmsStore(Protocol):
    """Messages and opt-outs. Messages of a turn are put in with the turn, by `ConversationStore.save_turn`."""

    async def add_sms(self, messages: Sequence[SmsMessage]) -> None:
        """New messages: those to be sent, or that came in. One whose id or provider's id is there is passed over."""
        ...

    async def due_sms(self, now: datetime, limit: int) -> Sequence[SmsMessage]:
        """Messages of which the sender has to make something (`UNSENT`) and that are due, oldest first."""
        ...

    async def next_sms_at(self) -> datetime | None:
        """When the next of them is due; None when none is waiting."""
        ...

    async def change_sms(
        self, message_id: str, change: Callable[[SmsMessage], SmsMessage | None]
    ) -> SmsMessage | None:
        """Replace a message by `change(message)` in one transaction, and return the new one.

        None when there is no such message, or when `change` gives None, which changes nothing. `change` is pure.
        """
        ...

    async def sms(self, message_id: str) -> SmsMessage | None:
        """One message."""
        ...

    async def sms_by_provider_sid(self, provider_sid: str) -> SmsMessage | None:
        """The message that the provider knows by that id."""
        ...

    async def messages(self, wanted: SmsFilter) -> Sequence[SmsMessage]:
        """Matching messages, newest first."""
        ...

    async def opt_out(self, opted: OptOut) -> None:
        """Somebody wants no more messages from a sender. The first opt-out stands."""
        ...

    async def opt_in(self, account: str, recipient: str, sender: str) -> bool:
        """They want them again; False when they had not opted out."""
        ...

    async def opted_out(self, account: str, recipient: str, sender: str) -> OptOut | None:
        """Whether they want none."""
        ...

    async def opt_outs(self, *, account: str | None = None, limit: int = 1000) -> Sequence[OptOut]:
        """Opt-outs, of an account or of all, newest first."""
        ...
