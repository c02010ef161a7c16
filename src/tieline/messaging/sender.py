"""The sender: takes messages that are due out of the outbox and hands each to its provider, once.

A message is marked as being handed over before the provider is asked. Whatever happens after that, even the end of
the process, it is not handed over again until it is known that the provider does not have it; see `progress`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol
from urllib.parse import quote

from tieline.clock import Clock
from tieline.errors import TielineError
from tieline.integrations.sms_provider import SmsAnswerLost, SmsNotTaken, SmsProvider, SmsRejected
from tieline.integrations.twilio.sms_codes import OPTED_OUT
from tieline.messaging import progress
from tieline.messaging.senders import Way
from tieline.model.facts import sms_status
from tieline.model.sms import OptOut, SmsMessage, SmsState
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEvent
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.store.outbox import SmsStore

POLL_S = 1.0
"""How often the outbox is looked into: messages come from turns, and from other processes."""

PAUSE_S = 5.0
"""Pause after a failure of our own."""

BATCH = 50
"""Messages taken at one time."""

AT_ONCE = 8
"""Recipients served at one time; messages to one go out one after another."""

STATUS_PATH = "/sms/status"
MESSAGE_PARAMETER = "message"

AddEvents = Callable[[Sequence[WebhookEvent]], Awaitable[None]]


class Routes(Protocol):
    """`tieline.messaging.senders.Senders`, as the sender knows it."""

    def way_of(self, message: SmsMessage) -> Way | str:
        """How a message goes out, or in words why it cannot."""
        ...

    def provider(self, connection: TwilioConnection) -> SmsProvider:
        """The account as one that sends."""
        ...


def status_url(public_url: str | None, message_id: str) -> str | None:
    """Where the provider is to tell of a message; None while the server has no public URL."""
    if not public_url:
        return None
    return f"{public_url.rstrip('/')}{STATUS_PATH}?{MESSAGE_PARAMETER}={quote(message_id, safe='')}"


class SmsSender:
    """Sends what is due. `add_events` tells webhooks of changed states."""

    def __init__(
        self,
        store: SmsStore,
        clock: Clock,
        routes: Routes,
        add_events: AddEvents,
        metrics: Metrics,
        public_url: str | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self._add_events = add_events
        self._metrics = metrics
        self._public_url = public_url
        self._woken = asyncio.Event()
        self._log = get_logger("sms")

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._woken.clear()
            pause = POLL_S
            try:
                sent = await self.send_due()
                pause = 0.0 if sent == BATCH else POLL_S
            except TielineError as error:
                self._log.error("messages not sent", detail=error.message)
                pause = PAUSE_S
            except Exception:
                self._log.exception("messages not sent")
                pause = PAUSE_S
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def send_due(self) -> int:
        """Do what is due now; returns how many messages that were."""
        due = await self._store.due_sms(self._clock.utc(), BATCH)
        by_recipient: dict[str, list[SmsMessage]] = defaultdict(list)
        for message in due:
            by_recipient[message.to].append(message)
        limit = asyncio.Semaphore(AT_ONCE)

        async def serve(messages: Sequence[SmsMessage]) -> None:
            async with limit:
                for message in messages:
                    await self._serve(message)

        async with asyncio.TaskGroup() as tasks:
            for messages in by_recipient.values():
                tasks.create_task(serve(messages))
        return len(due)

    async def _serve(self, message: SmsMessage) -> None:
        if message.state is SmsState.SENDING:
            await self._look_up(message)
        else:
            await self._send(message)

    async def _send(self, message: SmsMessage) -> None:
        way = self._routes.way_of(message)
        if isinstance(way, str):
            await self._change(message, lambda one: progress.refuse(one, self._clock.utc(), way))
            return
        opted = await self._store.opted_out(message.account, message.to, way.sender)
        if opted is not None:
            words = f"The recipient sent {opted.keyword} to this sender on {opted.at:%Y-%m-%d}, so nothing is sent."
            await self._change(message, lambda one: progress.refuse(one, self._clock.utc(), words))
            return
        try:
            provider = self._routes.provider(way.connection)
        except TielineError as error:
            words = f"{error.message}."
            await self._change(message, lambda one: progress.refuse(one, self._clock.utc(), words))
            return
        taken_up = await self._store.change_sms(
            message.id, lambda one: progress.take_up(one, self._clock.utc(), way.sender)
        )
        if taken_up is not None:
            await self._hand_over(taken_up, way, provider)

    async def _hand_over(self, message: SmsMessage, way: Way, provider: SmsProvider) -> None:
        """Ask the provider, once, and note what it said."""
        outcome: Callable[[SmsMessage], SmsMessage | None]
        result = "accepted"
        try:
            taken = await provider.send(message, status_url(self._public_url, message.id))
            outcome = partial(progress.accept, now=self._clock.utc(), taken=taken)
        except SmsNotTaken as error:
            result = "not_taken"
            outcome = partial(
                progress.put_off, now=self._clock.utc(), reason=_sentence(error.message), error_code=error.error_code,
                retry_after_s=error.retry_after_s,
            )  # fmt: skip
        except SmsRejected as error:
            result = "rejected"
            if error.error_code == OPTED_OUT:
                await self._note_opt_out(message, way)
            outcome = partial(
                progress.reject,
                now=self._clock.utc(),
                reason=_sentence(error.message),
                error_code=error.error_code,
            )
        except SmsAnswerLost:
            result = "lost"
            outcome = progress.lose
        self._metrics.inc("tieline_sms_sent_total", result)
        await self._change(message, outcome)

    async def _look_up(self, message: SmsMessage) -> None:
        """Find out whether the provider has a message whose answer was lost, or the process that waited for it."""
        way = self._routes.way_of(message)
        blind, found = isinstance(way, str), None
        if not isinstance(way, str):
            try:
                provider = self._routes.provider(way.connection)
                for taken in await provider.find(message, progress.asked_at(message)):
                    known = await self._store.sms_by_provider_sid(taken.sid)
                    if known is None or known.id == message.id:
                        found = taken
            except TielineError:
                blind = True
        now = self._clock.utc()
        if found is not None:
            accepted = partial(progress.accept, now=now, taken=found)
            await self._change(message, accepted)
            return
        await self._change(message, lambda one: progress.look_again(one, now, blind=blind))

    async def _note_opt_out(self, message: SmsMessage, way: Way) -> None:
        opted = OptOut(
            account=message.account, recipient=message.to, sender=way.sender, at=self._clock.utc(),
            keyword=f"STOP (Twilio's error {OPTED_OUT})",
        )  # fmt: skip
        await self._store.opt_out(opted)

    async def _change(
        self, message: SmsMessage, change: Callable[[SmsMessage], SmsMessage | None]
    ) -> SmsMessage | None:
        changed = await self._store.change_sms(message.id, change)
        if changed is not None and changed.state not in {SmsState.WAITING, SmsState.SENDING}:
            await self._add_events([sms_status(changed)])
        return changed


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
