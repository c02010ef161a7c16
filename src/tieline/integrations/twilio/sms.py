"""Text messages through Twilio: sending, looking one up whose answer was lost, and what its webhooks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieline.errors import TielineError, Unavailable
from tieline.integrations.sms_provider import SmsAnswerLost, SmsNotTaken, SmsRejected, Taken
from tieline.integrations.twilio import sdk
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.integrations.twilio.http import NotReached
from tieline.integrations.twilio.sms_codes import explain
from tieline.model.record import Record
from tieline.model.sms import SmsMessage, SmsState

STATES: dict[str, SmsState] = {
    "accepted": SmsState.ACCEPTED,
    "scheduled": SmsState.ACCEPTED,
    "queued": SmsState.ACCEPTED,
    "sending": SmsState.ACCEPTED,
    "sent": SmsState.SENT,
    "delivered": SmsState.DELIVERED,
    "read": SmsState.DELIVERED,
    "partially_delivered": SmsState.UNDELIVERED,
    "undelivered": SmsState.UNDELIVERED,
    "failed": SmsState.FAILED,
    "canceled": SmsState.FAILED,
}
"""Twilio's states of outgoing messages, in ours."""

LOOKED_AT = 50
"""Messages to one recipient that are looked through for one whose answer was lost."""

PRECISION = timedelta(seconds=1)
"""Twilio's times are in whole seconds."""

SERVICE_PREFIX = "MG"
BUSY = frozenset({429, 503})
"""HTTP statuses with which Twilio says that it did nothing, and to come again."""


class StatusNews(Record):
    """What a status callback says of a message. `state` None: a word that we do not know."""

    sid: str
    state: SmsState | None
    error_code: int | None


class InboundSms(Record):
    """A message that came in. `keyword` is what Twilio took it for: STOP, START or HELP; None for any other."""

    sid: str
    sender: str
    recipient: str
    content: str
    service: str | None
    keyword: str | None
    media: int


class TwilioSms:
    """One account's messages; an `SmsProvider`."""

    def __init__(self, api: TwilioApi) -> None:
        self._api = api

    async def send(self, message: SmsMessage, callback_url: str | None) -> Taken:
        """Hand a message over. Twilio knows no key that makes a repeated request harmless: this asks once."""
        fields: dict[str, Any] = {"to": message.to, "body": message.content}
        fields["messaging_service_sid" if is_service(message.from_) else "from_"] = message.from_
        if callback_url is not None:
            fields["status_callback"] = callback_url
        try:
            made = await self._api.call(self._api.sdk.messages.create_async(**fields))
        except NotReached as error:
            raise SmsNotTaken(error.message) from None
        except TwilioRefused as error:
            raise _refused(error) from None
        except Unavailable as error:
            raise SmsAnswerLost(error.message) from None
        return _taken(made)

    async def find(self, message: SmsMessage, since: datetime) -> Sequence[Taken]:
        """Messages of that sender, recipient and text that Twilio has taken since then, newest first."""
        try:
            found = await self._api.call(self._api.sdk.messages.list_async(to=message.to, limit=LOOKED_AT))
        except TielineError as error:
            raise SmsAnswerLost(error.message) from None
        return [_taken(one) for one in found if _is_it(one, message, since - PRECISION)]


def is_service(sender: str) -> bool:
    """Whether a sender is a Messaging Service."""
    return sender.startswith(SERVICE_PREFIX) and len(sender) == 34


def read_status(form: Mapping[str, str]) -> StatusNews | None:
    """What a status callback says; None when it names no message."""
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    if not sid:
        return None
    word = form.get("MessageStatus") or form.get("SmsStatus") or ""
    code = form.get("ErrorCode", "")
    return StatusNews(
        sid=sid[:64],
        state=STATES.get(word),
        error_code=int(code) if code.isdecimal() and len(code) < 7 else None,
    )


def read_inbound(form: Mapping[str, str]) -> InboundSms | None:
    """A message that came in; None when the form is not one."""
    sid, sender, recipient = (form.get(name, "")[:64] for name in ("MessageSid", "From", "To"))
    if not (sid and sender and recipient):
        return None
    media = form.get("NumMedia", "0")
    return InboundSms(
        sid=sid,
        sender=sender,
        recipient=recipient,
        content=form.get("Body", ""),
        service=form.get("MessagingServiceSid") or None,
        keyword=form.get("OptOutType") or None,
        media=int(media) if media.isdecimal() and len(media) < 4 else 0,
    )


def reply(text: str | None) -> str:
    """TwiML that answers a message, or does not."""
    answer = sdk.MessagingResponse()
    if text:
        answer.message(text)
    return str(answer)


def _refused(error: TwilioRefused) -> TielineError:
    words = explain(error.twilio_code, error.message)
    if error.status in BUSY:
        return SmsNotTaken(words, error_code=error.twilio_code, retry_after_s=1.0)
    if error.status >= 500:
        return SmsAnswerLost(words)
    return SmsRejected(words, error_code=error.twilio_code)


def _taken(found: Any) -> Taken:
    segments = str(found.num_segments or "")
    word = str(getattr(found.status, "value", found.status) or "")
    return Taken(
        sid=str(found.sid),
        state=STATES.get(word, SmsState.ACCEPTED),
        segments=int(segments) if segments.isdecimal() and int(segments) > 0 else None,
    )


def _is_it(found: Any, message: SmsMessage, since: datetime) -> bool:
    direction = str(getattr(found.direction, "value", found.direction) or "")
    if not direction.startswith("outbound") or found.body != message.content:
        return False
    made_at = found.date_created
    if not isinstance(made_at, datetime) or made_at < since:
        return False
    if is_service(message.from_):
        return bool(found.messaging_service_sid == message.from_)
    return bool(found.from_ == message.from_)
