"""What will not get through, said before the first call: one destination, for the callers of one trunk.

The rules are those by which handoffs are planned and sent, with the trunk's dialect for what its peer is known to
lose. An error means that the handoff, or the step of its ladder, does not work; a warning, that something of it gets
lost; an info, what depends on the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from tieline.handoff.check_headers import HeaderCheck
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.plan import MAX_RUNGS, find_destination, ladder_of
from tieline.handoff.target import check_route, is_callable
from tieline.model.handoff import PHONE_KEYS, Destination, HandoffMethod, SipConfig
from tieline.model.profile import Dialect
from tieline.model.record import Record
from tieline.model.trunk import Encryption, Transport, Trunk

TIMER_C_S = 180.0
"""After so long a proxy ends a call that only rings (RFC 3261 section 16.6, timer C)."""

SECURE = "TLS/SRTP"
"""What `outbound_encryption` is when nothing is said."""

_INVITE_ONLY = ("outbound_endpoint", "outbound_encryption", "outbound_caller_id", "whisper", "accept_key")

_PLACED = frozenset({"outbound_caller_id", "whisper", "accept_key"})
"""What concerns any method where the peer itself makes the call."""


class CheckLevel(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class HandoffFinding(Record):
    """One thing to say about a destination on a trunk, in words, with what to do about it."""

    level: CheckLevel
    destination: str
    trunk: str
    message: str
    fix: str


class Endpoint(Record):
    """A trunk with its dialect, as an INVITE may go out through it."""

    trunk: Trunk
    dialect: Dialect


def check_destination(
    destination: Destination,
    destinations: Sequence[Destination],
    trunk: Trunk,
    dialect: Dialect,
    endpoints: Mapping[str, Endpoint] | None = None,
) -> list[HandoffFinding]:
    """Everything to say about handing callers of `trunk` to `destination`, worst first.

    `endpoints` are all trunks by name; without them the name of an `outbound_endpoint` is not checked.
    """
    check = _Check(destination, destinations, Endpoint(trunk=trunk, dialect=dialect), endpoints)
    check.run()
    order = list(CheckLevel)
    return sorted(check.findings, key=lambda finding: order.index(finding.level))


class _Check:
    """One destination on one trunk."""

    def __init__(
        self,
        destination: Destination,
        destinations: Sequence[Destination],
        caller: Endpoint,
        endpoints: Mapping[str, Endpoint] | None,
    ) -> None:
        self.findings: list[HandoffFinding] = []
        self._destination = destination
        self._destinations = destinations
        self._caller = caller
        self._endpoints = endpoints
        self._ladder = ladder_of(destination, destination.sip_config.method, caller.dialect)
        # What every finding begins with, and whether the step at hand is one that nobody asked for by name.
        self._step = ""
        self._implied = False

    def run(self) -> None:
        """Check the destination's own method, then each step of its ladder."""
        config = self._destination.sip_config
        self._method(config.method, self._destination)
        methods = {config.method} | self._rungs()
        if self._destination.fallback is not None and HandoffMethod.INVITE not in methods:
            self._unused(config)

    def _say(self, level: CheckLevel, message: str, fix: str) -> None:
        if self._implied and level is CheckLevel.ERROR:
            # Nobody asked for this step by name: what it cannot do is skipped or noted, and no mistake.
            level = CheckLevel.INFO
        self.findings.append(
            HandoffFinding(
                level=level,
                destination=self._destination.name,
                trunk=self._caller.trunk.name,
                message=f"{self._step}{message}",
                fix=fix,
            )
        )

    def _method(self, method: HandoffMethod, target: Destination) -> None:
        headers = HeaderCheck(method, target.sip_headers, self._peer_of(method, target.sip_config))
        if method is HandoffMethod.REFER:
            self._refer(target)
        elif method is HandoffMethod.INVITE:
            self._invite(target.sip_config)
        elif target.sip_config.method is HandoffMethod.BYE and target.sip_config.phone_number is not None:
            self._say(CheckLevel.WARNING, "a BYE has no route", "remove phone_number, or take another method")
        if method is not HandoffMethod.BYE:
            self._route(method, target)
        for word, message, fix in headers.findings():
            self._say(CheckLevel(word), message, fix)

    def _peer_of(self, method: HandoffMethod, config: SipConfig) -> Dialect:
        """The dialect of whoever gets the headers."""
        if method is HandoffMethod.INVITE and config.outbound_endpoint and self._endpoints is not None:
            found = self._endpoints.get(config.outbound_endpoint)
            return found.dialect if found is not None else self._caller.dialect
        return self._caller.dialect

    def _route(self, method: HandoffMethod, target: Destination) -> None:
        route = target.sip_config.phone_number
        if route is None:
            # The default destination also takes the callers of an agent that has failed, and nobody else gives a route.
            sure = target.is_default or target is not self._destination
            self._say(
                CheckLevel.ERROR if sure else CheckLevel.WARNING,
                f"{method} has no route",
                "set phone_number" if sure else "set phone_number, or give the route in code each time",
            )
            return
        try:
            checked = check_route(route)
        except UnplannableHandoff as error:
            self._say(CheckLevel.ERROR, str(error), "correct phone_number")
            return
        if self._places_calls(method, target.sip_config):
            if not is_callable(checked):
                self._say(
                    CheckLevel.ERROR,
                    f"{self._caller.dialect.profile.name} calls numbers in E.164 and SIP URIs only, not {checked}",
                    "give the whole number, beginning with +",
                )
        elif method is HandoffMethod.REFER:
            self._refer_to(checked)

    def _places_calls(self, method: HandoffMethod, config: SipConfig) -> bool:
        """Whether the peer itself makes the call."""
        at_home = method is HandoffMethod.REFER or config.outbound_endpoint is None
        return at_home and self._caller.dialect.profile.places_calls

    def _refer_to(self, route: str) -> None:
        dialect, name = self._caller.dialect, self._caller.dialect.profile.name
        if route.lower().startswith("tel:"):
            if not dialect.profile.refer.tel:
                self._say(
                    CheckLevel.ERROR,
                    f"{name} does not take a tel: URI in Refer-To",
                    "give a number or a SIP URI",
                )
        elif "@" not in route and ":" not in route and dialect.refer_domain is None:
            self._say(
                CheckLevel.INFO,
                f"{route} becomes a SIP URI at whatever host the peer's Contact names",
                "set refer_domain on the trunk to fix the host",
            )
        if "?" in route and not dialect.profile.refer.uri_headers:
            self._say(
                CheckLevel.WARNING, f"{name} drops the headers inside Refer-To", "send them as sip_headers"
            )

    def _refer(self, target: Destination) -> None:
        rules, name = self._caller.dialect.profile.refer, self._caller.dialect.profile.name
        if rules.supported:
            return
        last = not self._step and not self._ladder
        self._say(
            CheckLevel.ERROR if last or self._step else CheckLevel.WARNING,
            f"{name} refuses REFER"
            + ("" if last or self._step else ", so the ladder begins with its next step"),
            "take the method invite or bye",
        )

    def _invite(self, config: SipConfig) -> None:
        self._accept_key(config)
        if self._places_calls(HandoffMethod.INVITE, config):
            return
        endpoint = self._endpoint(config)
        if endpoint is not None:
            self._encryption(config, endpoint)
        expires_s = self._caller.dialect.session_expires_s
        if config.ring_timeout_s > expires_s:
            self._say(
                CheckLevel.WARNING,
                f"it may ring for {config.ring_timeout_s:g} s, longer than the caller's session of {expires_s} s",
                "shorten ring_timeout_s",
            )
        elif config.ring_timeout_s > TIMER_C_S:
            self._say(
                CheckLevel.WARNING,
                f"it may ring for {config.ring_timeout_s:g} s, and proxies give up after {TIMER_C_S:g}",
                "shorten ring_timeout_s",
            )

    def _accept_key(self, config: SipConfig) -> None:
        key = config.accept_key
        if key is None:
            return
        if config.whisper is None:
            self._say(
                CheckLevel.WARNING,
                f"the human has to press {key} and is not told so",
                "add a whisper that says it",
            )
        if self._places_calls(HandoffMethod.INVITE, config) and key not in PHONE_KEYS:
            name = self._caller.dialect.profile.name
            self._say(CheckLevel.ERROR, f"{name} does not tell of the key {key}", "take a digit, * or #")

    def _endpoint(self, config: SipConfig) -> Endpoint | None:
        """The trunk that carries the new leg, when it can."""
        name = config.outbound_endpoint
        if name is None:
            endpoint = self._caller
        elif self._endpoints is None:
            return None
        elif name not in self._endpoints:
            self._say(CheckLevel.ERROR, f"there is no trunk {name!r}", "correct outbound_endpoint")
            return None
        else:
            endpoint = self._endpoints[name]
        if endpoint.trunk.target is None:
            self._say(
                CheckLevel.ERROR,
                f"the trunk {endpoint.trunk.name} has no target, so it cannot be called",
                "set target on that trunk" + ("" if name else ", or name another by outbound_endpoint"),
            )
            return None
        return endpoint

    def _encryption(self, config: SipConfig, endpoint: Endpoint) -> None:
        name = endpoint.trunk.name
        if (config.outbound_encryption or SECURE) != SECURE:
            if endpoint.dialect.encryption is Encryption.REQUIRED:
                message = f"the trunk {name} insists on SRTP, and the leg is to be UDP/RTP"
                self._say(CheckLevel.ERROR, message, "set outbound_encryption to TLS/SRTP")
        elif endpoint.dialect.transport is not Transport.TLS:
            self._say(
                CheckLevel.ERROR,
                f"the leg is to be TLS/SRTP, and the trunk {name} is reached by {endpoint.dialect.transport.upper()}",
                "set transport: tls on the trunk, or outbound_encryption to UDP/RTP",
            )
        elif endpoint.dialect.encryption is Encryption.REFUSED:
            message = f"the leg is to be TLS/SRTP, and the trunk {name} refuses SRTP"
            self._say(CheckLevel.ERROR, message, "change encryption on the trunk, or outbound_encryption")

    def _rungs(self) -> set[HandoffMethod]:
        """Check the ladder; the methods that its steps use."""
        own = self._destination
        given = own.fallback if own.fallback is not None else self._ladder
        tried = [(own.sip_config.method, own.name)]
        used = set()
        self._implied = own.fallback is None
        for index, rung in enumerate(given, start=1):
            self._step = f"step {index} of the {'profile' if self._implied else 'destination'}'s ladder: "
            if index > MAX_RUNGS:
                message = f"a ladder has at most {MAX_RUNGS} steps, this one is not climbed"
                self._say(CheckLevel.ERROR, message, "remove steps from fallback")
                break
            target = (
                own if rung.destination is None else find_destination(rung.destination, self._destinations)
            )
            if target is None:
                self._say(
                    CheckLevel.ERROR,
                    f"there is no destination {rung.destination!r}",
                    "correct the name in fallback",
                )
                continue
            method = rung.method or target.sip_config.method
            used.add(method)
            if tried[-1][0] is HandoffMethod.BYE:
                message = "it is never reached, for after a BYE the call is over"
                self._say(CheckLevel.ERROR, message, "put bye last")
            elif (method, target.name) in tried:
                message = f"{method} to {target.name!r} was tried before"
                self._say(CheckLevel.ERROR, message, "name another method or destination")
            else:
                self._method(method, target)
            tried.append((method, target.name))
        self._step, self._implied = "", False
        return used

    def _unused(self, config: SipConfig) -> None:
        used = _PLACED if self._caller.dialect.profile.places_calls else ()
        named = [field for field in _INVITE_ONLY if field not in used and getattr(config, field) is not None]
        if named:
            message = f"without invite there is no use for {', '.join(named)}"
            self._say(CheckLevel.WARNING, message, "remove them, or add invite to fallback")
