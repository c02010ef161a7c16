"""Handoffs that Twilio went on with when the last process died: what it tells of them is understood, and asked for.

There is no agent any more that a caller could come back to. One whom nobody takes gets the project's fall-back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from tieline.calls.directory import Directory
from tieline.calls.lost_handoff import LostHandoff, LostPorts, open_receipt
from tieline.errors import TielineError
from tieline.gateway.dialog_text import LegFacts
from tieline.gateway.twilio_call import Dialling, TwilioCall
from tieline.gateway.twilio_facts import CallFacts
from tieline.gateway.twilio_kept import KeptTransfer, read_transfer
from tieline.gateway.twilio_screening import TwilioScreening
from tieline.gateway.twilio_voice import ENDED, TwilioVoice
from tieline.integrations.twilio.client import DialledLeg
from tieline.model.conversation import Conversation
from tieline.model.twilio import TwilioConnection
from tieline.observe.logging import get_logger

SLACK_S = 30.0
"""How much longer than the ringing and the asking it may take until Twilio has told all."""

SKEW_S = 5.0
"""How far Twilio's clock may be behind ours."""


class LostCall(TwilioCall):
    """A call with a transfer under way and nobody behind it. `handoff` is told what becomes of it."""

    def __init__(
        self,
        voice: TwilioVoice,
        connection: TwilioConnection,
        kept: KeptTransfer,
        conversation: Conversation,
        handoff: LostHandoff,
    ) -> None:
        opened = conversation.opened
        facts = CallFacts(
            sid=kept.sid, account_sid=kept.account_sid, caller=opened.caller_number, callee=opened.callee_number,
            dialled="unknown", by_sip=False, headers=(),
        )  # fmt: skip
        ways = replace(
            voice.ways, resume=lambda _: self._fall_back(), tell=handoff.on_event, is_up=lambda _: True
        )
        nobody = LegFacts(f"{kept.sid}@twilio", "", "", None, None, ("127.0.0.1", 0), "twilio.invalid")
        loop = asyncio.get_running_loop()
        super().__init__(ways, connection, facts, nobody, loop.time())
        self.handoff = handoff
        self.refused = True
        self._voice = voice
        screening = None
        if kept.screening is not None:
            screening = TwilioScreening(
                kept.screening,
                lambda step: self._screen_url(kept.attempt, step),
                handoff.on_screening,
                loop.time,
            )
        self._attempts = kept.attempt
        self._lost = self._dialling = Dialling(kept.attempt, 0, screening)
        asked_s = 0.0 if kept.screening is None else kept.screening.longest_s
        self.wait_s = kept.ring_timeout_s + asked_s + SLACK_S

    @property
    def is_running(self) -> bool:
        """Until it is known what has become of it."""
        return not self._lost.settled

    def _fall_back(self) -> str:
        """Nobody has taken the caller: told at once, for there is nothing to come back to."""
        if self._lost.returning is not None:
            self._settle(self._lost, *self._lost.returning)
        facts = self.facts
        form = {"CallSid": facts.sid, "AccountSid": facts.account_sid}
        return self._voice.on_fallback(
            self.connection, {**form, "From": facts.caller or "", "To": facts.callee or ""}
        )

    def end(self) -> None:
        """The call is over at Twilio's end."""
        super().end()
        if not self._lost.settled:
            self._lost.settled = True
            self.handoff.on_caller_gone()

    def on_left(self) -> None:
        """Twilio never began with the transfer: it asks what comes after what was before."""
        self.give_up()

    def give_up(self) -> None:
        """Nothing more is to be learnt."""
        if not self._lost.settled:
            self._lost.settled = True
            self.handoff.give_up()

    async def ask(self, *, last: bool) -> None:
        """Ask Twilio what has become of it meanwhile; with `last`, what is not known then never will be."""
        if self._lost.settled:
            return
        try:
            api = self._ways.api(self.connection)
            status = await api.call_status(self.facts.sid)
            legs = await api.dialled_legs(self.facts.sid)
        except TielineError as error:
            self._log.warning("what became of a handoff could not be asked", detail=error.message)
        else:
            self._take(status, self._newest(legs))
        if last:
            self.give_up()

    def _newest(self, legs: Sequence[DialledLeg]) -> str | None:
        """The state of the leg that this transfer has made; None when it has made none."""
        since = self.handoff.sent_at - SKEW_S
        return next((one.status for one in legs if one.at is None or one.at.timestamp() >= since), None)

    def _take(self, status: str, leg: str | None) -> None:
        attempt = self._lost.attempt
        if leg in ENDED - {"canceled"}:
            # The caller, where there still is one, is told by Twilio's own question what next.
            self.on_dialled(attempt, {"CallStatus": "in-progress", "DialCallStatus": leg})
        elif leg is not None:
            self.on_progress(attempt, {"CallStatus": leg})
        if status in ENDED:
            self.end()


class LostCalls:
    """Takes up what the last process has left behind at Twilio. `begin` once Twilio can be asked."""

    def __init__(self, voice: TwilioVoice, ports: LostPorts) -> None:
        self._voice = voice
        self._ports = ports
        self._calls: list[LostCall] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._log = get_logger("twilio")

    async def take_up(
        self, lost: Sequence[tuple[str, Sequence[str]]], directory: Directory
    ) -> tuple[frozenset[str], list[str]]:
        """Of what was kept of calls: the conversations of which Twilio will tell more, and the texts of SIP dialogs."""
        going_on: set[str] = set()
        dialogs: list[str] = []
        for conversation_id, texts in lost:
            read = [(text, read_transfer(text)) for text in texts]
            dialogs += [text for text, kept in read if kept is None]
            for kept in [kept for _, kept in read if kept is not None]:
                if await self._take_up(conversation_id, kept, directory):
                    going_on.add(conversation_id)
        return frozenset(going_on), dialogs

    async def _take_up(self, conversation_id: str, kept: KeptTransfer, directory: Directory) -> bool:
        connection = next((one for one in directory.resources.twilio if one.name == kept.connection), None)
        conversation = await self._ports.store.conversation(conversation_id)
        receipt = open_receipt(conversation) if conversation is not None else None
        if connection is None or conversation is None or receipt is None:
            return False
        handoff = LostHandoff(self._ports, conversation, receipt)
        call = LostCall(self._voice, connection, kept, conversation, handoff)
        if not handoff.is_settled:
            self._voice.take_up(call)
            self._calls.append(call)
            self._log.info("= a handoff of the previous run goes on", twilio_call=kept.sid)
        return True

    def begin(self) -> None:
        """Ask what has become of them, now and at the end of their time."""
        loop = asyncio.get_running_loop()
        for call in self._calls:
            self._ports.begin(call.ask(last=False))
            self._timers.append(loop.call_later(call.wait_s, self._ask_last, call))

    def _ask_last(self, call: LostCall) -> None:
        self._ports.begin(call.ask(last=True))

    async def stop(self) -> None:
        """Leave the rest to the next process."""
        for timer in self._timers:
            timer.cancel()
