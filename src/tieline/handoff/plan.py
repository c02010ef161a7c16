"""From what the agent asked for to what will be sent: destination + state -> method, route, final headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.headers import fill_headers
from tieline.handoff.target import check_route, no_route
from tieline.model.handoff import (
    Destination,
    HandoffMethod,
    HandoffPlan,
    HandoffRequest,
    Rung,
    SipConfig,
)
from tieline.model.profile import Dialect, HeaderLimits, Profile
from tieline.model.trunk import Transport

DEFAULT_NAME = "default"

MAX_RUNGS = 5
"""Most rungs of a ladder; those beyond are not climbed."""

_PLAIN = Profile(name="generic", title="generic SIP", about="", headers=HeaderLimits(ascii_only=False))

PLAIN_DIALECT = Dialect(
    profile=_PLAIN,
    refer_domain=None,
    transport=Transport.UDP,
    encryption=_PLAIN.encryption,
    session_timer=_PLAIN.session_timer,
    session_expires_s=_PLAIN.session_expires_s,
    reliable_provisional=_PLAIN.reliable_provisional,
    first_bye=_PLAIN.first_bye,
    bye_wait_s=_PLAIN.bye_wait_s,
    notify_timeout_s=_PLAIN.notify_timeout_s,
    alive_s=_PLAIN.alive_s,
    max_headers=None,
)
"""What holds where no trunk is known: no limits, every method."""


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
    request: HandoffRequest,
    destinations: Sequence[Destination],
    variables: Mapping[str, object],
    dialect: Dialect = PLAIN_DIALECT,
    outbound: Mapping[str, Dialect] | None = None,
) -> HandoffPlan:
    """Make a request executable.

    `variables` are the conversation's state with `caller_number`, `callee_number`, `conversation_id` and
    `shared_id` laid over it. `dialect` is that of the trunk that brought the caller, `outbound` those of other trunks
    by name, for the header rules of an INVITE through one. Raises `UnplannableHandoff`: `unknown_destination`,
    `no_destination`, `no_route` or `bad_route`.
    """
    destination = _wanted(request, destinations)
    configured = destination.sip_config if destination else None
    method = request.method or (configured.method if configured else HandoffMethod.BYE)
    config = merge_config(configured, request, method)
    if method is not HandoffMethod.BYE and config.phone_number is None:
        raise no_route(method)
    route = check_route(config.phone_number) if config.phone_number is not None else None
    peer = dialect
    if method is HandoffMethod.INVITE and outbound is not None and config.outbound_endpoint is not None:
        peer = outbound.get(config.outbound_endpoint, dialect)
    filled = fill_headers(
        [(h.key, h.value) for h in destination.sip_headers] if destination else [],
        request.sip_headers,
        variables,
        limits_of(peer),
    )
    return HandoffPlan(
        destination=destination.name if destination else None,
        method=method,
        reason=request.reason,
        utterance=request.utterance,
        route=route,
        headers=filled.headers,
        left_out=filled.left_out,
        config=config,
        ladder=ladder_of(destination, method, dialect),
    )


def merge_config(configured: SipConfig | None, request: HandoffRequest, method: HandoffMethod) -> SipConfig:
    """The configuration with what the code gave laid over it; a BYE has no route."""
    given: dict[str, Any] = {
        "phone_number": request.refer_to or request.route,
        "outbound_caller_id": request.outbound_caller_id,
        "outbound_endpoint": request.outbound_endpoint,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if method is HandoffMethod.BYE:
        given["phone_number"] = None
    return msgspec.structs.replace(configured or SipConfig(), **given, method=method)


def limits_of(dialect: Dialect) -> HeaderLimits:
    """The header limits of a trunk: its profile's, with the trunk's own count."""
    if dialect.max_headers is None:
        return dialect.profile.headers
    return msgspec.structs.replace(dialect.profile.headers, count=dialect.max_headers)


def ladder_of(destination: Destination | None, method: HandoffMethod, dialect: Dialect) -> tuple[Rung, ...]:
    """What is left to try when `method` has failed: the destination's own ladder, or that of the trunk's profile."""
    if destination is not None and destination.fallback is not None:
        return destination.fallback[:MAX_RUNGS]
    return dialect.profile.ladder.get(method, ())[:MAX_RUNGS]


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
