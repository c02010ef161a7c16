"""Outcomes: saved before the call's last request leaves, and looked up by whoever asks what was agreed."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tieline.model.conversation import ConversationClosed, Outcome, OutcomeStatus
from tieline.store.base import HandoffLookup, Store

RUNNING = frozenset({OutcomeStatus.IN_PROGRESS, OutcomeStatus.UNKNOWN})
"""Answers that a later moment may change: `wait_s` waits these out."""

POLL_S = 1.0
"""How often a waiting look-up asks the store again, for outcomes that another server saved."""


class Outcomes:
    """The one place where outcomes are written and read; wakes those who wait for one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    async def save(self, outcome: Outcome) -> None:
        """Commit the outcome; returns once it is durable."""
        await self._store.save_outcome(outcome)
        self._wake(outcome.conversation_id)
        if outcome.shared_id is not None:
            self._wake(outcome.shared_id)

    async def close(self, closed: ConversationClosed) -> None:
        """The last write of a call; one without an outcome gets an empty one here."""
        await self._store.close_conversation(closed)
        self._wake(closed.conversation_id)

    async def lookup(
        self,
        account: str,
        project: str,
        *,
        conversation_id: str | None = None,
        shared_id: str | None = None,
        wait_s: float = 0.0,
    ) -> HandoffLookup:
        """The outcome by shared id or conversation id; waits up to `wait_s` seconds for a running call to end.

        An id that nobody knows yet is waited for too: a client may ask before its call has arrived.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        key = shared_id if shared_id is not None else conversation_id or ""
        while True:
            saved: asyncio.Future[None] = loop.create_future()
            waiting = self._waiting[key]
            waiting.add(saved)
            try:
                found = await self._store.handoff_state(
                    account, project, conversation_id=conversation_id, shared_id=shared_id
                )
                left_s = deadline - loop.time()
                if found.status not in RUNNING or left_s <= 0:
                    return found
                await asyncio.wait({saved}, timeout=min(left_s, POLL_S))
            finally:
                waiting.discard(saved)
                if not waiting:
                    self._waiting.pop(key, None)

    def _wake(self, key: str) -> None:
        for saved in self._waiting.get(key, ()):
            if not saved.done():
                saved.set_result(None)
