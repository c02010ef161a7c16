"""Waiting for keypad input: the pure collector, driven by digits that arrive and by the loop's timers."""

from __future__ import annotations

import asyncio

from tieline.agent.messages import DtmfListen
from tieline.calls.deadline import Deadline
from tieline.media.keypad import MAX_DIGITS, Completed, KeypadCollector


class KeypadListener:
    """One input at a time: `collect` opens it and waits until digits or the time complete it.

    Digits that arrive while nothing listens are kept, as many as one input may have, and open the next input when
    that listens early.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._collector: KeypadCollector | None = None
        self._deadline = Deadline(loop, self._on_deadline)
        self._result: asyncio.Future[Completed] | None = None
        self._early: list[str] = []

    @property
    def pressed(self) -> bool:
        """Whether any digit of the open input has arrived."""
        return bool(self._early) or (self._collector is not None and self._collector.started)

    def press(self, digit: str) -> None:
        """A key was pressed."""
        if self._collector is None or self._result is None or self._result.done():
            if len(self._early) < MAX_DIGITS:
                self._early.append(digit)
            return
        completed = self._collector.press(digit, self._loop.time())
        self._settle(completed)

    def forget_early(self) -> None:
        """Drop digits pressed while nothing listened."""
        self._early.clear()

    async def collect(self, settings: DtmfListen) -> Completed:
        """Open an input and wait until it is complete or has timed out."""
        if not settings.early_listening:
            self._early.clear()
        self._result = self._loop.create_future()
        self._collector = KeypadCollector(settings, self._loop.time())
        early, self._early = self._early, []
        self._arm()
        for digit in early:
            self.press(digit)
        try:
            return await self._result
        finally:
            self._close()

    def _settle(self, completed: Completed | None) -> None:
        if completed is not None and self._result is not None and not self._result.done():
            self._result.set_result(completed)
            return
        self._arm()

    def _arm(self) -> None:
        self._deadline.set(self._collector.deadline if self._collector is not None else None)

    def _on_deadline(self, now: float) -> None:
        if self._collector is not None:
            self._settle(self._collector.on_deadline(now))

    def _close(self) -> None:
        self._deadline.set(None)
        self._collector = self._result = None
