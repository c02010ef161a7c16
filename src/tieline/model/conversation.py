"""A conversation: what was said and done on one call, kept from the INVITE to the outcome."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tieline.model.call import CallState, Termination
from tieline.model.context import ContextValue, of_reservation
from tieline.model.receipt import Receipt
from tieline.model.record import Record
from tieline.model.trunk import Refusal


class OutcomeStatus(StrEnum):
    """The four answers of Get Handoff: the first is for a conversation nobody knows."""

    UNKNOWN = "unknown"
    IN_PROGRESS = "in_progress"
    ENDED_WITHOUT_HANDOFF = "ended_without_handoff"
    ENDED_WITH_HANDOFF = "ended_with_handoff"


class ConversationOpened(Record):
    """Stored when the call is accepted for routing: who calls whom, over what, with which context.

    `context` holds what the INVITE brought, best first for each key; the reservation's share is `attributes_json`.
    """

    id: str
    account: str
    project: str
    env: str
    channel_type: str
    trunk: str | None
    sip_call_id: str | None
    from_tag: str | None
    caller_number: str | None
    callee_number: str | None
    reservation_id: str | None
    shared_id: str | None
    attributes_json: str
    sip_headers: dict[str, str]
    rules: tuple[dict[str, Any], ...]
    late: bool
    started_at: datetime
    context: tuple[ContextValue, ...] = ()

    def whole_context(self) -> tuple[ContextValue, ...]:
        """The context with the reservation's attributes, which come first."""
        return (*of_reservation(msgspec.json.decode(self.attributes_json)), *self.context)


class Turn(Record):
    """One exchange: what came in (text or keypad), which functions ran, what was said.

    `user_input` is None where it was marked as personal data; `function_runs` carry name, milliseconds and error.
    """

    index: int
    at: datetime
    channel: str
    user_input: str | None
    utterance: str
    function_runs: tuple[dict[str, Any], ...]
    logs: tuple[dict[str, Any], ...]
    state_json: str


class Outcome(Record):
    """What the call achieved, committed before the BYE that ends our leg leaves.

    `data` is exactly what Get Handoff exposes. `handoff` describes the plan (method, destination, headers, headers
    left out) or is None when the call ended without one. Of several saves for one conversation the one with the
    highest `revision` stands: each rung of a handoff's ladder that sends something else is a revision. Once the call
    is closed nothing changes any more.
    """

    conversation_id: str
    shared_id: str | None
    handed_off: bool
    data: dict[str, Any]
    handoff: dict[str, Any] | None
    saved_at: datetime
    revision: int = 0


class ConversationClosed(Record):
    """The last write of a call: how it ended, its ladder and its media figures."""

    conversation_id: str
    termination: Termination
    answered_at: datetime | None
    ended_at: datetime
    ladder: tuple[dict[str, Any], ...]
    media: dict[str, Any] | None
    metrics: tuple[dict[str, Any], ...]
    peer_bye_headers: dict[str, str]


class Conversation(Record):
    """A stored conversation, read back whole.

    `receipts` are those of its handoffs, oldest first; `further_call_ids` the SIP Call-IDs of its further legs.
    """

    opened: ConversationOpened
    state: CallState
    turns: tuple[Turn, ...] = ()
    outcome: Outcome | None = None
    closed: ConversationClosed | None = None
    receipts: tuple[Receipt, ...] = ()
    further_call_ids: tuple[str, ...] = ()


class RefusedCall(Record):
    """A refused INVITE and why. `count` aggregates repeats from one source within a minute."""

    id: str
    at: datetime
    source: str
    trunk: str | None
    sip_call_id: str
    caller: str
    callee: str
    refusal: Refusal
    count: int = 1
