"""Webhooks out: endpoints and how they do, their secrets, and every delivery with its attempts."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from tieline.admin.access import may_change, require
from tieline.admin.errors import FieldFault, Forbidden, InvalidFields
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.admin.trail import AuditTrail
from tieline.clock import Clock
from tieline.errors import Conflict, NotFound
from tieline.model.facts import trial_event
from tieline.model.principal import Principal
from tieline.model.record import ConfidentialRecord, Record
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.model.webhook import (
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    EventType,
    WebhookEndpoint,
)
from tieline.resources.plan import Plan
from tieline.resources.secrets import PREFIXES, SECRET_BYTES, write_secret
from tieline.store.outbox import DeliveryFilter, WebhookStore

KIND = "webhooks"

KEEP_OLD = timedelta(hours=24)
"""How long the old secret signs beside a new one, unless told otherwise."""

LONGEST_OVERLAP = timedelta(days=30)

ABOUT: dict[EventType, str] = {
    EventType.RESERVATION_ARRIVED: "The caller of a reservation called in time",
    EventType.RESERVATION_EXPIRED: "Nobody called on a reservation in time",
    EventType.RESERVATION_LATE: "The caller of a reservation called after its end",
    EventType.CALL_STARTED: "A call came in",
    EventType.CALL_ENDED: "A call is over",
    EventType.HANDOFF_STATE_CHANGED: "Get Handoff answers something else for a call",
    EventType.POOL_EXHAUSTED: "A reservation was refused: no number was free",
    EventType.TRUNK_DOWN: "A trunk was lost",
    EventType.TRUNK_UP: "A trunk is back",
    EventType.SMS_RECEIVED: "A message came in",
    EventType.SMS_STATUS: "The state of a message that was sent has changed",
    EventType.TEST: "Somebody pressed the test button",
}
"""What each type tells, in words."""


class ListedWebhook(Record):
    """An endpoint without its secrets. `account` and `project` are slugs; empty `events` means all.

    `delivered`, `failed` and `waiting` are of its newest thousand deliveries, `last_failure` of its newest hundred.
    """

    name: str
    account: str
    project: str | None
    url: str
    events: tuple[EventType, ...]
    disabled: bool
    allow_private: bool
    previous_until: datetime | None
    delivered: int
    failed: int
    waiting: int
    last_failure: DeliveryAttempt | None
    changeable: bool

    @property
    def success_rate(self) -> float | None:
        """The share of settled deliveries that were taken, from 0 to 1; None when none is settled."""
        settled = self.delivered + self.failed
        return self.delivered / settled if settled else None


class SignedEndpoint(ConfidentialRecord):
    """An endpoint with a new secret, which is had here and never again."""

    hidden: ClassVar[tuple[str, ...]] = ("secret",)

    name: str
    secret: str
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookPorts:
    """The dispatcher, as far as it is needed: `check` says why an endpoint may not go where it goes, or None."""

    wake: Callable[[], None]
    check: Callable[[WebhookEndpoint], Awaitable[str | None]]


class WebhookAdmin:
    """Looking needs `Right.LOOK`; tests and redelivery `OPERATE`; changes and secrets `BUILD`."""

    def __init__(
        self,
        resources: ResourceAdmin,
        store: WebhookStore,
        clock: Clock,
        trail: AuditTrail,
        ports: WebhookPorts,
    ) -> None:
        self._resources = resources
        self._store = store
        self._clock = clock
        self._trail = trail
        self._ports = ports

    # -- endpoints --------------------------------------------------------------------------------------------

    async def webhooks(self, who: Principal) -> Sequence[ListedWebhook]:
        """The endpoints that they may see, and how they do."""
        resources = await self._resources.resources(who)
        return [await self._listed(who, resources, one) for one in resources.webhooks]

    async def webhook(self, who: Principal, name: str) -> ListedWebhook:
        """One of them. Raises `NotFound`."""
        resources = await self._resources.resources(who)
        return await self._listed(who, resources, _endpoint(resources, name))

    async def create(self, who: Principal, fields: Mapping[str, Any]) -> SignedEndpoint:
        """Make an endpoint; its secret is shown here alone. Raises as `ResourceAdmin.create` does."""
        plan = await self._resources.create(who, KIND, fields)
        made = _endpoint(plan.resources, str(fields.get("name")))
        return SignedEndpoint(name=made.name, secret=made.secret)

    async def update(self, who: Principal, name: str, changes: Mapping[str, Any]) -> Plan:
        """Change some of its fields; None gives one its default. Raises as `ResourceAdmin.update` does."""
        secret = {"secret", "previous_secret", "previous_until"} & set(changes)
        if secret:
            raise InvalidFields(
                tuple(FieldFault(one, "is changed by rotation alone") for one in sorted(secret))
            )
        return await self._resources.update(who, KIND, name, changes)

    async def remove(self, who: Principal, name: str) -> None:
        """Remove it; what waits for it is given up. Raises as `ResourceAdmin.remove` does."""
        await self._resources.remove(who, KIND, name)

    async def rotate(self, who: Principal, name: str, keep_old: timedelta = KEEP_OLD) -> SignedEndpoint:
        """Give it a new secret, shown here alone; the old one signs beside it for `keep_old`. 0: no longer."""
        if not timedelta() <= keep_old <= LONGEST_OVERLAP:
            fault = FieldFault("keep_old", f"must be from 0 to {LONGEST_OVERLAP.days} days")
            raise InvalidFields((fault,))
        secret = write_secret(PREFIXES[KIND], os.urandom(SECRET_BYTES))
        until = self._clock.utc() + keep_old if keep_old else None

        def edit(there: Fields | None) -> Fields:
            if there is None:
                raise NotFound(f"there is no webhook {name}")
            kept = {key: value for key, value in there.items() if not key.startswith("previous_")}
            if until is not None:
                kept |= {"previous_secret": there["secret"], "previous_until": until.isoformat()}
            return {**kept, "secret": secret}

        await self._resources.edit(who, KIND, name, edit)
        return SignedEndpoint(name=name, secret=secret, previous_until=until)

    async def check(self, who: Principal, name: str) -> str | None:
        """Why nothing can be sent to where it goes, as far as its address tells; None when nothing is known."""
        resources = await self._resources.resources(who)
        return await self._ports.check(_endpoint(resources, name))

    # -- deliveries -------------------------------------------------------------------------------------------

    async def test(self, who: Principal, name: str) -> Delivery:
        """Send it a test event at once. Raises `Conflict` while it is disabled."""
        require(who, Right.OPERATE)
        resources = await self._resources.resources(who)
        endpoint = _endpoint(resources, name)
        _require_active(who, resources, endpoint)
        now = self._clock.utc()
        delivery_id = await self._store.send_event(trial_event(endpoint, who.name, now), name, now)
        self._ports.wake()
        await self._trail.note(who, "test", KIND, name, account=endpoint.account)
        return await self.delivery(who, delivery_id)

    async def deliveries(
        self,
        who: Principal,
        *,
        endpoint: str | None = None,
        subject: str | None = None,
        type_: EventType | None = None,
        state: DeliveryState | None = None,
        before: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """Matching deliveries of what they may see, newest event first. `subject` is what the event is about."""
        wanted = DeliveryFilter(
            endpoint=endpoint, subject=subject, type=type_, state=state, before=before, limit=limit
        )
        return await self._deliveries(who, wanted)

    async def delivery(self, who: Principal, delivery_id: str) -> Delivery:
        """One of them. Raises `NotFound`."""
        found = await self._deliveries(who, DeliveryFilter(id=delivery_id))
        if not found:
            raise NotFound("there is no such delivery")
        return found[0]

    async def of_call(self, who: Principal, conversation_id: str) -> Sequence[Delivery]:
        """What was sent about one call, in order."""
        found = await self.deliveries(who, subject=conversation_id, limit=200)
        return list(reversed(found))

    async def _deliveries(self, who: Principal, wanted: DeliveryFilter) -> Sequence[Delivery]:
        require(who, Right.LOOK)
        confined = msgspec.structs.replace(wanted, account=who.account, project=who.project)
        return await self._store.deliveries(confined)

    async def redeliver(self, who: Principal, delivery_id: str) -> Delivery:
        """Try a delivery again at once. Raises `NotFound`, and `Conflict` where its endpoint takes none."""
        require(who, Right.OPERATE)
        resources = await self._resources.resources(who)
        found = await self.delivery(who, delivery_id)
        endpoint = next((one for one in resources.webhooks if one.name == found.endpoint), None)
        if endpoint is None:
            raise Conflict(f"the webhook {found.endpoint} is there no more")
        _require_active(who, resources, endpoint)
        if found.state is DeliveryState.WAITING and found.next_at is None:
            raise Conflict("an earlier event about the same has to be delivered first")
        again = await self._store.redeliver(delivery_id, self._clock.utc())
        self._ports.wake()
        await self._trail.note(who, "redeliver", KIND, endpoint.name, account=endpoint.account)
        return again

    async def _listed(self, who: Principal, resources: Resources, one: WebhookEndpoint) -> ListedWebhook:
        figures = await self._store.delivery_figures(one.name)
        slugs = {each.id: each.slug for each in resources.accounts}
        slugs |= {each.id: each.slug for each in resources.projects}
        overlaps = one.previous_until is not None and one.previous_until > self._clock.utc()
        return ListedWebhook(
            name=one.name,
            account=slugs.get(one.account, one.account),
            project=None if one.project is None else slugs.get(one.project, one.project),
            url=one.url,
            events=one.events,
            disabled=one.disabled,
            allow_private=one.allow_private,
            previous_until=one.previous_until if overlaps else None,
            delivered=figures.delivered,
            failed=figures.failed,
            waiting=figures.waiting,
            last_failure=figures.last_failure,
            changeable=who.may(Right.BUILD) and may_change(who, resources, one),
        )


def _endpoint(resources: Resources, name: str) -> WebhookEndpoint:
    found = next((one for one in resources.webhooks if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no webhook {name}")
    return found


def _require_active(who: Principal, resources: Resources, endpoint: WebhookEndpoint) -> None:
    """Raises `Forbidden` for one that is not theirs, and `Conflict` for one that is disabled."""
    if not may_change(who, resources, endpoint):
        raise Forbidden(f"the webhook {endpoint.name} belongs to the whole account")
    if endpoint.disabled:
        raise Conflict(f"the webhook {endpoint.name} is disabled")
