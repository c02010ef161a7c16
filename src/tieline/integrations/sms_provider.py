"""Whoever carries text messages, as the sender knows them, and the ways in which handing one over can end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tieline.errors import TielineError
from tieline.model.record import Record
from tieline.model.sms import SmsMessage, SmsState


class Taken(Record):
    """The provider has the message: its id there, how far it is, and its segments where it says."""

    sid: str
    state: SmsState = SmsState.ACCEPTED
    segments: int | None = None


class SmsNotTaken(TielineError):
    """The provider does not have the message, and may take it later."""

    code = "sms_not_taken"

    def __init__(self, message: str, *, error_code: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.retry_after_s = retry_after_s


class SmsRejected(TielineError):
    """The provider does not take the message, now or later. `message` says why, and what to do."""

    code = "sms_rejected"

    def __init__(self, message: str, *, error_code: int | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code


class SmsAnswerLost(TielineError):
    """Nobody knows whether the provider has the message."""

    code = "sms_answer_lost"


class SmsProvider(Protocol):
    """One account at a provider."""

    async def send(self, message: SmsMessage, callback_url: str | None) -> Taken:
        """Hand a message over, once. Raises `SmsNotTaken`, `SmsRejected` or `SmsAnswerLost`."""
        ...

    async def find(self, message: SmsMessage, since: datetime) -> Sequence[Taken]:
        """What it has taken since then that looks like the message, newest first. Raises `SmsAnswerLost`."""
        ...
