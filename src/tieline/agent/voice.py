"""A voice: text in, telephone audio out. What every voice provider implements."""

from __future__ import annotations

from typing import Final, Protocol

from tieline.errors import TielineError

MAX_TEXT: Final = 4000
"""The longest text of one request, in characters. Callers split longer ones at sentences."""


class VoiceFailed(TielineError):
    """The text could not be spoken: the voice does not know the language, crashed, or took too long."""

    code = "voice_failed"


class Voice(Protocol):
    """Speaks plain text; mark-up in it is read out, not obeyed."""

    @property
    def name(self) -> str:
        """What makes this voice sound as it does, as a key for caches."""
        ...

    async def speak(self, text: str, language: str | None = None) -> bytes:
        """The text as 8 kHz mono µ-law; `language` None takes the voice's own. Raises `VoiceFailed`."""
        ...
