"""SMS: templates, messages on their way out and those that came in, and who wants none."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from tieline.model.environment import Environment
from tieline.model.record import ConfidentialRecord, Record


class SmsSender(Record):
    """Who a template's messages come from in one environment: a number, or a Messaging Service (`MG...`)."""

    env: Environment
    number: str | None = None
    messaging_service_sid: str | None = None


class SmsTemplate(Record):
    """A text with `{{tokens}}`; templates of the resource file are laid over those of the folder by name."""

    name: str
    content: str
    senders: tuple[SmsSender, ...] = ()


class SmsState(StrEnum):
    """How far a message is. The first two are ours, the rest is what the provider last said."""

    WAITING = "waiting"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    RECEIVED = "received"


class SmsMessage(ConfidentialRecord):
    """One message. `error_code` is the provider's; `detail` says in words what went wrong and what to do.

    `conversation_id` None for one that came in by itself or was sent by hand. `to` and `from_` are E.164, or `from_`
    a Messaging Service SID. `retry_count` is what the code asked for, None for the default.
    """

    hidden: ClassVar[tuple[str, ...]] = ("content", "to")

    id: str
    account: str
    project: str
    conversation_id: str | None
    inbound: bool = False
    to: str
    from_: str
    content: str
    template: str | None = None
    segments: int = 1
    state: SmsState = SmsState.WAITING
    provider_sid: str | None = None
    error_code: int | None = None
    detail: str = ""
    attempts: int = 0
    retry_count: int | None = None
    created_at: datetime
    changed_at: datetime
    next_at: datetime | None = None


class OptOut(Record):
    """Somebody who sent STOP (or one of its synonyms) to a sender, and has not sent START since."""

    recipient: str
    sender: str
    at: datetime
    keyword: str
