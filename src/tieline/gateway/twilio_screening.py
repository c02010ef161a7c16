"""What somebody is asked whom Twilio has dialled for us, before they are joined with the caller.

Twilio fetches TwiML that is carried out at their end alone. When it comes to its end they are joined, and when it hangs
up they are not. Every answer may be asked for twice.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from tieline.calls.provider import Screening, ScreeningStep, TellScreening
from tieline.errors import InvalidInput
from tieline.integrations.twilio import twiml
from tieline.model.handoff import PHONE_KEYS

PICKED_UP = "picked up, and is asked before the two are joined"
PRESSED = "the accept key was pressed"
NO_KEY = "the accept key was not pressed in time"
HUNG_UP = "hung up before the two were joined"


class ScreeningState(StrEnum):
    """Where it is."""

    RINGING = "ringing"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class TwilioScreening:
    """One dialled leg's. `url` makes the URL that Twilio asks next, `key` or `said`; `now` is in monotonic seconds."""

    def __init__(
        self,
        wanted: Screening,
        url: Callable[[str], str],
        tell: TellScreening,
        now: Callable[[], float],
    ) -> None:
        """Raises `InvalidInput` for a key that Twilio does not tell of."""
        if wanted.accept_key is not None and wanted.accept_key not in PHONE_KEYS:
            raise InvalidInput(f"Twilio cannot ask for the key {wanted.accept_key}; take a digit, * or #")
        self.state = ScreeningState.RINGING
        self._wanted = wanted
        self._url = url
        self._tell = tell
        self._now = now
        self._until = 0.0
        self._why = HUNG_UP

    def on_picked_up(self) -> None:
        """Who was dialled has answered. To be told before they are asked anything."""
        if self.state is ScreeningState.RINGING:
            self.state = ScreeningState.ASKED
            self._until = self._now() + self._wanted.longest_s
            self._tell(ScreeningStep.PICKED_UP, PICKED_UP)

    def answer(self, step: str, digits: str) -> str:
        """The TwiML for whoever was dialled. `step` is `begin`, or what `url` was asked for; `digits` the key."""
        if self.state is ScreeningState.ACCEPTED:
            return twiml.nothing()
        if self.state is ScreeningState.REFUSED:
            return twiml.hang_up()
        if self._wanted.accept_key is None:
            if step != "said":
                return twiml.whisper(self._wanted.whisper or "", self._wanted.language, self._url("said"))
            self.accept()
            return twiml.nothing()
        if step == "key" and digits == self._wanted.accept_key:
            self.accept(PRESSED)
            return twiml.nothing()
        if (step == "key" and not digits) or self._now() >= self._until:
            self.refuse(NO_KEY)
            return twiml.hang_up()
        # Another key does nothing: it has cut the whisper off, so that is said again.
        return twiml.ask_for_key(
            self._wanted.whisper,
            self._wanted.language,
            max(1, round(self._wanted.accept_timeout_s)),
            self._url("key"),
        )

    def accept(self, detail: str = "") -> None:
        """The two are joined; `detail` says by which act of theirs."""
        if self.state in {ScreeningState.RINGING, ScreeningState.ASKED}:
            self.state = ScreeningState.ACCEPTED
            if detail:
                self._tell(ScreeningStep.ACCEPTED, detail)

    def refuse(self, why: str = HUNG_UP) -> None:
        """The two are not to be joined. `tell_refused` says so, once the caller is back."""
        if self.state in {ScreeningState.RINGING, ScreeningState.ASKED}:
            self.state = ScreeningState.REFUSED
            self._why = why

    def tell_refused(self) -> None:
        """Tell that the call was not taken."""
        if self.state is ScreeningState.REFUSED:
            self._tell(ScreeningStep.REFUSED, self._why)
