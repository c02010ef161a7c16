"""Handoff: giving the caller to someone else, by SIP REFER, INVITE (bridge) or BYE (give-back).

Shapes follow the destinations of `config/handoffs.yaml` and the `handoff` key a customer's function returns.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from tieline.model.record import Record

PHONE_KEYS = frozenset("0123456789*#")
"""Accept keys that a peer which makes the call itself can tell of: those that every telephone has."""


class HandoffMethod(StrEnum):
    """How the caller is given away."""

    REFER = "refer"
    INVITE = "invite"
    BYE = "bye"


class SipHeader(Record):
    """One custom header as configured: `value` may hold `$variables`."""

    key: str
    value: str


class RingSound(StrEnum):
    """What the caller hears while the other side is being called by INVITE."""

    TONE = "tone"
    EARLY_MEDIA = "early_media"
    SILENCE = "silence"


class SipConfig(Record):
    """How a destination is reached. `phone_number` is the route: SIP URI, name-addr, `tel:`, E.164 or extension.

    The rest concerns `invite` alone. `outbound_endpoint` names the trunk that carries the new leg (without it, the
    trunk that the caller came by); `outbound_encryption` is `TLS/SRTP` (the default) or `UDP/RTP`;
    `outbound_caller_id` replaces the caller's number, which is kept without it; `ring_timeout_s` bounds the ringing;
    `whisper` is spoken to the human before the two are joined, and with `accept_key` the human has to press that key
    within `accept_timeout_s` of the whisper's end.
    """

    method: HandoffMethod = HandoffMethod.REFER
    phone_number: str | None = None
    outbound_endpoint: str | None = None
    outbound_encryption: str | None = None
    outbound_caller_id: str | None = None
    ring_timeout_s: float = 30.0
    ring_sound: RingSound = RingSound.EARLY_MEDIA
    whisper: str | None = None
    accept_key: str | None = None
    accept_timeout_s: float = 15.0


class Rung(Record):
    """What is tried when the step before it has failed: another method, another destination, or both.

    `destination` None stays with the destination whose ladder this is. Exactly the first of several rungs whose
    destination or method cannot be used on the call's trunk is skipped with a note on the receipt.
    """

    method: HandoffMethod | None = None
    destination: str | None = None


class Destination(Record):
    """A named place callers are handed to. Exactly one destination of a project is the default.

    `fallback` None takes the ladder of the call's trunk profile; an empty one gives the caller straight back to the
    agent when the destination's own method has failed. `between` is spoken to the caller between two rungs.
    """

    name: str
    description: str = ""
    is_default: bool = False
    sip_config: SipConfig
    sip_headers: tuple[SipHeader, ...] = ()
    fallback: tuple[Rung, ...] | None = None
    between: str | None = None


class HandoffRequest(Record):
    """What the agent asked for, before anything is planned or sent.

    `destination` is a destination's name (`"default"` in any case means the default one) or None when the code
    gave the method itself. `sip_headers` given in code override configured ones of the same name (case ignored).
    """

    destination: str | None = None
    method: HandoffMethod | None = None
    reason: str | None = None
    utterance: str | None = None
    route: str | None = None
    refer_to: str | None = None
    outbound_caller_id: str | None = None
    outbound_endpoint: str | None = None
    sip_headers: dict[str, str] = {}


class HandoffPlan(Record):
    """A request made executable: every header value final and validated, ready for the wire.

    `left_out` names headers that were dropped with the reason (a `$variable` without a value, a refused name).
    `config` is the destination's with what the code gave laid over it; `ladder` is what is left to try after this.
    """

    destination: str | None
    method: HandoffMethod
    reason: str | None
    utterance: str | None
    route: str | None
    headers: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...] = ()
    config: SipConfig = SipConfig(method=HandoffMethod.BYE)
    ladder: tuple[Rung, ...] = ()

    def has_header(self, name: str) -> bool:
        """Whether a header of this name (case ignored) is among those to be sent."""
        return any(key.casefold() == name.casefold() for key, _ in self.headers)


class HandoffApi(Record):
    """Which state keys Get Handoff exposes (`state_keys`), under which names, and where the shared id lives.

    Without `state_keys` the default set is exposed: handoff_to, handoff_reason, contained, destination and
    `conv.state.handoff`, without the nulls.
    """

    state_keys: tuple[str, ...] | None = None
    aliases: dict[str, str] = {}
    shared_id_state_key: str = "shared_id"


class HandoffState(Record):
    """What Get Handoff answers for one conversation: the exposed keys as stored at the moment of handoff."""

    conversation_id: str
    shared_id: str | None
    data: dict[str, Any]
    saved_at: datetime
