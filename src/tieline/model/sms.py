"""SMS: templates, messages on their way out and those that came in, and who wants none."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from tieline.model.environment import Environment
from tieline.model.record import ConfidentialRecord, Record

MAX_HISTORY = 50
"""States of one message that are kept."""

MAX_CONTENT = 1600
"""Characters of one message; the provider refuses more (its error 21617)."""


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
    """How far a message is. The first three are ours, the rest is what the provider last said.

    `SENDING` is committed before the provider is asked: a message found in it later is one whose answer was lost.
    """

    WAITING = "waiting"
    SENDING = "sending"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    RECEIVED = "received"


FINAL = frozenset(
    {SmsState.REFUSED, SmsState.DELIVERED, SmsState.UNDELIVERED, SmsState.FAILED, SmsState.RECEIVED}
)
"""States that a message does not leave, unless a person has it sent again."""

UNSENT = frozenset({SmsState.WAITING, SmsState.SENDING})
"""States of which the sender has to make another."""

_ORDER = (
    SmsState.WAITING, SmsState.SENDING, SmsState.ACCEPTED, SmsState.SENT, SmsState.DELIVERED,
)  # fmt: skip


def is_further(state: SmsState, before: SmsState) -> bool:
    """Whether `state` is news about a message that is known to be in `before`: states only go forward."""
    if before in FINAL:
        return False
    if state in FINAL:
        return True
    return _ORDER.index(state) > _ORDER.index(before)


class SmsChange(Record):
    """One state that a message was in, since when, and what was said about it."""

    at: datetime
    state: SmsState
    error_code: int | None = None
    detail: str = ""


class SmsMessage(ConfidentialRecord):
    """One message. `error_code` is the provider's; `detail` says in words what went wrong and what to do.

    `conversation_id` None for one that came in by itself or was sent by hand. `to` and `from_` are E.164, or `from_`
    a short code, a sender id or a Messaging Service SID; empty for the project's own number. `service` is the
    Messaging Service that one came in by. `retry_count` is what the code asked for, None for the default. `history`
    has the states before this one, oldest first.
    """

    hidden: ClassVar[tuple[str, ...]] = ("content", "to", "from_")

    id: str
    account: str
    project: str
    env: Environment = Environment.LIVE
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
    service: str | None = None
    history: tuple[SmsChange, ...] = ()

    @property
    def person(self) -> str:
        """The number of whoever is on the other end."""
        return self.from_ if self.inbound else self.to

    def entering(
        self, state: SmsState, at: datetime, *, error_code: int | None = None, detail: str = "", **fields: Any
    ) -> SmsMessage:
        """The message in another state, with the one before in its history."""
        before = SmsChange(
            at=self.changed_at, state=self.state, error_code=self.error_code, detail=self.detail
        )
        return msgspec.structs.replace(
            self, state=state, changed_at=at, error_code=error_code, detail=detail,
            history=(*self.history, before)[-MAX_HISTORY:], **fields,
        )  # fmt: skip


def send_again(message: SmsMessage, now: datetime, who: str) -> SmsMessage | None:
    """A person wants a message that was not delivered sent once more; None for any other."""
    if message.inbound or message.state not in {SmsState.FAILED, SmsState.UNDELIVERED, SmsState.REFUSED}:
        return None
    return message.entering(
        SmsState.WAITING, now, detail=f"Sent again by {who}.", attempts=0, next_at=now, provider_sid=None
    )


class OptOut(ConfidentialRecord):
    """Somebody who sent STOP (or one of its synonyms) to a sender, and has not sent START since.

    `sender` is the number that it was sent to, or the Messaging Service that the number belongs to.
    """

    hidden: ClassVar[tuple[str, ...]] = ("recipient",)

    account: str
    recipient: str
    sender: str
    at: datetime
    keyword: str
