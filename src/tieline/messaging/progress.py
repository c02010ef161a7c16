"""What becomes of a message, as pure changes of its record: each gives the new one, or None to change nothing."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tieline.integrations.sms_provider import Taken
from tieline.integrations.twilio.sms import StatusNews
from tieline.integrations.twilio.sms_codes import explain
from tieline.model.sms import FINAL, SmsChange, SmsMessage, SmsState, is_further

DEFAULT_RETRIES = 3
"""How often sending is tried again when the code asked for no number."""

DELAYS_S = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds before each further try; the last one holds for all that follow."""

LOOK_AFTER_S = 60.0
"""How long an answer may be missing before the message is looked up: longer than any request takes."""

LOOK_UPS = 5
"""How often a message whose answer was lost is looked up before it is given up."""

LOST = (
    "Twilio's answer was lost, and no trace of the message was found there. It is not sent again by itself, so that "
    "nobody gets it twice."
)
LOST_BLIND = (
    "Twilio's answer was lost, and looking for the message there failed too. Look in the Twilio console before "
    "sending it again."
)
LOOKING = "Twilio's answer was lost; the message is looked up there before anything else is done."


def retry_delay_s(failed: int, retry_after_s: float = 0.0) -> float:
    """Seconds from the `failed`-th failed try (from 1) to the next one, or longer where the provider asked for it."""
    return max(DELAYS_S[min(failed, len(DELAYS_S)) - 1], retry_after_s)


def retries_of(message: SmsMessage) -> int:
    """How often sending it may be tried again."""
    return DEFAULT_RETRIES if message.retry_count is None else message.retry_count


def take_up(message: SmsMessage, now: datetime, sender: str) -> SmsMessage | None:
    """Mark a waiting message as being handed over, from `sender`; only one who asks gets it.

    It is due again, to be looked up, when nothing else has become of it by then.
    """
    if message.state is not SmsState.WAITING:
        return None
    return message.entering(
        SmsState.SENDING, now, attempts=message.attempts + 1, from_=sender,
        next_at=now + timedelta(seconds=LOOK_AFTER_S),
    )  # fmt: skip


def accept(message: SmsMessage, now: datetime, taken: Taken) -> SmsMessage | None:
    """The provider has it. A status callback may have said more already."""
    if message.provider_sid not in {None, taken.sid}:
        return None
    changes: dict[str, Any] = {
        "provider_sid": taken.sid, "segments": taken.segments or message.segments, "next_at": None,
    }  # fmt: skip
    if is_further(taken.state, message.state):
        return message.entering(taken.state, now, **changes)
    return msgspec.structs.replace(message, **changes)


def put_off(
    message: SmsMessage, now: datetime, reason: str, error_code: int | None, retry_after_s: float = 0.0
) -> SmsMessage | None:
    """The provider does not have it: try again later, or give up when it was tried often enough."""
    if message.state is not SmsState.SENDING:
        return None
    if message.attempts > retries_of(message):
        words = f"{reason} Tried {_times(message.attempts)}; given up."
        return message.entering(SmsState.FAILED, now, error_code=error_code, detail=words, next_at=None)
    due = now + timedelta(seconds=retry_delay_s(message.attempts, retry_after_s))
    return message.entering(SmsState.WAITING, now, error_code=error_code, detail=reason, next_at=due)


def reject(
    message: SmsMessage, now: datetime, reason: str, error_code: int | None = None
) -> SmsMessage | None:
    """The provider does not take it, for good."""
    if message.state is not SmsState.SENDING:
        return None
    return message.entering(SmsState.FAILED, now, error_code=error_code, detail=reason, next_at=None)


def refuse(message: SmsMessage, now: datetime, reason: str) -> SmsMessage | None:
    """We do not send it."""
    if message.state is not SmsState.WAITING:
        return None
    return message.entering(SmsState.REFUSED, now, detail=reason, next_at=None)


def lose(message: SmsMessage) -> SmsMessage | None:
    """The answer was lost: the message stays where it is, and says so."""
    if message.state is not SmsState.SENDING or message.detail:
        return None
    return msgspec.structs.replace(message, detail=LOOKING)


def look_again(message: SmsMessage, now: datetime, *, blind: bool) -> SmsMessage | None:
    """No trace of it was found: look again later, and give up in the end. `blind`: looking itself failed."""
    if message.state is not SmsState.SENDING:
        return None
    looked = len(_asked(message)) + 1
    if looked >= LOOK_UPS:
        return message.entering(SmsState.FAILED, now, detail=LOST_BLIND if blind else LOST, next_at=None)
    due = now + timedelta(seconds=LOOK_AFTER_S * looked)
    return message.entering(SmsState.SENDING, now, detail=LOOKING, next_at=due)


def asked_at(message: SmsMessage) -> datetime:
    """When the provider was asked to take it, of a message whose answer is not there."""
    asked = _asked(message)
    return asked[-1].at if asked else message.changed_at


def _asked(message: SmsMessage) -> list[SmsChange]:
    """The states before this one that belong to the same request, newest first."""
    return list(itertools.takewhile(lambda one: one.state is SmsState.SENDING, reversed(message.history)))


def learn(message: SmsMessage, now: datetime, news: StatusNews) -> SmsMessage | None:
    """What a status callback says: states go forward only, and final ones stand."""
    if message.inbound or message.provider_sid not in {None, news.sid}:
        return None
    if news.state is None or not is_further(news.state, message.state):
        if message.provider_sid is None and message.state not in FINAL:
            return msgspec.structs.replace(message, provider_sid=news.sid)
        return None
    failed = news.state in {SmsState.FAILED, SmsState.UNDELIVERED}
    return message.entering(
        news.state, now, error_code=news.error_code, detail=explain(news.error_code) if failed else "",
        provider_sid=news.sid, next_at=None,
    )  # fmt: skip


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
