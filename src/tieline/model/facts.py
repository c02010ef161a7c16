"""Facts of calls, reservations, pools and trunks as webhook events.

An event's id follows from what it tells, so that a fact that is written twice is told once.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from tieline.model.conversation import (
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
)
from tieline.model.handoff import HandoffMethod
from tieline.model.record import Record
from tieline.model.reservation import Reservation
from tieline.model.sms import SmsMessage
from tieline.model.trunk import Trunk
from tieline.model.webhook import EventType, WebhookEndpoint, WebhookEvent
from tieline.model.webhook_payloads import (
    CallEndedPayload,
    CallStartedPayload,
    HandoffStatePayload,
    PoolExhaustedPayload,
    ReservationArrivedPayload,
    ReservationExpiredPayload,
    ReservationLatePayload,
    SmsReceivedPayload,
    SmsStatusPayload,
    TrialPayload,
    TrunkChangedPayload,
)


def event(
    type_: EventType,
    at: datetime,
    account: str,
    project: str | None,
    subject: str,
    data: Record,
    mark: str = "",
) -> WebhookEvent:
    """An event. `mark` tells it from others of the same type and subject."""
    told = hashlib.sha256(f"{type_}\n{subject}\n{mark}".encode("utf-8", "backslashreplace")).hexdigest()
    return WebhookEvent(
        id=f"evt_{told[:32]}",
        type=type_,
        at=at,
        account=account,
        project=project,
        subject=subject,
        data=msgspec.to_builtins(data),
    )


def call_started(opened: ConversationOpened) -> WebhookEvent:
    """A call came in."""
    data = CallStartedPayload(
        conversation_id=opened.id,
        shared_id=opened.shared_id,
        sip_call_id=opened.sip_call_id,
        env=opened.env,
        channel_type=opened.channel_type,
        trunk=opened.trunk,
        callee_number=opened.callee_number,
        reservation_id=opened.reservation_id,
        started_at=opened.started_at,
    )
    return event(EventType.CALL_STARTED, opened.started_at, opened.account, opened.project, opened.id, data)


def call_ended(
    opened: ConversationOpened, shared_id: str | None, closed: ConversationClosed, *, handed_off: bool
) -> WebhookEvent:
    """A call is over."""
    talked = closed.ended_at - closed.answered_at if closed.answered_at is not None else None
    data = CallEndedPayload(
        conversation_id=opened.id,
        shared_id=shared_id,
        sip_call_id=opened.sip_call_id,
        env=opened.env,
        channel_type=opened.channel_type,
        trunk=opened.trunk,
        callee_number=opened.callee_number,
        started_at=opened.started_at,
        answered_at=closed.answered_at,
        ended_at=closed.ended_at,
        talk_s=talked.total_seconds() if talked is not None else 0.0,
        reason=closed.termination.reason,
        fault=closed.termination.fault,
        handed_off=handed_off,
    )
    return event(EventType.CALL_ENDED, closed.ended_at, opened.account, opened.project, opened.id, data)


def handoff_state_changed(
    opened: ConversationOpened,
    status: OutcomeStatus,
    shared_id: str | None,
    outcome: Outcome | None,
    at: datetime,
    told: int,
) -> WebhookEvent:
    """Get Handoff answers something else. `told` is how often that was told of this call before."""
    handoff = (outcome.handoff if outcome is not None else None) or {}
    method = handoff.get("method")
    data = HandoffStatePayload(
        conversation_id=opened.id,
        shared_id=shared_id,
        status=status,
        destination=handoff.get("destination"),
        method=HandoffMethod(method) if method is not None else None,
        revision=outcome.revision if outcome is not None else 0,
    )
    type_ = EventType.HANDOFF_STATE_CHANGED
    return event(type_, at, opened.account, opened.project, opened.id, data, str(told))


def reservation_arrived(
    reservation: Reservation, account: str, conversation_id: str, at: datetime, *, caller_matched: bool
) -> WebhookEvent:
    """A reservation's caller is there: in time, or late where the reservation says so."""
    late_s = max((at - reservation.expires_at).total_seconds(), 0.0)
    if reservation.late:
        type_ = EventType.RESERVATION_LATE
        data: Record = ReservationLatePayload(
            reservation_id=reservation.id,
            pool=reservation.pool,
            number=reservation.number,
            conversation_id=conversation_id,
            reserved_at=reservation.reserved_at,
            expires_at=reservation.expires_at,
            late_s=late_s,
        )
    else:
        type_ = EventType.RESERVATION_ARRIVED
        data = ReservationArrivedPayload(
            reservation_id=reservation.id,
            pool=reservation.pool,
            number=reservation.number,
            conversation_id=conversation_id,
            reserved_at=reservation.reserved_at,
            expires_at=reservation.expires_at,
            caller_matched=caller_matched,
        )
    return event(type_, at, account, reservation.project, conversation_id, data, reservation.id)


def reservation_expired(reservation: Reservation, account: str) -> WebhookEvent:
    """Nobody called on a reservation in time."""
    data = ReservationExpiredPayload(
        reservation_id=reservation.id,
        pool=reservation.pool,
        number=reservation.number,
        reserved_at=reservation.reserved_at,
        expires_at=reservation.expires_at,
    )
    type_ = EventType.RESERVATION_EXPIRED
    return event(type_, reservation.expires_at, account, reservation.project, reservation.id, data)


def pool_exhausted(pool: str, project: str, account: str, at: datetime, retry_after_s: float) -> WebhookEvent:
    """A pool had no free number; one event for each minute."""
    data = PoolExhaustedPayload(pool=pool, retry_after_s=round(retry_after_s, 3))
    minute = at.strftime("%Y-%m-%dT%H:%M")
    return event(EventType.POOL_EXHAUSTED, at, account, project, pool, data, minute)


def trunk_changed(trunk: Trunk, account: str, at: datetime, detail: str, *, down: bool) -> WebhookEvent:
    """A trunk was lost or is back, as one account may know it."""
    shared = trunk.account is None
    data = TrunkChangedPayload(trunk=trunk.name, shared=shared, detail="" if shared else detail)
    type_ = EventType.TRUNK_DOWN if down else EventType.TRUNK_UP
    return event(type_, at, account, None, trunk.name, data, f"{account} {at.isoformat()}")


def sms_received(message: SmsMessage, *, opted_out: bool = False) -> WebhookEvent:
    """A message came in."""
    data = SmsReceivedPayload(
        message_id=message.id,
        conversation_id=message.conversation_id,
        number=message.to,
        segments=message.segments,
        opted_out=opted_out,
    )
    return _of_message(EventType.SMS_RECEIVED, message, data)


def sms_status(message: SmsMessage) -> WebhookEvent:
    """The state of a message of ours has changed."""
    data = SmsStatusPayload(
        message_id=message.id,
        conversation_id=message.conversation_id,
        state=message.state,
        error_code=message.error_code,
        template=message.template,
    )
    return _of_message(EventType.SMS_STATUS, message, data)


def _of_message(type_: EventType, message: SmsMessage, data: Record) -> WebhookEvent:
    subject = message.conversation_id or message.id
    mark = f"{message.id} {message.state}"
    return event(type_, message.changed_at, message.account, message.project, subject, data, mark)


def trial_event(endpoint: WebhookEndpoint, by: str, at: datetime) -> WebhookEvent:
    """What the test button sends."""
    data = TrialPayload(endpoint=endpoint.name, by=by)
    subject = at.strftime("test-%Y%m%d-%H%M%S-%f")  # of its own each time: no test waits for another
    return event(EventType.TEST, at, endpoint.account, endpoint.project, subject, data, endpoint.name)
