"""The shapes of requests and answers as OpenAPI documents them. Every field has a description; tests insist."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from tieline.model.context import ContextOrigin
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffMethod
from tieline.model.pool import CallerPolicy, NumberState
from tieline.model.receipt import HandoffFailure, ReceiptState, Retry, Step
from tieline.model.reservation import ReservationState


class ReserveBody(BaseModel):
    """What to reserve a DNI for."""

    attributes: dict[str, Any] = Field(
        description="Attributes for the agent: any JSON object. A `shared_id` in it names the conversation.",
        examples=[{"shared_id": "1234", "customer": {"address": "test lane", "age": 25}}],
    )
    ttl_s: float | None = Field(
        None, description="Seconds to hold the number; the pool's default without it."
    )
    expected_caller: str | None = Field(
        None, description="The number that will call, so that no other call matches."
    )
    caller_policy: CallerPolicy | None = Field(None, description="How strictly the caller is compared.")
    pool: str | None = Field(
        None, description="The pool to take the number from; else the project's pools in order."
    )


class ReserveAnswer(BaseModel):
    """A reserved DNI."""

    dni: str = Field(description="The reserved number, in E.164 form.", examples=["+12345"])
    reservation_id: str = Field(description="Names the reservation in later requests.")
    expires_at: datetime = Field(description="When the number is given up unless the call has arrived.")
    ttl_s: float = Field(description="Seconds from the reservation to `expires_at`.")
    pool: str = Field(description="The pool that the number belongs to.")


class DniError(BaseModel):
    """Why nothing was reserved."""

    success: Literal[False] = Field(False, description="Always false.")
    error: str = Field(description="The status as text.", examples=["Not Found"])
    message: str = Field(description="What is wrong, for people.", examples=["no available route found"])
    code: str = Field(description="What is wrong, as a stable word.", examples=["pool_exhausted"])


class ReservationView(BaseModel):
    """One reservation and what has become of it."""

    reservation_id: str = Field(description="Names the reservation.")
    dni: str = Field(description="The number, in E.164 form.")
    pool: str = Field(description="The pool that the number belongs to.")
    state: ReservationState = Field(description="Where the reservation is in its life.")
    epoch: int = Field(description="Grows with every reservation of the number.")
    reserved_at: datetime = Field(description="When it was made.")
    expires_at: datetime = Field(description="When it ends unless a call has arrived.")
    expected_caller: str | None = Field(description="The caller it waits for, if one was named.")
    caller_policy: CallerPolicy = Field(description="How strictly the caller is compared.")
    conversation_id: str | None = Field(description="The conversation that came of it.")
    sip_call_id: str | None = Field(description="The SIP Call-ID of the call that took it.")
    late: bool = Field(description="Whether the call came after the reservation had ended.")
    attributes: dict[str, Any] | None = Field(None, description="The attributes; left out of lists.")


class ReservationList(BaseModel):
    """Reservations, newest first."""

    reservations: list[ReservationView] = Field(description="The reservations.")


class PoolStatsView(BaseModel):
    """A pool at this instant, and its counters since it was made."""

    pool: str = Field(description="The pool's name.")
    numbers: int = Field(description="Numbers in the pool.")
    by_state: dict[NumberState, int] = Field(description="Numbers by state.")
    suspect: int = Field(description="Numbers with too many strays or no-shows.")
    reserved_total: int = Field(description="Reservations made.")
    claimed_total: int = Field(description="Reservations whose call was answered.")
    expired_total: int = Field(description="Reservations that nobody called.")
    released_total: int = Field(description="Reservations that clients gave up.")
    refused_total: int = Field(description="Requests refused because no number was free.")
    late_total: int = Field(description="Calls that came late and still got their attributes.")
    stray_total: int = Field(description="Calls to a pool number that nobody had reserved.")


class HandoffStateAnswer(BaseModel):
    """What the agent left for whoever takes the caller."""

    id: str = Field(description="The conversation id.", examples=["0bba04d7-38b3-4fd3-a1a8-329c34517fc1"])
    shared_id: str | None = Field(None, description="The shared id; left out when the call has none.")
    data: dict[str, Any] = Field(description="The exposed state keys, as stored at the moment of handoff.")
    status: OutcomeStatus = Field(description="Whether the call ended with a handoff.")


class Five9Answer(HandoffStateAnswer):
    """The same, with the two values that Five9 scripts read at top level."""

    contained: Any = Field(None, description="`contained` of the data.")
    destination: Any = Field(None, description="`destination` of the data.")


class Five9Body(BaseModel):
    """Which conversation is meant."""

    shared_id: str = Field(description="The shared id of the call.")


class HandoffError(BaseModel):
    """Why there is no handoff state."""

    error_message: str = Field(description="What is wrong, for people.")
    code: str = Field(
        description="What is wrong, as a stable word; on 404 `unknown` or `in_progress` tell the two cases apart.",
        examples=["unknown", "in_progress"],
    )


class TurnView(BaseModel):
    """One exchange of a conversation."""

    at: datetime = Field(description="When it began.")
    channel: str = Field(description="How the input came: SPEECH, DTMF or none.")
    user_input: str | None = Field(description="The input; null when it was personal data.")
    utterance: str = Field(description="What the agent said.")
    functions: list[dict[str, Any]] = Field(description="Functions that ran: name, milliseconds, error.")


class TerminationView(BaseModel):
    """How the call ended."""

    fault: str = Field(description="Whose doing it was.")
    reason: str = Field(description="One word of the published list.")
    detail: str = Field(description="The particulars.")


class ConversationSummary(BaseModel):
    """One conversation in a list."""

    id: str = Field(description="The conversation id.")
    shared_id: str | None = Field(description="The shared id, if the call has one.")
    env: str = Field(description="The environment of the project.")
    channel_type: str = Field(description="How the conversation is held.")
    state: str = Field(description="Where the call is in its life.")
    started_at: datetime = Field(description="When the call came.")
    answered_at: datetime | None = Field(description="When it was answered.")
    ended_at: datetime | None = Field(description="When it ended.")
    caller_number: str | None = Field(description="Who called.")
    callee_number: str | None = Field(description="The number that was called.")
    sip_call_id: str | None = Field(description="The carrier's Call-ID.")
    reservation_id: str | None = Field(description="The reservation that the call took.")
    late: bool = Field(description="Whether it came after its reservation had ended.")
    status: OutcomeStatus = Field(description="Whether it ended, and with a handoff or without.")
    termination: TerminationView | None = Field(description="How it ended.")


class ConversationList(BaseModel):
    """Conversations, newest first."""

    conversations: list[ConversationSummary] = Field(description="The conversations.")


class ContextView(BaseModel):
    """One value of the call's context, and where it came from."""

    key: str = Field(description="Its name in `conv.context`.")
    value: Any = Field(description="The value.")
    origin: ContextOrigin = Field(description="What brought it.")
    name: str = Field(description="The attribute or header that held it.")
    profile: str | None = Field(description="The trunk profile that knew how to read it.")


