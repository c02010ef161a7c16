"""Calls that a provider has: it can give the caller to somebody else by its own means, and bring them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tieline.handoff.policy import HandoffPolicy
from tieline.handoff.refer import ReferHandoff
from tieline.model.record import Record

WHISPER_LIMIT_S = HandoffPolicy().whisper_limit_s
"""The longest whisper."""


class Screening(Record):
    """What whoever is called is asked before the two are joined. At least one of `whisper` and `accept_key` is there.

    `accept_timeout_s` is how long the key is waited for after the whisper; `language` is that of the whisper.
    """

    whisper: str | None
    accept_key: str | None
    accept_timeout_s: float
    language: str | None

    @property
    def longest_s(self) -> float:
        """How long the asking may take."""
        return WHISPER_LIMIT_S + self.accept_timeout_s


class ScreeningStep(StrEnum):
    """How far the asking is: who was called has picked up, has pressed the key, or does not take the call."""

    PICKED_UP = "picked up"
    ACCEPTED = "accepted"
    REFUSED = "refused"


TellScreening = Callable[[ScreeningStep, str], None]
"""Told of each step once, with what there is to say of it."""


def follow_screening(machine: ReferHandoff, step: ScreeningStep, detail: str, at: datetime) -> None:
    """Tell a transfer how far the asking of whoever was called is; `at` is aware UTC."""
    if step is ScreeningStep.PICKED_UP:
        machine.on_picked_up(at, detail)
    elif step is ScreeningStep.ACCEPTED:
        machine.on_accepted(at, detail)
    else:
        machine.on_not_accepted(at, detail)


class ProviderTransfer(Record):
    """Whom the provider is to call for the caller: a number in E.164 or a SIP URI. Times are in seconds."""

    target: str
    headers: tuple[tuple[str, str], ...]
    caller_id: str | None
    ring_timeout_s: float
    screening: Screening | None = None


class ProviderCall(Protocol):
    """One call at a provider."""

    def transfer(self, leg_id: int, wanted: ProviderTransfer, tell: TellScreening) -> str | None:
        """Give the caller to somebody else; what cannot be sent along, in words, or an empty text.

        `ReferCompleted` and `NotifyReceived` of the leg follow, as after a REFER; `tell` is called in between, where
        there is a screening, each time in a later turn of the event loop. None when the call is over, or that is
        under way. Raises `InvalidInput`.
        """
        ...

    def kept(self) -> str:
        """The transfer under way as text: with it the next process learns what becomes of it, should this one die."""
        ...

    def take_back(self, leg_id: int) -> None:
        """Nobody waits for the transfer any more: the caller is to come back. Nothing when it is settled already."""
        ...


class Provider(Protocol):
    """Knows the calls that came through a provider."""

    def call_of(self, leg_id: int, headers: Mapping[str, str]) -> ProviderCall | None:
        """The provider's call behind a leg; `headers` are those of its INVITE. None for one that no provider has."""
        ...
