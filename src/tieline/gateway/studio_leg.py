"""The leg of a call that is placed in the studio: a browser's, or a text's. It answers transfers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from tieline.gateway.dialog_text import Header, LegFacts
from tieline.gateway.leg import AudioEnd, GatewayLeg
from tieline.sdp.negotiation import LocalMedia, NegotiatedMedia
from tieline.sip.events import SipEvent


class TransferAnswer(StrEnum):
    """What becomes of a REFER, for nobody can be transferred here: we play a peer that does, refuses, or is mute."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    IGNORE = "ignore"


class NoAudio:
    """The other end of a leg without sound."""

    def __init__(self, host: str) -> None:
        self.local = LocalMedia(address=host, port=9, session_id=1)

    def connect(self, media: NegotiatedMedia) -> None:
        """Nothing to connect."""

    def press(self, digits: str) -> None:
        """Keys of a text call go another way."""

    def close(self) -> None:
        """Nothing to close."""


class StudioLeg(GatewayLeg):
    """Tells `on_change` of everything that happens, by a word: `ringing`, `talking`, `refused`, `hung up`, `over`."""

    def __init__(
        self,
        facts: LegFacts,
        audio: AudioEnd,
        tell: Callable[[SipEvent], None],
        transfers: TransferAnswer,
        on_change: Callable[[str], None],
    ) -> None:
        super().__init__(facts, audio, tell)
        self._transfers = transfers
        self._on_change = on_change

    def on_ringing(self) -> None:
        """Being set up."""
        self._on_change("ringing")

    def on_answered(self) -> None:
        """Up."""
        self._on_change("talking")

    def on_rejected(self, status: int, phrase: str) -> None:
        """Refused."""
        self._on_change("refused")

    def on_bye(self, headers: Sequence[Header], reason: str | None) -> None:
        """Ended by the call."""
        self._on_change("hung up")

    def on_over(self) -> None:
        """Nothing follows."""
        self._on_change("over")

    def on_refer(self, refer_to: str, headers: Sequence[Header]) -> None:
        """Answer as a peer would that does it, or does not."""
        if self._transfers is TransferAnswer.ACCEPT:
            self.answer_refer(202)
            self.notify(100)
            self.notify(200)
        elif self._transfers is TransferAnswer.REFUSE:
            self.answer_refer(403)
