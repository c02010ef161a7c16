"""Keypad input: digits collected into one input as `listen.dtmf` asks (lengths, keys, two timeouts).

Time comes in as monotonic seconds. The collector is made when the agent begins to speak or to listen: while it
speaks, keys count only with `early_listening`, and the wait for the first digit begins with `listen`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

MAX_DIGITS: Final = 64


class KeypadSettings(Protocol):
    """The settings in use; times in seconds. `finish_on_key` ends the input and is not part of it."""

    @property
    def num_digits(self) -> int | None:
        """Complete at so many digits."""
        ...

    @property
    def first_digit_timeout(self) -> float:
        """How long the first digit may take."""
        ...

    @property
    def inter_digit_timeout(self) -> float:
        """How long each further digit may take."""
        ...

    @property
    def finish_on_key(self) -> str | None:
        """The key that ends the input."""
        ...

    @property
    def early_listening(self) -> bool:
        """Whether keys pressed while the agent speaks count."""
        ...


class Completion(StrEnum):
    """Why an input is complete."""

    NUM_DIGITS = "num_digits"
    FINISH_KEY = "finish_key"
    INTER_DIGIT_TIMEOUT = "inter_digit_timeout"
    FIRST_DIGIT_TIMEOUT = "first_digit_timeout"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished input; `digits` is empty when none came in time. Its `repr` does not show the digits."""

    digits: str = field(repr=False)
    why: Completion


class KeypadCollector:
    """Collects one input. After it has completed, further presses and deadlines give nothing.

    `speaking` true starts in the agent's utterance; call `listen` when that has ended.
    """

    def __init__(self, settings: KeypadSettings, now: float, *, speaking: bool = False) -> None:
        self._settings = settings
        self._digits = ""
        self._speaking = speaking
        self._complete = False
        self._deadline = None if speaking else now + settings.first_digit_timeout

    @property
    def digits(self) -> str:
        """The digits so far."""
        return self._digits

    @property
    def started(self) -> bool:
        """Whether any key has counted."""
        return bool(self._digits) or self._complete

    @property
    def deadline(self) -> float | None:
        """When `on_deadline` is due; None while nothing is waited for."""
        return self._deadline

    def listen(self, now: float) -> None:
        """The agent has stopped speaking: the wait for the first digit begins, unless one has come already."""
        if self._speaking:
            self._speaking = False
            if not self._complete and not self._digits:
                self._deadline = now + self._settings.first_digit_timeout

    def press(self, digit: str, now: float) -> Completed | None:
        """Take one key; gives the input when this key completes it."""
        settings = self._settings
        if self._complete or (self._speaking and not settings.early_listening):
            return None
        if settings.finish_on_key and digit in settings.finish_on_key:
            return self._finish(Completion.FINISH_KEY)
        self._digits += digit
        if settings.num_digits is not None and len(self._digits) >= settings.num_digits:
            return self._finish(Completion.NUM_DIGITS)
        if len(self._digits) >= MAX_DIGITS:
            return self._finish(Completion.TOO_LONG)
        self._deadline = now + settings.inter_digit_timeout
        return None

    def on_deadline(self, now: float) -> Completed | None:
        """The deadline has come: gives the input as it stands (nothing when called early)."""
        if self._deadline is None or now < self._deadline:
            return None
        if self._digits:
            return self._finish(Completion.INTER_DIGIT_TIMEOUT)
        return self._finish(Completion.FIRST_DIGIT_TIMEOUT)

    def _finish(self, why: Completion) -> Completed:
        self._complete = True
        self._deadline = None
        return Completed(self._digits, why)