class ReceiptStepView(BaseModel):
    """One thing that became known of a handoff."""

    step: Step = Field(description="What became known.")
    at: datetime = Field(description="When.")
    rung: int = Field(description="The rung of the ladder: 0 is the destination's own method.")
    method: HandoffMethod = Field(description="The method of the rung.")
    destination: str | None = Field(description="The destination of the rung.")
    status: int | None = Field(description="The SIP status that said so.")
    evidence: str | None = Field(description="The response or NOTIFY in which it stood.")
    failure: HandoffFailure | None = Field(
        description="Why it failed or was skipped; one of the published list."
    )
    retry: Retry | None = Field(description="What to do about it.")
    detail: str = Field(description="The particulars, for people.")


class ReceiptView(BaseModel):
    """The receipt of one handoff."""

    state: ReceiptState = Field(description="Where the handoff stands as a whole.")
    steps: list[ReceiptStepView] = Field(description="Every step, oldest first.")


class ConversationView(ConversationSummary):
    """One conversation, whole."""

    attributes: dict[str, Any] = Field(description="The attributes that came with the call.")
    sip_headers: dict[str, str] = Field(description="The INVITE's headers.")
    rules: list[dict[str, Any]] = Field(description="The routing decision, rule by rule.")
    context: list[ContextView] = Field(
        description="What is known of the call from its start, best source first."
    )
    turns: list[TurnView] = Field(description="What was said and done.")
    handoff: dict[str, Any] | None = Field(description="The handoff that was carried out.")
    receipt: ReceiptView | None = Field(description="The receipt of the last handoff that was asked for.")
    receipts: list[ReceiptView] = Field(description="The receipts of all handoffs, oldest first.")
    further_sip_call_ids: list[str] = Field(description="The SIP Call-IDs of the legs that handoffs made.")
    media: dict[str, Any] | None = Field(
        description="RTP figures of the caller's leg; those of further legs under their names."
    )
    data: dict[str, Any] | None = Field(description="What Get Handoff answers.")


class HealthAnswer(BaseModel):
    """Whether the server lives."""

    status: Literal["ok"] = Field(description="Always `ok`.")


class TrunkView(BaseModel):
    """What is known of a trunk that is watched."""

    state: Literal["unknown", "up", "down"] = Field(
        description="Whether it answers; `unknown` before it was asked."
    )
    registered: bool | None = Field(
        description="Whether we are registered there; null where nobody asked for it."
    )


class ReadyAnswer(BaseModel):
    """Whether the server should get work."""

    status: Literal["ready", "not_ready"] = Field(description="The answer.")
    reasons: list[str] = Field(description="Why not, in words.")
    trunks: dict[str, TrunkView] = Field(
        description="Trunks with `options_interval_s` or `register`, by name. One that is down makes nothing not ready."
    )
