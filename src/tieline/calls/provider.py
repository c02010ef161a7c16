"""Calls that a provider has: it can give the caller to somebody else by its own means, and bring them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tieline.model.record import Record


class ProviderTransfer(Record):
    """Whom the provider is to call for the caller: a number in E.164 or a SIP URI. Times are in seconds."""

    target: str
    headers: tuple[tuple[str, str], ...]
    caller_id: str | None
    ring_timeout_s: float


class ProviderCall(Protocol):
    """One call at a provider."""

    def transfer(self, leg_id: int, wanted: ProviderTransfer) -> str | None:
        """Give the caller to somebody else; what cannot be sent along, in words, or an empty text.

        `ReferCompleted` and `NotifyReceived` of the leg follow, as after a REFER. None when the call is over, or that
        is under way. Raises `InvalidInput`.
        """
        ...

    def take_back(self, leg_id: int) -> None:
        """Nobody waits for the transfer any more: the caller is to come back. Nothing when it is settled already."""
        ...


class Provider(Protocol):
    """Knows the calls that came through a provider."""

    def call_of(self, leg_id: int, headers: Mapping[str, str]) -> ProviderCall | None:
        """The provider's call behind a leg; `headers` are those of its INVITE. None for one that no provider has."""
        ...
