"""What the provider tells: messages that come in, and states of those that went out. Repeats change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from tieline.clock import Clock
from tieline.config import SmsSettings
from tieline.integrations.twilio.sms import InboundSms, read_inbound, read_status
from tieline.messaging import progress
from tieline.messaging.opt_out import Keyword, read_keyword
from tieline.messaging.sender import AddEvents
from tieline.model.environment import Environment
from tieline.model.facts import sms_received, sms_status
from tieline.model.number import canonical
from tieline.model.sms import MAX_CONTENT, OptOut, SmsMessage, SmsState
from tieline.model.sms_segments import measure
from tieline.model.twilio import TwilioConnection
from tieline.observe.logging import get_logger
from tieline.observe.metrics import Metrics
from tieline.store.outbox import SmsStore


class SmsInbox:
    """Takes what verified webhooks say. `pooled` tells the project of an account whose pool has a number."""

    def __init__(
        self,
        store: SmsStore,
        clock: Clock,
        add_events: AddEvents,
        metrics: Metrics,
        settings: SmsSettings,
        pooled: Callable[[str, str], str | None] = lambda account, number: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._add_events = add_events
        self._metrics = metrics
        self._settings = settings
        self._pooled = pooled
        self._log = get_logger("sms")

    async def take_status(
        self, connection: TwilioConnection, form: Mapping[str, str], message_id: str | None
    ) -> bool:
        """A status callback; whether it changed anything. `message_id` is the one in our callback's URL."""
        news = read_status(form)
        if news is None:
            return False
        known = await self._store.sms(message_id) if message_id else None
        if known is None:
            known = await self._store.sms_by_provider_sid(news.sid)
        if known is None or known.account != connection.account:
            self._log.info("status of a message that is not ours")
            return False
        changed = await self._store.change_sms(
            known.id, partial(progress.learn, now=self._clock.utc(), news=news)
        )
        if changed is None or changed.state is known.state:
            return False
        await self._add_events([sms_status(changed)])
        return True

    async def take_message(self, connection: TwilioConnection, form: Mapping[str, str]) -> str | None:
        """A message that came in; the text to answer with, or None."""
        inbound = read_inbound(form)
        if inbound is None or await self._store.sms_by_provider_sid(inbound.sid) is not None:
            return None
        keyword = read_keyword(inbound.content, inbound.keyword)
        self._metrics.inc("tieline_sms_received_total", (keyword or "message").lower())
        # The opt-out first: should storing the message fail, the provider sends it again, and nothing is missed.
        await self._note(connection, inbound, keyword)
        message = self._message(connection, inbound)
        event = sms_received(message, opted_out=keyword is Keyword.STOP)
        await asyncio.gather(self._store.add_sms([message]), self._add_events([event]))
        # What Twilio took for a keyword (`OptOutType`) it has answered itself.
        answers = self._settings.answer_keywords and inbound.keyword is None
        return self._answer(keyword) if answers else None

    def _answer(self, keyword: Keyword | None) -> str | None:
        if keyword is None:
            return None
        texts = {
            Keyword.STOP: self._settings.stop_answer,
            Keyword.START: self._settings.start_answer,
            Keyword.HELP: self._settings.help_answer,
        }
        return texts[keyword] or None

    async def _note(self, connection: TwilioConnection, inbound: InboundSms, keyword: Keyword | None) -> None:
        person = _number(inbound.sender)
        for sender in filter(None, (_number(inbound.recipient), inbound.service)):
            if keyword is Keyword.STOP:
                word = inbound.content.strip().upper()[:20] or keyword.value
                await self._store.opt_out(
                    OptOut(
                        account=connection.account,
                        recipient=person,
                        sender=sender,
                        at=self._clock.utc(),
                        keyword=word,
                    )
                )
            elif keyword is Keyword.START:
                await self._store.opt_in(connection.account, person, sender)

    def _message(self, connection: TwilioConnection, inbound: InboundSms) -> SmsMessage:
        now = self._clock.utc()
        recipient = _number(inbound.recipient)
        number = next((one for one in connection.numbers if one.number == recipient), None)
        content = inbound.content[:MAX_CONTENT]
        return SmsMessage(
            id=f"in-{inbound.sid}",
            account=connection.account,
            project=(number.project if number is not None else None)
            or self._pooled(connection.account, recipient)
            or "",
            env=number.env if number is not None else Environment.LIVE,
            conversation_id=None,
            inbound=True,
            to=recipient,
            from_=_number(inbound.sender),
            content=content,
            segments=max(1, measure(content).segments),
            state=SmsState.RECEIVED,
            provider_sid=inbound.sid,
            detail=f"With {inbound.media} media files, which are not kept." if inbound.media else "",
            service=inbound.service,
            created_at=now,
            changed_at=now,
        )


def _number(text: str) -> str:
    return canonical(text) or text
