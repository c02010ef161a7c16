"""What a call writes down, and when it waits for the disk.

Three writes are waited for: the call itself before the answer, the outcome before the BYE, and the closing write.
Turns, receipts and the claim are written behind the call's back: the store commits in the order in which it was asked,
so that each of the three finds them durable. What is asked in one turn of the event loop goes into one commit.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from typing import Any

from tieline.agent.messages import ConversationSnapshot
from tieline.calls.ports import CallServices
from tieline.calls.records import CallRecord
from tieline.model.conversation import ConversationClosed, Turn
from tieline.model.handoff import HandoffPlan
from tieline.model.receipt import Receipt
from tieline.model.reservation import BindResult
from tieline.model.sms import SmsMessage
from tieline.observe.logging import FilteringBoundLogger


class CallWrites:
    """The writes of one call. Each thing is written once; one that failed may be asked for again."""

    def __init__(
        self, services: CallServices, record: CallRecord, call_id: str, log: FilteringBoundLogger
    ) -> None:
        self._services = services
        self._record = record
        self._call_id = call_id
        self._log = log
        self._opening: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._revisions = itertools.count(0)
        self._turns: list[tuple[Turn, Sequence[SmsMessage]]] = []
        self._claimed = False
        self._behind: set[asyncio.Future[Any]] = set()

    @property
    def begun(self) -> bool:
        """Whether the call has ever been asked to be stored."""
        return self._opening is not None

    def add_turn(self, turn: Turn, messages: Sequence[SmsMessage] = ()) -> None:
        """Take a turn and what it sends, to be stored with the next write or by `store_turns`."""
        self._turns.append((turn, messages))

    def store_turns(self) -> None:
        """Store the turns taken so far, behind the call's back."""
        self._write_behind(*self._turn_writes())

    async def store_answered(self, now: datetime, dialog: str | None) -> None:
        """Store the call as answered, with its first turns and its dialog. Raises what the store raises."""
        dialogs = () if dialog is None else (dialog,)
        marking = self._services.store.mark_answered(self._call_id, now, dialogs)
        await self._unbroken(self._open(), *self._turn_writes(), marking)

    async def store_unanswered(self) -> None:
        """Store the call unless it is stored already. Raises what the store raises."""
        if not self._record.is_open:
            await self._unbroken(self._open(), *self._turn_writes())

    def claim(self, bound: BindResult | None, *, verified_trunk: bool) -> None:
        """The attributes are this call's for good; the number may go back into its pool. Once."""
        if bound is not None and bound.reservation is not None and not self._claimed:
            self._claimed = True
            self._write_behind(self._store_claim(bound, verified_trunk=verified_trunk))

    async def save_outcome(
        self, conversation: ConversationSnapshot, plan: HandoffPlan | None, *, revise: bool = False
    ) -> None:
        """Commit what Get Handoff answers: the first outcome of a call stands, unless it is revised or withdrawn.

        A caller who hangs up meanwhile does not stop the write. Raises what the store raises.
        """
        if revise:
            self._saving = None
        if self._saving is None or (self._saving.done() and self._saving.exception() is not None):
            outcome = self._record.outcome(conversation, plan, next(self._revisions))
            self._saving = asyncio.ensure_future(self._services.outcomes.save(outcome))
        await asyncio.shield(self._saving)

    def withdraw_outcome(self) -> None:
        """The handoff that the outcome told of has failed; the next outcome to be saved is the call's."""
        self._saving = None
        withdrawing = self._services.outcomes.withdraw(self._call_id, self._services.clock.utc())
        self._write_behind(self._quietly("withdraw_outcome", withdrawing))

    def save_receipt(self, index: int, receipt: Receipt) -> None:
        """Store a receipt as it is now, behind the call's back."""
        writing = self._services.store.save_receipt(self._call_id, index, receipt)
        self._write_behind(self._quietly("save_receipt", writing))

    def keep_dialogs(self, dialogs: Iterable[str | None], *, only: bool = False) -> None:
        """Keep what a later process needs to end the call's legs, or to follow them, behind the call's back.

        Where there is nothing to keep, what was kept before stays, or goes with `only`.
        """
        known = [dialog for dialog in dialogs if dialog is not None]
        if known or only:
            self._write_behind(
                self._quietly("keep_dialogs", self._services.store.keep_dialogs(self._call_id, known))
            )

    def note_leg(self, sip_call_id: str) -> None:
        """Let the call be found by a further leg, behind the call's back."""
        self._write_behind(
            self._quietly("note_leg", self._services.store.note_leg(self._call_id, sip_call_id))
        )

    async def close(self, closed: ConversationClosed) -> None:
        """The last write, with turns that have not been stored. Raises what the store raises."""
        await asyncio.gather(*self._turn_writes(), self._services.outcomes.close(closed))

    async def settle(self) -> None:
        """Wait for everything that was written behind."""
        await asyncio.gather(*self._behind, return_exceptions=True)

    def _open(self) -> asyncio.Future[None]:
        """The write that starts the conversation; not to be taken back by whoever waits for it."""
        if self._opening is None or (self._opening.done() and not self._record.is_open):
            self._opening = asyncio.ensure_future(self._store_opening())
        return asyncio.shield(self._opening)

    async def _store_opening(self) -> None:
        await self._services.store.open_conversation(self._record.opened())
        self._record.is_open = True

    def _turn_writes(self) -> list[Awaitable[None]]:
        turns, self._turns = self._turns, []
        return [self._store_turn(turn, messages) for turn, messages in turns]

    async def _store_turn(self, turn: Turn, messages: Sequence[SmsMessage]) -> None:
        try:
            await self._services.store.save_turn(self._call_id, turn, messages)
        except Exception:  # a turn that cannot be stored is no reason to end a call
            self._log.exception("the last turn was not stored", index=turn.index)

    async def _quietly(self, verb: str, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Exception:  # a record that cannot be kept is no reason to end a call
            self._log.exception("not stored", verb=verb)

    async def _store_claim(self, bound: BindResult, *, verified_trunk: bool) -> None:
        try:
            if not await self._services.bindings.claim(bound, verified_trunk=verified_trunk):
                self._log.warning("= the reservation was no longer this call's to claim")
        except Exception:  # the number stays bound, and is settled at the next start
            self._log.exception("the reservation was not claimed")

    async def _unbroken(self, *writes: Awaitable[None]) -> None:
        """Wait for writes of one commit. A caller who leaves meanwhile does not stop them."""
        writing = asyncio.gather(*writes)
        self._remember(writing)
        await asyncio.shield(writing)

    def _write_behind(self, *writes: Awaitable[None]) -> None:
        for write in writes:
            self._remember(asyncio.ensure_future(write))

    def _remember(self, writing: asyncio.Future[Any]) -> None:
        self._behind.add(writing)
        writing.add_done_callback(self._behind.discard)
