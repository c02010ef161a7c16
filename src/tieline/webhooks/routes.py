"""Which endpoint gets which event."""

from __future__ import annotations

from collections.abc import Iterable

from tieline.model.trunk import Trunk
from tieline.model.webhook import EventType, WebhookEndpoint, WebhookEvent

_EVERYTHING = frozenset(EventType) - {EventType.TEST}


def types_of(endpoint: WebhookEndpoint) -> frozenset[EventType]:
    """The types that an endpoint gets by itself; tests are sent by hand."""
    if endpoint.disabled:
        return frozenset()
    return frozenset(endpoint.events or _EVERYTHING) - {EventType.TEST}


def wanted_types(endpoints: Iterable[WebhookEndpoint]) -> frozenset[EventType]:
    """The types that somebody gets."""
    return frozenset().union(*(types_of(one) for one in endpoints))


def may_have(endpoint: WebhookEndpoint, event: WebhookEvent) -> bool:
    """Whether the event is of the endpoint's account, and of its project where it is confined to one."""
    return endpoint.account == event.account and endpoint.project in {None, event.project}


def endpoints_of(event: WebhookEvent, endpoints: Iterable[WebhookEndpoint]) -> tuple[str, ...]:
    """The names of the endpoints that an event goes to."""
    return tuple(one.name for one in endpoints if event.type in types_of(one) and may_have(one, event))


def accounts_told(trunk: Trunk, type_: EventType, endpoints: Iterable[WebhookEndpoint]) -> tuple[str, ...]:
    """The accounts that are told of a trunk: its own, or for one of all accounts each that wants to know."""
    wanting = sorted({one.account for one in endpoints if type_ in types_of(one)})
    return tuple(one for one in wanting if trunk.account in {None, one})
