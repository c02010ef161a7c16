"""The receipt of a handoff: what was asked for and everything that became known of it, step by step."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tieline.model.handoff import HandoffMethod
from tieline.model.record import Record


class Step(StrEnum):
    """One thing that can become known of a handoff, in the order of a good one."""

    REQUESTED = "requested"
    SPOKEN = "spoken"
    SENT = "sent"
    ACCEPTED = "accepted"
    RINGING = "ringing"
    ANSWERED = "answered"
    ALIVE = "alive"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Retry(StrEnum):
    """What to do about a failure: the advice that goes with each reason."""

    LATER = "later"
    OTHER_METHOD = "other_method"
    OTHER_DESTINATION = "other_destination"
    FIX_SETTINGS = "fix_settings"
    NEVER = "never"


class HandoffFailure(StrEnum):
    """Why a handoff, or one rung of its ladder, failed: the closed list of docs/reference/handoffs.md."""

    NOT_SUPPORTED = "not_supported"
    FORBIDDEN = "forbidden"
    AUTHENTICATION_FAILED = "authentication_failed"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    REDIRECTED = "redirected"
    MEDIA_REFUSED = "media_refused"
    NOT_ACCEPTED = "not_accepted"
    NO_RESPONSE = "no_response"
    NO_NOTIFY = "no_notify"
    TRANSPORT_FAILED = "transport_failed"
    REJECTED = "rejected"
    CALLER_HUNG_UP = "caller_hung_up"
    MISCONFIGURED = "misconfigured"
    INTERNAL_ERROR = "internal_error"


class ReceiptStep(Record):
    """One step: when, on which rung (0 is the destination's own method), and the evidence for it.

    `status` is the SIP status that said so, `evidence` the header or NOTIFY line in which it stood (at most 200
    characters, never a header that may be personal or secret), `failure` set on `failed` and `skipped` steps.
    """

    step: Step
    at: datetime
    rung: int
    method: HandoffMethod
    destination: str | None
    status: int | None = None
    evidence: str | None = None
    failure: HandoffFailure | None = None
    retry: Retry | None = None
    detail: str = ""


class ReceiptState(StrEnum):
    """Where a handoff stands as a whole."""

    UNDER_WAY = "under_way"
    DONE = "done"
    FAILED = "failed"


class Receipt(Record):
    """Every step of one handoff request, oldest first. `state` is that of the whole ladder."""

    state: ReceiptState = ReceiptState.UNDER_WAY
    steps: tuple[ReceiptStep, ...] = ()
