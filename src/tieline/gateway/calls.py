"""Calls that no SIP brought, brought in: the trunk that stands for their way, the route, the leg."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from tieline.calls.leg_switch import LegSwitch
from tieline.calls.registry import CallRegistry
from tieline.calls.routing import Route
from tieline.calls.session import CallSession
from tieline.gateway.dialog_text import Header, LegFacts
from tieline.gateway.leg import GatewayLeg
from tieline.model import number as numbers
from tieline.model.environment import Environment
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.trunk import Encryption, Refusal, RuleResult, Trunk
from tieline.net.addresses import is_wildcard
from tieline.sip.events import SipEvent

LOOPBACK = "127.0.0.1"


def media_host(rtp_bind_host: str) -> str:
    """The address at which the gateway and the media process reach each other."""
    return LOOPBACK if is_wildcard(rtp_bind_host) else rtp_bind_host


def gateway_trunk(
    name: str,
    host: str,
    *,
    profile: str = "generic",
    account: str | None = None,
    max_calls: int | None = None,
) -> Trunk:
    """The trunk that stands for a way of calling that is none: it is not among the configured ones.

    `host` is `media_host`'s: it goes into SDP. Admission counts calls by the trunk's name and knows `max_calls`.
    """
    return Trunk(
        name=name,
        networks=(),
        account=account,
        profile=profile,
        max_calls=max_calls,
        advertised_host=host,
        encryption=Encryption.REFUSED,
    )


class GatewayRequest(Record):
    """A call to be brought in: which project, who calls whom, and what comes with it.

    `env` None keeps the project's. `caller` and `callee` are numbers as written; `headers` become those of the INVITE.
    `remote` is the host and port of whoever brings the call, `why` says in words what brought it.
    """

    trunk: Trunk
    project: Project
    channel: str
    why: str
    remote: tuple[str, int]
    caller: str | None = None
    callee: str | None = None
    env: Environment | None = None
    attributes: dict[str, Any] = {}
    headers: tuple[Header, ...] = ()


def route_of(request: GatewayRequest) -> Route:
    """Where the call goes: no rule is asked, for whoever brings it knows."""
    project = request.project
    if request.env is not None:
        project = msgspec.structs.replace(project, env=request.env)
    region = request.trunk.default_region
    return Route(
        trunk=request.trunk,
        project=project,
        caller=None if not request.caller else numbers.caller(request.caller, region),
        callee=None if not request.callee else numbers.dialled(request.callee, region),
        pool=None,
        verified_trunk=False,
        forwarded=False,
        rules=(RuleResult(rule="gateway", held=True, detail=request.why),),
        channel=request.channel,
        attributes=request.attributes,
    )


def facts_of(request: GatewayRequest, *, sip_call_id: str | None = None) -> LegFacts:
    """What the call's leg is known by; its ids are random."""
    route = route_of(request)
    return LegFacts(
        sip_call_id=sip_call_id or f"{secrets.token_hex(12)}@{request.trunk.name}",
        from_tag=secrets.token_hex(6),
        to_tag=secrets.token_hex(6),
        caller=route.caller,
        callee=route.callee,
        remote=request.remote,
        domain=f"{request.trunk.name}.invalid",
        headers=request.headers,
    )


class GatewayCalls:
    """Brings calls in. `host` is the address that legs bind their RTP to."""

    def __init__(self, registry: CallRegistry, legs: LegSwitch, host: str) -> None:
        self.host = host
        self._registry = registry
        self._legs = legs

    def bring_in(
        self, leg: GatewayLeg, request: GatewayRequest, make: type[CallSession] = CallSession
    ) -> CallSession | Refusal:
        """Take the call of a leg made from `facts_of(request)`; a refusal is on record, and the leg is over.

        Raises `HeaderRefused` before anything has happened.
        """
        leg.id = self._legs.attach(leg)
        try:
            invite = leg.offered()
        except BaseException:
            self._legs.take_trace(leg.id)
            raise
        refusal = self._registry.bring_in(invite, route_of(request), make)
        if refusal is not None:
            return refusal
        session = self._registry.session_of(leg.id)
        assert session is not None
        return session

    def bring_in_over(self, leg: GatewayLeg, trunk: Trunk, why: str) -> CallSession | Refusal:
        """As `bring_in`, for a call that is routed by its number as any other of `trunk`'s; `why` it is this one's."""
        leg.id = self._legs.attach(leg)
        try:
            invite = leg.offered()
        except BaseException:
            self._legs.take_trace(leg.id)
            raise
        refusal = self._registry.bring_in_over(invite, trunk, why)
        if refusal is not None:
            return refusal
        session = self._registry.session_of(leg.id)
        assert session is not None
        return session

    def tell(self, event: SipEvent) -> None:
        """Give an event of a leg to its call."""
        self._registry.on_event(event)
