"""Conversations, outcomes and refused calls in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from tieline.errors import NotFound
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
    RefusedCall,
    Turn,
)
from tieline.model.facts import call_ended, call_started, handoff_state_changed
from tieline.model.receipt import Receipt
from tieline.model.sms import SmsMessage
from tieline.model.webhook import EventType
from tieline.store.base import ConversationFilter, HandoffLookup, RefusalFilter
from tieline.store.memory_figures import MemoryFigures
from tieline.store.memory_outbox import MemoryOutbox
from tieline.store.records import (
    KEPT_REFUSALS,
    call_state,
    empty_outcome,
    interrupted,
    is_refusal_wanted,
    is_wanted,
    look_up,
    merge_refusal,
    same_answer,
)


class _Call:
    """What is kept of one call."""

    def __init__(self, opened: ConversationOpened) -> None:
        self.opened = opened
        self.shared_id = opened.shared_id
        self.answered_at: datetime | None = None
        self.turns: dict[int, Turn] = {}
        self.outcome: Outcome | None = None
        self.closed: ConversationClosed | None = None
        self.receipts: dict[int, Receipt] = {}
        self.call_ids: dict[str, None] = {}
        self.dialogs: tuple[str, ...] = ()

    def answer(self) -> HandoffLookup:
        """What Get Handoff answers."""
        return look_up(self.opened.id, self.shared_id, self.outcome, closed=self.closed is not None)

    def read(self, *, whole: bool) -> Conversation:
        """The conversation; without turns, receipts and ladder unless `whole`."""
        closed = self.closed
        if closed is not None and not whole:
            closed = msgspec.structs.replace(closed, ladder=())
        return Conversation(
            opened=self.opened,
            state=call_state(
                answered=self.answered_at is not None,
                talked=bool(self.turns),
                outcome=self.outcome,
                closed=closed is not None,
            ),
            turns=tuple(self.turns[index] for index in sorted(self.turns)) if whole else (),
            outcome=self.outcome,
            closed=closed,
            receipts=tuple(self.receipts[index] for index in sorted(self.receipts)) if whole else (),
            further_call_ids=tuple(self.call_ids),
        )


class MemoryConversations(MemoryFigures, MemoryOutbox):
    """The `ConversationStore` protocol."""

    _settle_bound: Callable[[Callable[[str | None], bool], datetime], None]
    _add_sms: Callable[[Sequence[SmsMessage]], None]

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, _Call] = {}
        self._refusals: deque[RefusedCall] = deque(maxlen=KEPT_REFUSALS)

    async def open_conversation(self, opened: ConversationOpened) -> None:
        """Store the start of a call. The first one stands."""
        if opened.id not in self._calls:
            self._calls[opened.id] = _Call(opened)
            self._tell(call_started(opened))

    async def mark_answered(self, conversation_id: str, now: datetime, dialogs: Sequence[str] = ()) -> None:
        """The call is answered. Raises `NotFound`."""
        call = self._call(conversation_id)
        call.answered_at = call.answered_at or now
        call.dialogs = tuple(dialogs) or call.dialogs

    async def keep_dialogs(self, conversation_id: str, dialogs: Sequence[str]) -> None:
        """Keep the dialogs of a call that is up. Raises `NotFound`."""
        self._call(conversation_id).dialogs = tuple(dialogs)

    async def dialogs_up(self) -> Sequence[tuple[str, Sequence[str]]]:
        """The dialogs of the conversations that were not closed."""
        return [
            (call.opened.id, call.dialogs)
            for call in self._calls.values()
            if call.closed is None and call.dialogs
        ]

    async def save_turn(self, conversation_id: str, turn: Turn, messages: Sequence[SmsMessage] = ()) -> None:
        """Keep one turn and its messages; a turn of the same index is replaced. Raises `NotFound`."""
        self._call(conversation_id).turns[turn.index] = turn
        self._add_sms(messages)

    async def save_outcome(self, outcome: Outcome) -> None:
        """Keep what Get Handoff will answer; the highest revision stands. Raises `NotFound`."""
        call = self._call(outcome.conversation_id)
        known = call.outcome
        if known is None or (call.closed is None and outcome.revision > known.revision):
            with self._telling_handoff(call, outcome.saved_at):
                call.outcome = outcome
                call.shared_id = outcome.shared_id or call.shared_id

    async def withdraw_outcome(self, conversation_id: str, now: datetime) -> None:
        """The call goes on after a handoff that failed. Raises `NotFound`."""
        call = self._call(conversation_id)
        if call.closed is None:
            with self._telling_handoff(call, now):
                call.outcome = None

    async def save_receipt(self, conversation_id: str, index: int, receipt: Receipt) -> None:
        """Keep a receipt as it is now. Raises `NotFound`."""
        self._call(conversation_id).receipts[index] = receipt

    async def note_leg(self, conversation_id: str, sip_call_id: str) -> None:
        """Let the call be found by a further leg. Raises `NotFound`."""
        self._call(conversation_id).call_ids[sip_call_id] = None

    async def close_conversation(self, closed: ConversationClosed) -> None:
        """The last write of a call; the first one stands. Raises `NotFound`."""
        self._close(self._call(closed.conversation_id), closed)

    def _close(self, call: _Call, closed: ConversationClosed) -> None:
        if call.closed is not None:
            return
        with self._telling_handoff(call, closed.ended_at):
            call.closed = closed
            outcome = call.outcome = call.outcome or empty_outcome(call.opened, closed.ended_at)
        self._tell(call_ended(call.opened, call.shared_id, closed, handed_off=outcome.handed_off))
        self._count_call(call.opened, closed, handed_off=outcome.handed_off)
        for index in sorted(call.receipts):
            self._count_handoff(call.opened, call.receipts[index])

    @contextmanager
    def _telling_handoff(self, call: _Call, at: datetime) -> Iterator[None]:
        """Tell it when what is written inside changes what Get Handoff answers for the call."""
        before = call.answer()
        yield
        now = call.answer()
        if not same_answer(before, now):
            told = self._times_told(EventType.HANDOFF_STATE_CHANGED, call.opened.id)
            self._tell(handoff_state_changed(call.opened, now.status, now.shared_id, call.outcome, at, told))

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """One conversation, whole."""
        call = self._calls.get(conversation_id)
        return None if call is None else call.read(whole=True)

    async def conversations(self, wanted: ConversationFilter) -> Sequence[Conversation]:
        """Matching conversations, newest first, without their turns, receipts and ladders."""
        found = (
            (call.opened.started_at, call.opened.id, call.read(whole=False))
            for call in self._calls.values()
            if is_wanted(call.read(whole=False), call.shared_id, wanted)
        )
        newest = sorted(found, key=lambda item: item[:2], reverse=True)
        shown = newest[: wanted.limit] if wanted.newer is None else newest[-wanted.limit :]
        return [conversation for _, _, conversation in shown]

    async def handoff_state(
        self, account: str, project: str, *, conversation_id: str | None, shared_id: str | None
    ) -> HandoffLookup:
        """The outcome by shared id (the newest call with it) or, without one, by conversation id."""
        candidates = [
            call
            for call in self._calls.values()
            if (call.opened.account, call.opened.project) == (account, project)
            and (call.opened.id == conversation_id if shared_id is None else call.shared_id == shared_id)
        ]
        if not candidates:
            return HandoffLookup(status=OutcomeStatus.UNKNOWN)
        call = max(candidates, key=lambda call: (call.opened.started_at, call.opened.id))
        return call.answer()

    async def calls_up(self) -> Sequence[str]:
        """Ids of the conversations that were not closed."""
        return [call.opened.id for call in self._calls.values() if call.closed is None]

    async def settle_interrupted(self, now: datetime, going_on: Collection[str] = ()) -> int:
        """Close every call that is up as interrupted, and settle the reservations that calls had bound."""
        self._settle_bound(self._is_answered, now)
        up = [one for one in self._calls.values() if one.closed is None and one.opened.id not in going_on]
        for call in up:
            self._close(call, interrupted(call.opened.id, call.answered_at, now))
        return len(up)

    async def record_refusal(self, refused: RefusedCall) -> None:
        """Keep why an INVITE was refused; repeats within a minute are counted."""
        self._count_refusal(refused)
        for position, last in enumerate(self._refusals):
            merged = merge_refusal(last, refused)
            if merged is not None:
                self._refusals[position] = merged
                return
        self._refusals.appendleft(refused)

    async def refusals(self, wanted: RefusalFilter | None = None) -> Sequence[RefusedCall]:
        """Matching refused calls, newest first."""
        wanted = wanted or RefusalFilter()
        return [one for one in self._refusals if is_refusal_wanted(one, wanted)][: wanted.limit]

    def _call(self, conversation_id: str) -> _Call:
        call = self._calls.get(conversation_id)
        if call is None:
            raise NotFound("no such conversation", conversation_id=conversation_id)
        return call

    def _is_answered(self, conversation_id: str | None) -> bool:
        call = self._calls.get(conversation_id or "")
        return call is not None and call.answered_at is not None
