"""What the `data` of each webhook event holds. The reference page and its JSON Schemas are written from these records.

Events name things and carry no personal data: no caller's number, attributes, headers, transcripts or state. Whoever
gets one asks the API for these, with a key that may read them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from tieline.model.call import Fault, TerminationReason
from tieline.model.conversation import OutcomeStatus
from tieline.model.handoff import HandoffMethod
from tieline.model.record import Record
from tieline.model.sms import SmsState
from tieline.model.webhook import EventType


def _about(description: str) -> Meta:
    return Meta(description=description)


_ConversationId = Annotated[str, _about("The call's conversation id.")]
_SharedId = Annotated[str | None, _about("The shared id, as far as it is known by then.")]
_SipCallId = Annotated[
    str | None, _about("SIP Call-ID of the caller's leg; null for calls that come without SIP.")
]
_Env = Annotated[str, _about("The project's environment: `sandbox`, `pre-release` or `live`.")]
_Channel = Annotated[str, _about("The channel, as `conv.channel_type` says it.")]
_Trunk = Annotated[str | None, _about("The trunk that the call came over.")]
_Callee = Annotated[str | None, _about("The number of ours that was called.")]
_StartedAt = Annotated[datetime, _about("When the call came in.")]
_ReservationId = Annotated[str, _about("The reservation.")]
_PoolName = Annotated[str, _about("The pool.")]
_Number = Annotated[str, _about("The pool's number that was reserved.")]
_ReservedAt = Annotated[datetime, _about("When it was made.")]
_ExpiresAt = Annotated[datetime, _about("When it ends, or ended.")]
_TrunkName = Annotated[str, _about("The trunk.")]
_Shared = Annotated[bool, _about("Whether the trunk is there for all accounts.")]
_MessageId = Annotated[str, _about("The message.")]
_MessageOf = Annotated[str | None, _about("The conversation that the message belongs to, if any.")]


class CallStartedPayload(Record):
    """A call came in and has a project. It is not answered yet."""

    conversation_id: _ConversationId
    shared_id: _SharedId
    sip_call_id: _SipCallId
    env: _Env
    channel_type: _Channel
    trunk: _Trunk
    callee_number: _Callee
    reservation_id: Annotated[str | None, _about("The reservation whose attributes the call got.")]
    started_at: _StartedAt


class CallEndedPayload(Record):
    """A call is over, however it ended, and everything about it is stored."""

    conversation_id: _ConversationId
    shared_id: _SharedId
    sip_call_id: _SipCallId
    env: _Env
    channel_type: _Channel
    trunk: _Trunk
    callee_number: _Callee
    started_at: _StartedAt
    answered_at: Annotated[datetime | None, _about("When we answered; null when we never did.")]
    ended_at: Annotated[datetime, _about("When it ended.")]
    talk_s: Annotated[float, _about("Seconds from the answer to the end; 0 without an answer.")]
    reason: Annotated[TerminationReason, _about("[Why it ended](terminations.md).")]
    fault: Annotated[Fault, _about("[Whose doing](terminations.md) that was.")]
    handed_off: Annotated[bool, _about("Whether it ended with a handoff.")]


class HandoffStatePayload(Record):
    """What Get Handoff answers for a call is not what it was. Ask it for the state itself."""

    conversation_id: _ConversationId
    shared_id: _SharedId
    status: Annotated[OutcomeStatus, _about("Get Handoff's `status` from now on.")]
    destination: Annotated[str | None, _about("The destination's name, where there is a handoff to one.")]
    method: Annotated[HandoffMethod | None, _about("The handoff's method, where there is one.")]
    revision: Annotated[int, _about("Grows when a further rung of the handoff sends something else.")]


class ReservationArrivedPayload(Record):
    """The caller of a reservation called in time. `conversation_id` names the call."""

    reservation_id: _ReservationId
    pool: _PoolName
    number: _Number
    conversation_id: _ConversationId
    reserved_at: _ReservedAt
    expires_at: _ExpiresAt
    caller_matched: Annotated[bool, _about("Whether the caller is the one that was expected.")]


class ReservationLatePayload(Record):
    """The caller of a reservation called after it had ended, and got its attributes all the same."""

    reservation_id: _ReservationId
    pool: _PoolName
    number: _Number
    conversation_id: _ConversationId
    reserved_at: _ReservedAt
    expires_at: _ExpiresAt
    late_s: Annotated[float, _about("How many seconds too late; 0 for one that was released.")]


class ReservationExpiredPayload(Record):
    """Nobody called on a reservation in time. A late call may still follow."""

    reservation_id: _ReservationId
    pool: _PoolName
    number: _Number
    reserved_at: _ReservedAt
    expires_at: _ExpiresAt


class PoolExhaustedPayload(Record):
    """A reservation was refused because no number was free. Told at most once a minute for each pool."""

    pool: _PoolName
    retry_after_s: Annotated[float, _about("In how many seconds a number will be free, as far as is known.")]


class TrunkChangedPayload(Record):
    """A trunk that is pinged or registered at was lost, or is back."""

    trunk: _TrunkName
    shared: _Shared
    detail: Annotated[str, _about("What was heard of it; empty for a trunk that is there for all accounts.")]


class SmsReceivedPayload(Record):
    """A message came in."""

    message_id: _MessageId
    conversation_id: _MessageOf
    number: Annotated[str, _about("Our number that it was sent to.")]
    segments: Annotated[int, _about("How many segments it has.")]
    opted_out: Annotated[bool, _about("Whether it was a STOP.")]


class SmsStatusPayload(Record):
    """The state of a message that we sent has changed."""

    message_id: _MessageId
    conversation_id: _MessageOf
    state: Annotated[SmsState, _about("How far it is.")]
    error_code: Annotated[int | None, _about("The provider's error code.")]
    template: Annotated[str | None, _about("The template that it was made from.")]


class TrialPayload(Record):
    """Somebody pressed the test button of an endpoint."""

    endpoint: Annotated[str, _about("The endpoint's name.")]
    by: Annotated[str, _about("Who asked for it.")]


PAYLOADS: dict[EventType, type[Record]] = {
    EventType.RESERVATION_ARRIVED: ReservationArrivedPayload,
    EventType.RESERVATION_EXPIRED: ReservationExpiredPayload,
    EventType.RESERVATION_LATE: ReservationLatePayload,
    EventType.CALL_STARTED: CallStartedPayload,
    EventType.CALL_ENDED: CallEndedPayload,
    EventType.HANDOFF_STATE_CHANGED: HandoffStatePayload,
    EventType.POOL_EXHAUSTED: PoolExhaustedPayload,
    EventType.TRUNK_DOWN: TrunkChangedPayload,
    EventType.TRUNK_UP: TrunkChangedPayload,
    EventType.SMS_RECEIVED: SmsReceivedPayload,
    EventType.SMS_STATUS: SmsStatusPayload,
    EventType.TEST: TrialPayload,
}
"""The shape of `data` by the event's type."""
