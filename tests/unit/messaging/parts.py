"""A provider that does as it is told, and what a sender is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tieline.integrations.sms_provider import Taken
from tieline.messaging.sender import SmsSender
from tieline.messaging.senders import Way
from tieline.model.sms import SmsMessage
from tieline.model.twilio import TwilioConnection, TwilioNumber
from tieline.model.webhook import EventType, WebhookEvent
from tieline.observe.metrics import Metrics
from tieline.store.memory import MemoryStore
from tieline.testing.clock import FakeClock
from tieline.testing.store_contract_sms import message

SERVICE = "MG" + "0a" * 16
CONNECTION = TwilioConnection(
    name="main", account="a", account_sid="AC" + "0a" * 16, auth_token="token",
    numbers=(TwilioNumber(number="+15550199", sid="PN" + "0a" * 16, project="x"),),
)  # fmt: skip


class FakeProvider:
    """Keeps what it was given. `answers` are taken one after another: an exception is raised, else it takes it."""

    def __init__(self) -> None:
        self.sent: list[tuple[SmsMessage, str | None]] = []
        self.answers: list[Any] = []
        self.there: list[Taken] | Exception = []
        self.looked: list[datetime] = []

    async def send(self, message: SmsMessage, callback_url: str | None) -> Taken:
        self.sent.append((message, callback_url))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer or Taken(sid=f"SM{len(self.sent)}")

    async def find(self, message: SmsMessage, since: datetime) -> Sequence[Taken]:
        self.looked.append(since)
        if isinstance(self.there, Exception):
            raise self.there
        return self.there


class Post:
    """A sender over an in-memory store, with its provider. `way` is how messages go out."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.wanted_events = frozenset(EventType)
        self.clock = FakeClock(message().created_at)
        self.twilio = FakeProvider()
        self.events: list[WebhookEvent] = []
        self.way: Way | str | None = None
        self.metrics = Metrics()
        self.sender = SmsSender(
            self.store, self.clock, self, self._add_events, self.metrics, "https://tieline.example/"
        )

    async def _add_events(self, events: Sequence[WebhookEvent]) -> None:
        self.events += events

    def way_of(self, sent: SmsMessage) -> Way | str:
        return self.way or Way(CONNECTION, sent.from_)

    def provider(self, connection: TwilioConnection) -> FakeProvider:
        assert connection is CONNECTION
        return self.twilio

    async def after(self, seconds: float) -> SmsMessage:
        """Let time pass, send what is due, and show the message m1."""
        self.clock.advance(seconds)
        await self.sender.send_due()
        found = await self.store.sms("m1")
        assert found is not None
        return found

    async def until_over(self, times: int, seconds: float) -> SmsMessage:
        """Let time pass so often."""
        for _ in range(times - 1):
            await self.after(seconds)
        return await self.after(seconds)
