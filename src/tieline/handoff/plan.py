"""From what the agent asked for to what will be sent: destination + state -> method, route, final headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieline.handoff.headers import fill_headers
from tieline.model.handoff import (
    SUPPORTED_METHODS,
    Destination,
    HandoffMethod,
    HandoffPlan,
    HandoffRequest,
)

DEFAULT_NAME = "default"


class UnplannableHandoff(Exception):
    """The request cannot be carried out; `reason` is a word for metrics, the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def find_destination(name: str, destinations: Sequence[Destination]) -> Destination | None:
    """The destination called exactly `name`; `default` in any case is the default one."""
    for destination in destinations:
        if destination.name == name:
            return destination
    if name.casefold() == DEFAULT_NAME:
        return default_destination(destinations)
    return None


def default_destination(destinations: Sequence[Destination]) -> Destination | None:
    """The destination marked as default, or the first one when none is marked."""
    return next((d for d in destinations if d.is_default), destinations[0] if destinations else None)


def plan_handoff(
    request: HandoffRequest, destinations: Sequence[Destination], variables: Mapping[str, object]
) -> HandoffPlan:
    """Make a request executable.

    `variables` are the conversation's state with `caller_number`, `callee_number`, `conversation_id` and
    `shared_id` laid over it. Raises `UnplannableHandoff`: `unknown_destination`, `no_destination` or
    `unsupported_method`.
    """
    destination = _wanted(request, destinations)
    method = request.method or (destination.sip_config.method if destination else HandoffMethod.BYE)
    if method not in SUPPORTED_METHODS:
        raise UnplannableHandoff(
            "unsupported_method", f"handoff by {method.upper()} is not available in this release; use BYE"
        )
    configured = [(h.key, h.value) for h in destination.sip_headers] if destination else []
    filled = fill_headers(configured, request.sip_headers, variables)
    route = (
        request.refer_to or request.route or (destination.sip_config.phone_number if destination else None)
    )
    return HandoffPlan(
        destination=destination.name if destination else None,
        method=method,
        reason=request.reason,
        utterance=request.utterance,
        route=None if method is HandoffMethod.BYE else route,
        headers=filled.headers,
        left_out=filled.left_out,
    )


def _wanted(request: HandoffRequest, destinations: Sequence[Destination]) -> Destination | None:
    if request.destination is not None:
        found = find_destination(request.destination, destinations)
        if found is None:
            known = ", ".join(d.name for d in destinations) or "none"
            raise UnplannableHandoff(
                "unknown_destination", f"there is no destination {request.destination!r} (known: {known})"
            )
        return found
    if request.method is not None:
        return None
    found = default_destination(destinations)
    if found is None:
        raise UnplannableHandoff("no_destination", "the project has no handoff destination")
    return found
