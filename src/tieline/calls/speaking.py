"""Saying texts on one leg, to their end."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.calls.leg_media import LegMedia
from tieline.calls.ports import PromptPort
from tieline.errors import TielineError
from tieline.observe.logging import FilteringBoundLogger


class Speaker:
    """Speaks in the voice and with the recordings of one project."""

    def __init__(self, prompts: PromptPort, project: str, media: LegMedia, log: FilteringBoundLogger) -> None:
        self._prompts = prompts
        self._project = project
        self._media = media
        self._log = log

    async def speak(
        self, utterances: Sequence[str], language: str | None, *, interruptible: bool = False
    ) -> None:
        """Play each text to its end; a key press cuts them all where they are `interruptible`."""
        for text in utterances:
            if not text:
                continue
            try:
                clips = await self._prompts.clips(self._project, text, language)
            except TielineError as error:
                # A caller who hears nothing can still press keys and be handed over; the call goes on.
                self._log.error("prompt not spoken", error=error.message, code=error.code)
                continue
            if not await self._media.play(clips, interruptible=interruptible):
                return
