"""One call at Twilio, from its webhook to its end: how it comes in, is given away, comes back, and ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from tieline.calls.provider import ProviderTransfer, ScreeningStep, TellScreening
from tieline.errors import InvalidInput, TielineError
from tieline.gateway.dialog_text import LegFacts
from tieline.gateway.twilio_facts import CallFacts
from tieline.gateway.twilio_kept import KeptTransfer, write_transfer
from tieline.gateway.twilio_leg import TwilioLeg
from tieline.gateway.twilio_screening import ScreeningState, TwilioScreening
from tieline.gateway.twilio_wire import StreamWire
from tieline.integrations.twilio import twiml
from tieline.integrations.twilio.client import TwilioApi
from tieline.integrations.twilio.codes import TwilioRefused
from tieline.model.twilio import TwilioConnection
from tieline.observe.logging import get_logger
from tieline.sip.events import ByeReceived, NotifyReceived, ReferCompleted, SipEvent
from tieline.sip.phrases import phrase_of

HEARD_S = 6.0
"""How long the last sentence may take to be heard to its end, once it has been sent."""

RETURN_S = 15.0
"""How long a caller whom nobody has taken may take to come back by a stream."""

DIAL_STATUS = {"busy": 486, "no-answer": 480, "failed": 404, "canceled": 487}
"""What the end of a `<Dial>` means in SIP, where it names no SIP status itself."""

NOT_TAKEN = 603
"""What it means that somebody has picked up and not taken the call."""

PROGRESS = {"queued": 100, "initiated": 100, "ringing": 180, "in-progress": 200, "answered": 200}
"""What the progress of a dialled leg means in SIP."""

GONE_CODES = frozenset({20404, 21220})
FORBIDDEN_CODES = frozenset({20003, 20005, 20006, 21210, 21214, 21215, 13214, 13227})

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class CallWays:
    """What a call at Twilio needs of the server.

    `url` makes a public URL of a path with its query; `resume` TwiML that brings a call back by a stream.
    """

    api: Callable[[TwilioConnection], TwilioApi]
    url: Callable[[str], str]
    resume: Callable[[TwilioCall], str]
    tell: Callable[[SipEvent], None]
    watch: Callable[[int, Callable[[SipEvent], bool]], None]
    take_over: Callable[[int, TwilioLeg], None]
    is_up: Callable[[int], bool]
    begin: Callable[[Coroutine[Any, Any, None]], object]
    host: str


@dataclass(slots=True)
class Dialling:
    """A transfer under way. `settled`: its result is told; `returning` is one to be told once the caller is back.

    `accepted` once Twilio is known to carry it out; `answered` once somebody has taken the caller, which is after the
    `screening` where there is one.
    """

    attempt: int
    leg_id: int
    screening: TwilioScreening | None = None
    accepted: bool = False
    answered: bool = False
    settled: bool = False
    returning: tuple[int, str] | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class TwilioCall:
    """Implements `tieline.calls.provider.ProviderCall` and `LegOwner`. `answer` is the TwiML that brought it in.

    `over` once Twilio has said so, or we have ended it; `refused` when we would not have it.
    """

    def __init__(
        self,
        ways: CallWays,
        connection: TwilioConnection,
        facts: CallFacts,
        leg_facts: LegFacts,
        since: float,
    ) -> None:
        self.connection = connection
        self.facts = facts
        self.leg_facts = leg_facts
        self.since = since
        self.answer = ""
        self.leg: TwilioLeg | None = None
        self.sip_leg: int | None = None
        self.over = False
        self.refused = False
        self._ways = ways
        self._dialling: Dialling | None = None
        self._attempts = 0
        self._kept: KeptTransfer | None = None
        self._redirecting = False
        self._log = get_logger("twilio").bind(twilio_call=facts.sid)

    @property
    def is_running(self) -> bool:
        """Whether a call of ours is known to be behind it."""
        leg_id = self.leg.id if self.leg is not None else self.sip_leg
        return leg_id is not None and not self.over and self._ways.is_up(leg_id)

    # -- its stream -------------------------------------------------------------------------------------------

    def resume(self, wire: StreamWire) -> TwilioLeg | None:
        """The caller is back by a stream; None when nobody is there for them any more."""
        leg = self.leg
        if leg is None or self.over or leg.over.done():
            return None
        self._redirecting = False
        leg.resume(wire)
        dialling = self._dialling
        if dialling is not None and dialling.returning is not None:
            self._settle(dialling, *dialling.returning)
        return leg

    def on_stream_closed(self, wire: StreamWire) -> None:
        """The stream is over: the caller has hung up, or Twilio has them elsewhere for us."""
        if self.leg is None or self.leg.wire is not wire:
            return
        self.leg.park()
        if not self._redirecting:
            self.leg.hang_up()

    # -- giving the caller away -------------------------------------------------------------------------------

    def transfer(self, leg_id: int, wanted: ProviderTransfer, tell: TellScreening) -> str | None:
        """Give the caller to somebody else. See `ProviderCall`."""
        if self.over or (self._dialling is not None and not self._dialling.settled):
            return None
        if wanted.caller_id is not None and _E164.fullmatch(wanted.caller_id) is None:
            raise InvalidInput(
                "the caller id has to be a number in E.164: one of the account's, or a verified one"
            )
        headers, note = _carried(wanted)
        screening = self._screening(self._attempts + 1, wanted, tell)
        if self.leg is not None:
            target = wanted.target if twiml.is_sip(wanted.target) else f"tel:{wanted.target}"
            if not self.leg.refer(leg_id, f"<{target}>", headers):
                return None
        else:
            self._ways.watch(leg_id, self._on_sip_event)
        self._attempts += 1
        dialling = self._dialling = Dialling(self._attempts, leg_id, screening)
        self._kept = KeptTransfer(
            connection=self.connection.name, account_sid=self.facts.account_sid, sid=self.facts.sid,
            attempt=dialling.attempt, ring_timeout_s=wanted.ring_timeout_s, screening=wanted.screening,
        )  # fmt: skip
        self._ways.begin(self._redirect(dialling, self._twiml(dialling, wanted, headers)))
        return note

    def _twiml(
        self, dialling: Dialling, wanted: ProviderTransfer, headers: tuple[tuple[str, str], ...]
    ) -> str:
        if self.facts.by_sip and twiml.is_sip(wanted.target) and dialling.screening is None:
            return twiml.refer(
                wanted.target, headers, self._ways.url(f"/voice/next?after=refer&attempt={dialling.attempt}")
            )
        return twiml.dial_out(
            twiml.DialOut(
                target=wanted.target,
                headers=headers,
                caller_id=wanted.caller_id,
                timeout_s=round(wanted.ring_timeout_s),
                action_url=self._ways.url(f"/voice/next?after=dial&attempt={dialling.attempt}"),
                progress_url=self._ways.url(
                    f"/voice/progress?parent={self.facts.sid}&attempt={dialling.attempt}"
                ),
                screen_url=self._screen_url(dialling.attempt, "begin") if dialling.screening else None,
            )
        )

    def _screening(
        self, attempt: int, wanted: ProviderTransfer, tell: TellScreening
    ) -> TwilioScreening | None:
        if wanted.screening is None:
            return None
        loop = asyncio.get_running_loop()

        def tell_later(step: ScreeningStep, detail: str) -> None:
            loop.call_soon(tell, step, detail)

        return TwilioScreening(
            wanted.screening, lambda step: self._screen_url(attempt, step), tell_later, loop.time
        )

    def _screen_url(self, attempt: int, step: str) -> str:
        return self._ways.url(f"/voice/screen?parent={self.facts.sid}&attempt={attempt}&step={step}")

    async def _redirect(self, dialling: Dialling, text: str) -> None:
        """Let the live call go on with other TwiML, once the caller has heard what was said last."""
        if self.leg is not None and self.leg.wire is not None:
            await self.leg.wire.heard(HEARD_S)
        self._redirecting = True
        try:
            await self._ways.api(self.connection).redirect_call(self.facts.sid, text)
        except TielineError as error:
            if dialling.accepted:  # only its answer was lost
                self._log.info("the call was redirected, but not confirmed", detail=error.message)
                return
            self._redirecting = False
            dialling.settled = True
            status = _status_of(error)
            self._log.warning("the call could not be redirected", detail=error.message)
            self._answer(dialling.leg_id, status, error.message)
            if self.leg is not None and self.leg.wire is None:
                self.leg.hang_up()
            return
        self._accept(dialling)

    def _accept(self, dialling: Dialling) -> None:
        """Twilio carries it out, by its answer or by what it tells of it, which may come before the answer."""
        if not dialling.accepted:
            dialling.accepted = True
            self._answer(dialling.leg_id, 202, "Accepted")

    def _answer(self, leg_id: int, status: int, phrase: str) -> None:
        if self.leg is not None and self.sip_leg is None:
            self.leg.answer_refer(status, phrase)
        else:
            self._ways.tell(ReferCompleted(leg_id, status, phrase))

    def _notify(self, dialling: Dialling, status: int, phrase: str) -> None:
        self._accept(dialling)
        if self.leg is not None:
            self.leg.notify(status, phrase)
            return
        word = "terminated" if status >= 200 else "active"
        self._ways.tell(NotifyReceived(dialling.leg_id, status, phrase, word, b""))

    def _settle(self, dialling: Dialling, status: int, phrase: str) -> None:
        """Tell the result, once."""
        if dialling.timer is not None:
            dialling.timer.cancel()
        dialling.returning = None
        if not dialling.settled:
            dialling.settled = True
            if dialling.screening is not None and status >= 300:
                dialling.screening.tell_refused()
            self._notify(dialling, status, phrase)

    def kept(self) -> str:
        """The transfer under way as text. See `ProviderCall`."""
        return write_transfer(self._kept) if self._kept is not None else ""

    def _on_sip_event(self, event: SipEvent) -> bool:
        """Twilio ends the SIP leg when it takes the caller back for a transfer: the call itself goes on."""
        dialling = self._dialling
        if not isinstance(event, ByeReceived) or dialling is None or not self._redirecting or self.over:
            return False
        leg = self.leg = TwilioLeg(self.leg_facts, self._ways.host, self._ways.tell, self)
        leg.stand_in(event.leg_id)
        self._ways.take_over(event.leg_id, leg)
        return True

    def take_back(self, leg_id: int) -> None:
        """Nobody waits for the transfer any more. See `ProviderCall`."""
        dialling = self._dialling
        if dialling is None or dialling.settled or dialling.returning is not None or self.over:
            return
        dialling.settled = True
        self._ways.begin(self._bring_back())

    async def _bring_back(self) -> None:
        try:
            await self._ways.api(self.connection).redirect_call(self.facts.sid, self._ways.resume(self))
        except TielineError as error:
            self._log.warning("the caller could not be brought back", detail=error.message)
            if self.leg is not None:
                self.leg.hang_up()

    # -- what Twilio tells ------------------------------------------------------------------------------------

    def on_progress(self, attempt: int, form: Mapping[str, str]) -> None:
        """The dialled leg makes progress; its failure is told by `on_dialled`."""
        dialling = self._of(attempt)
        status = PROGRESS.get(form.get("CallStatus", ""))
        if dialling is None or status is None or dialling.settled or dialling.returning is not None:
            return
        if status >= 200:
            self._on_picked_up(dialling)
        else:
            self._notify(dialling, status, phrase_of(status))

    def _on_picked_up(self, dialling: Dialling) -> None:
        """Who was dialled has answered; they have the caller, unless they are to be asked before."""
        if dialling.screening is None or dialling.screening.state is ScreeningState.ACCEPTED:
            dialling.answered = True
            self._settle(dialling, 200, "OK")
        elif dialling.screening.state is ScreeningState.RINGING:
            self._notify(dialling, 183, "Picked Up")
            dialling.screening.on_picked_up()

    def on_screen(self, attempt: int, step: str, form: Mapping[str, str]) -> str:
        """Who was dialled is to be asked before the two are joined: the TwiML for them alone."""
        dialling = self._of(attempt)
        screening = dialling.screening if dialling is not None else None
        if dialling is None or screening is None or self.over:
            return twiml.hang_up()
        if not dialling.answered and (dialling.settled or dialling.returning is not None):
            # The caller is not theirs any more.
            return twiml.hang_up()
        self._on_picked_up(dialling)
        answer = screening.answer(step, form.get("Digits", ""))
        self._on_picked_up(dialling)
        return answer

    def on_dialled(self, attempt: int, form: Mapping[str, str]) -> str:
        """A `<Dial>` to a human is over: the TwiML with which the call goes on."""
        result = form.get("DialCallStatus", "")
        told = form.get("DialSipResponseCode", "")
        dialling = self._of(attempt)
        screening = dialling.screening if dialling is not None else None
        if result not in {"completed", "answered"}:
            status = int(told) if re.fullmatch(r"[3-6][0-9]{2}", told) else DIAL_STATUS.get(result, 500)
            return self._after(attempt, status, form)
        if screening is None:
            return self._after(attempt, 200, form)
        if form.get("DialBridged") == "true":
            screening.accept()
        screening.refuse()
        return self._after(attempt, 200 if screening.state is ScreeningState.ACCEPTED else NOT_TAKEN, form)

    def on_referred(self, attempt: int, form: Mapping[str, str]) -> str:
        """A `<Refer>` is over: the TwiML with which the call goes on."""
        code = form.get("NotifySipResponseCode") or form.get("ReferSipResponseCode") or ""
        return self._after(attempt, int(code) if re.fullmatch(r"[2-6][0-9]{2}", code) else 500, form)

    def _after(self, attempt: int, status: int, form: Mapping[str, str]) -> str:
        dialling = self._of(attempt)
        if dialling is not None and status < 300:
            dialling.answered = True
            self._settle(dialling, 200, "OK")
        if form.get("CallStatus") in {"completed", "canceled"}:
            self.end()
            return twiml.hang_up()
        if dialling is None or dialling.answered:
            return twiml.hang_up()
        if self.over or not self._ways.is_up(dialling.leg_id):
            return twiml.hang_up()
        if dialling.returning is None and not dialling.settled:
            dialling.returning = (status, phrase_of(status))
            loop = asyncio.get_running_loop()
            dialling.timer = loop.call_later(RETURN_S, self._on_lost)
        return self._ways.resume(self)

    def _on_lost(self) -> None:
        """The caller has not come back."""
        if self.leg is not None and self.leg.wire is None:
            self.leg.hang_up()

    def _of(self, attempt: int) -> Dialling | None:
        found = self._dialling
        return found if found is not None and found.attempt == attempt else None

    def end(self) -> None:
        """The call is over at Twilio's end."""
        self.over = True
        if self._dialling is not None and self._dialling.timer is not None:
            self._dialling.timer.cancel()
        if self.leg is not None:
            self.leg.hang_up()

    def on_left(self) -> None:
        """We have nobody for the caller, who goes to the fall-back."""

    # -- what the call's leg tells ----------------------------------------------------------------------------

    def on_leg_rejected(self, status: int) -> None:
        """The call was refused: with the stream's end, Twilio asks what next."""
        self.refused = True
        if self.leg is not None and self.leg.wire is not None:
            self.leg.wire.close()

    def on_leg_ended(self) -> None:
        """The agent has ended the call. A caller whom somebody has taken is theirs."""
        if self._dialling is not None and self._dialling.answered:
            return
        self._ways.begin(self._complete())

    async def _complete(self) -> None:
        wire = self.leg.wire if self.leg is not None else None
        if wire is not None:
            await wire.heard(HEARD_S)
        self.over = True
        try:
            await self._ways.api(self.connection).end_call(self.facts.sid)
        except TielineError as error:
            # Without it, the end of the stream makes Twilio ask us what next, and that is to hang up.
            self._log.info("the call could not be ended by request", detail=error.message)
        if wire is not None:
            wire.close()

    def on_leg_over(self) -> None:
        """The call has let go of its leg."""


def _status_of(error: TielineError) -> int:
    """What a refusal of the API is in SIP."""
    if not isinstance(error, TwilioRefused):
        return 503
    if error.twilio_code in GONE_CODES:
        return 481
    if error.twilio_code in FORBIDDEN_CODES or error.status in {401, 403}:
        return 403
    return 503 if error.status >= 429 else 400


def _carried(wanted: ProviderTransfer) -> tuple[tuple[tuple[str, str], ...], str]:
    """The headers that Twilio carries, and what it does not, in words."""
    if not twiml.is_sip(wanted.target):
        lost = len(wanted.headers)
        return (), f"a call to a number carries no headers: {lost} not sent" if lost else ""
    kept: list[tuple[str, str]] = []
    lost_names: list[str] = []
    length = 0
    for name, value in wanted.headers:
        size = len(twiml.with_headers("", ((name, value),)))
        known = name.casefold().startswith("x-") or name.casefold() == "user-to-user"
        if known and length + size <= twiml.MAX_HEADERS_LENGTH:
            kept.append((name, value))
            length += size
        else:
            lost_names.append(name)
    return tuple(
        kept
    ), f"not sent, for Twilio does not carry them: {', '.join(lost_names)}" if lost_names else ""
