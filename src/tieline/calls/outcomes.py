"""Outcomes: saved before the call's last request leaves, and looked up by whoever asks what was agreed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from tieline.calls.directory import Directory
from tieline.handoff.exposure import expose, shared_id_of
from tieline.model.conversation import Conversation, ConversationClosed, Outcome, OutcomeStatus
from tieline.model.handoff import HandoffApi
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

    async def withdraw(self, conversation_id: str, now: datetime) -> None:
        """The handoff that a saved outcome told of has failed: the call goes on."""
        await self._store.withdraw_outcome(conversation_id, now)

    async def close(self, closed: ConversationClosed) -> None:
        """The last write of a call; one without an outcome gets an empty one here."""
        await self._store.close_conversation(closed)
        self._wake(closed.conversation_id)

    async def settle_interrupted(
        self, directory: Directory, now: datetime, going_on: Collection[str] = ()
    ) -> int:
        """Give every call that was up when the last process died its outcome, and close it; returns how many.

        The outcome is what the state of the call's last stored turn exposes, under the shared id it had then. Calls
        of which more is to be learnt (`going_on`) stay as they are.
        """
        for conversation_id in await self._store.calls_up():
            conversation = await self._store.conversation(conversation_id)
            if conversation is None or conversation_id in going_on:
                continue
            if conversation.outcome is None:
                await self.save(outcome_of(conversation, directory, now))
        return await self._store.settle_interrupted(now, going_on)

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


def handoff_answer(found: HandoffLookup, *, five9: bool) -> dict[str, Any]:
    """The answer for an ended call: `shared_id` only when the call has one."""
    data = found.state.data if found.state is not None else {}
    answer: dict[str, Any] = {"id": found.conversation_id, "data": data, "status": str(found.status)}
    shared_id = found.state.shared_id if found.state is not None else found.shared_id
    if shared_id is not None:
        answer["shared_id"] = shared_id
    if five9:
        answer["contained"] = data.get("contained")
        answer["destination"] = data.get("destination")
    return answer


def outcome_of(conversation: Conversation, directory: Directory, now: datetime) -> Outcome:
    """The outcome of a call that nobody finished, as far as it came."""
    opened = conversation.opened
    project = directory.project(opened.project)
    api = project.handoff_api if project is not None else HandoffApi()
    state = msgspec.json.decode(conversation.turns[-1].state_json) if conversation.turns else {}
    return Outcome(
        conversation_id=opened.id,
        shared_id=shared_id_of(state, api, opened.shared_id),
        handed_off=False,
        data=expose(state, api, None),
        handoff=None,
        saved_at=now,
    )
