"""Conversations, outcomes and refused calls in SQLite. Writes run in the writer's thread, reads in the reader's."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.errors import NotFound
from tieline.model.call import CallState
from tieline.model.conversation import (
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Outcome,
    OutcomeStatus,
    RefusedCall,
    Turn,
)
from tieline.model.receipt import Receipt
from tieline.model.sms import SmsMessage
from tieline.store.base import HandoffLookup
from tieline.store.records import (
    KEPT_REFUSALS,
    MERGE_WITHIN,
    empty_outcome,
    encode,
    interrupted,
    look_up,
    merge_refusal,
    read_stamp,
    stamp,
    storable,
)
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_events import SqliteEvents
from tieline.store.sqlite_figures import count_call, count_handoff, count_refusal
from tieline.store.sqlite_sms import insert_messages
from tieline.store.sqlite_writer import Writer

_OPEN = """
INSERT INTO conversations
    (id, account, project, started_at, state, caller, callee, sip_call_id, shared_id, opened, env, channel)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
_ANSWER = """
UPDATE conversations SET answered_at = coalesce(answered_at, ?), dialogs = coalesce(?, dialogs),
    state = iif(state = 'offered', 'answered', state) WHERE id = ?"""
_TALK = "UPDATE conversations SET state = 'talking' WHERE id = ? AND state IN ('offered', 'answered')"
_TURN = "INSERT OR REPLACE INTO turns (conversation_id, position, document) VALUES (?, ?, ?)"
_OUTCOME = """
INSERT INTO outcomes (conversation_id, handed_off, document, revision) VALUES (?, ?, ?, ?)
    ON CONFLICT (conversation_id) DO UPDATE
    SET handed_off = excluded.handed_off, document = excluded.document, revision = excluded.revision
    WHERE excluded.revision > outcomes.revision
    AND (SELECT closed FROM conversations c WHERE c.id = excluded.conversation_id) IS NULL"""
_OUTCOME_KNOWN = """
UPDATE conversations SET shared_id = coalesce(?, shared_id), state = iif(? AND closed IS NULL, 'handing_off', state)
    WHERE id = ?"""
_WITHDRAW = "DELETE FROM outcomes WHERE conversation_id = ?"
_GO_ON = "UPDATE conversations SET state = iif(state = 'handing_off', 'talking', state) WHERE id = ? AND closed IS NULL"
_RECEIPT = "INSERT OR REPLACE INTO receipts (conversation_id, position, document) VALUES (?, ?, ?)"
_LEG = "INSERT OR IGNORE INTO further_legs (conversation_id, sip_call_id) VALUES (?, ?)"
_CLOSE = """
UPDATE conversations SET state = 'ended', closed = ?, ladder = ?, dialogs = NULL, reason = ?, handed_off =
    coalesce((SELECT o.handed_off FROM outcomes o WHERE o.conversation_id = conversations.id), 0)
    WHERE id = ? AND closed IS NULL RETURNING opened, handed_off,
    EXISTS (SELECT 1 FROM outcomes o WHERE o.conversation_id = conversations.id),
    EXISTS (SELECT 1 FROM receipts r WHERE r.conversation_id = conversations.id)"""
_EXISTS = "SELECT 1 FROM conversations WHERE id = ?"
_IS_ANSWERED = "SELECT answered_at FROM conversations WHERE id = ?"
_UP = "SELECT opened, answered_at FROM conversations WHERE closed IS NULL"
_KEEP_DIALOGS = "UPDATE conversations SET dialogs = ? WHERE id = ?"
_UP_DIALOGS = (
    "SELECT id, dialogs FROM conversations WHERE closed IS NULL AND dialogs IS NOT NULL ORDER BY started_at"
)
_UP_IDS = "SELECT id FROM conversations WHERE closed IS NULL ORDER BY started_at"
_WHOLE = """
SELECT c.opened, c.state, o.document, c.closed, c.ladder FROM conversations c
    LEFT JOIN outcomes o ON o.conversation_id = c.id WHERE c.id = ?"""
_TURNS = "SELECT document FROM turns WHERE conversation_id = ? ORDER BY position"
_RECEIPTS = "SELECT document FROM receipts WHERE conversation_id = ? ORDER BY position"
_LEGS = "SELECT sip_call_id FROM further_legs WHERE conversation_id = ? ORDER BY sip_call_id"
_LOOK_UP = """
SELECT c.id, c.shared_id, o.document, c.closed IS NOT NULL FROM conversations c
    LEFT JOIN outcomes o ON o.conversation_id = c.id"""
_BY_ID = f"{_LOOK_UP} WHERE c.id = ? AND c.account = ? AND c.project = ?"
_BY_SHARED_ID = f"""{_LOOK_UP} WHERE c.shared_id = ? AND c.account = ? AND c.project = ?
    ORDER BY c.started_at DESC, c.id DESC LIMIT 1"""
_LAST_REFUSAL = """
SELECT seq, document FROM refusals WHERE source = ? AND reason = ? AND at > ? ORDER BY seq DESC"""


class SqliteConversations(SqliteEvents):
    """The `ConversationStore` protocol."""

    _writer: Writer
    _reader: Reader
    _settle_bound: Callable[[sqlite3.Connection, Callable[[str | None], bool], datetime], None]

    async def open_conversation(self, opened: ConversationOpened) -> None:
        """Store the start of a call. The first one stands."""
        values = (
            opened.id,
            opened.account,
            opened.project,
            stamp(opened.started_at),
            CallState.OFFERED.value,
            opened.caller_number,
            opened.callee_number,
            None if opened.sip_call_id is None else storable(opened.sip_call_id),
            None if opened.shared_id is None else storable(opened.shared_id),
            encode(opened),
            opened.env,
            opened.channel_type,
        )

        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(_OPEN, values).rowcount:
                self._tell_opened(connection, opened)

        await self._writer.submit(job)

    async def mark_answered(self, conversation_id: str, now: datetime, dialogs: Sequence[str] = ()) -> None:
        """The call is answered. Raises `NotFound`."""
        kept = encode(list(dialogs)) if dialogs else None

        def job(connection: sqlite3.Connection) -> None:
            if not connection.execute(_ANSWER, (stamp(now), kept, conversation_id)).rowcount:
                raise _unknown(conversation_id)

        await self._writer.submit(job)

    async def keep_dialogs(self, conversation_id: str, dialogs: Sequence[str]) -> None:
        """Keep the dialogs of a call that is up. Raises `NotFound`."""
        document = encode(list(dialogs)) if dialogs else None

        def job(connection: sqlite3.Connection) -> None:
            if not connection.execute(_KEEP_DIALOGS, (document, conversation_id)).rowcount:
                raise _unknown(conversation_id)

        await self._writer.submit(job)

    async def dialogs_up(self) -> Sequence[tuple[str, Sequence[str]]]:
        """The dialogs of the conversations that were not closed."""
        rows = await self._reader.read(lambda connection: connection.execute(_UP_DIALOGS).fetchall())
        return [
            (conversation_id, msgspec.json.decode(found, type=list[str])) for conversation_id, found in rows
        ]

    async def save_turn(self, conversation_id: str, turn: Turn, messages: Sequence[SmsMessage] = ()) -> None:
        """Keep one turn and its messages; a turn of the same index is replaced. Raises `NotFound`."""
        document = encode(turn)

        def job(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(_TURN, (conversation_id, turn.index, document))
            except sqlite3.IntegrityError as error:
                raise _unknown(conversation_id) from error
            connection.execute(_TALK, (conversation_id,))
            insert_messages(connection, messages)

        await self._writer.submit(job)

    async def save_outcome(self, outcome: Outcome) -> None:
        """Commit what Get Handoff will answer; the highest revision stands. Raises `NotFound`."""

        def job(connection: sqlite3.Connection) -> None:
            with self._telling_handoff(connection, outcome.conversation_id, outcome.saved_at):
                _save_outcome(connection, outcome)

        await self._writer.submit(job)

    async def withdraw_outcome(self, conversation_id: str, now: datetime) -> None:
        """The call goes on after a handoff that failed. Raises `NotFound`."""

        def job(connection: sqlite3.Connection) -> None:
            with self._telling_handoff(connection, conversation_id, now):
                withdraw(connection)

        def withdraw(connection: sqlite3.Connection) -> None:
            if connection.execute(_GO_ON, (conversation_id,)).rowcount:
                connection.execute(_WITHDRAW, (conversation_id,))
            elif connection.execute(_EXISTS, (conversation_id,)).fetchone() is None:
                raise _unknown(conversation_id)

        await self._writer.submit(job)

    async def save_receipt(self, conversation_id: str, index: int, receipt: Receipt) -> None:
        """Keep a receipt as it is now. Raises `NotFound`."""
        values = (conversation_id, index, encode(receipt))
        await self._writer.submit(lambda connection: _add(connection, _RECEIPT, values))

    async def note_leg(self, conversation_id: str, sip_call_id: str) -> None:
        """Let the call be found by a further leg. Raises `NotFound`."""
        values = (conversation_id, storable(sip_call_id))
        await self._writer.submit(lambda connection: _add(connection, _LEG, values))

    async def close_conversation(self, closed: ConversationClosed) -> None:
        """The last write of a call; the first one stands. Raises `NotFound`."""
        await self._writer.submit(lambda connection: self._close(connection, closed))

    def _close(self, connection: sqlite3.Connection, closed: ConversationClosed) -> None:
        with self._telling_handoff(connection, closed.conversation_id, closed.ended_at):
            done = _close(connection, closed)
        if done:
            self._tell_closed(connection, closed)

    async def calls_up(self) -> Sequence[str]:
        """Ids of the conversations that were not closed."""
        rows = await self._reader.read(lambda connection: connection.execute(_UP_IDS).fetchall())
        return [row[0] for row in rows]

    async def settle_interrupted(self, now: datetime, going_on: Collection[str] = ()) -> int:
        """Close every call that is up as interrupted, and settle the reservations that calls had bound."""

        def job(connection: sqlite3.Connection) -> int:
            def answered(conversation_id: str | None) -> bool:
                row = connection.execute(_IS_ANSWERED, (conversation_id,)).fetchone()
                return row is not None and row[0] is not None

            self._settle_bound(connection, answered, now)
            up = [
                (msgspec.json.decode(document, type=ConversationOpened).id, answered_at)
                for document, answered_at in connection.execute(_UP).fetchall()
            ]
            over = [found for found in up if found[0] not in going_on]
            for conversation_id, answered_at in over:
                at = None if answered_at is None else read_stamp(answered_at)
                self._close(connection, interrupted(conversation_id, at, now))
            return len(over)

        return await self._writer.submit(job)

    async def record_refusal(self, refused: RefusedCall) -> None:
        """Keep why an INVITE was refused; repeats within a minute are counted."""
        await self._writer.submit(lambda connection: _record_refusal(connection, refused))

    # ------------------------------------------------------------------------------------------------- reads

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """One conversation, whole."""

        def query(connection: sqlite3.Connection) -> Conversation | None:
            row = connection.execute(_WHOLE, (conversation_id,)).fetchone()
            if row is None:
                return None
            turns = connection.execute(_TURNS, (conversation_id,)).fetchall()
            receipts = connection.execute(_RECEIPTS, (conversation_id,)).fetchall()
            legs = connection.execute(_LEGS, (conversation_id,)).fetchall()
            ladder = (
                ()
                if row[4] is None
                else msgspec.json.decode(zlib.decompress(row[4]), type=tuple[dict[str, Any], ...])
            )
            found = read_conversation(
                row, tuple(msgspec.json.decode(turn, type=Turn) for (turn,) in turns), ladder
            )
            return msgspec.structs.replace(
                found,
                receipts=tuple(msgspec.json.decode(one, type=Receipt) for (one,) in receipts),
                further_call_ids=tuple(call_id for (call_id,) in legs),
            )

        return await self._reader.read(query)

    async def handoff_state(
        self, account: str, project: str, *, conversation_id: str | None, shared_id: str | None
    ) -> HandoffLookup:
        """The outcome by shared id (the newest call with it) or, without one, by conversation id."""
        statement, key = (_BY_ID, conversation_id or "") if shared_id is None else (_BY_SHARED_ID, shared_id)
        key = storable(key)
        row = await self._reader.read(
            lambda connection: connection.execute(statement, (key, account, project)).fetchone()
        )
        if row is None:
            return HandoffLookup(status=OutcomeStatus.UNKNOWN)
        outcome = None if row[2] is None else msgspec.json.decode(row[2], type=Outcome)
        return look_up(row[0], row[1], outcome, closed=bool(row[3]))


def _unknown(conversation_id: str) -> NotFound:
    return NotFound("no such conversation", conversation_id=conversation_id)


def _add(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    """Add a row that belongs to the conversation named first in `values`."""
    try:
        connection.execute(statement, values)
    except sqlite3.IntegrityError as error:
        raise _unknown(values[0]) from error


def _save_outcome(connection: sqlite3.Connection, outcome: Outcome) -> None:
    try:
        done = connection.execute(
            _OUTCOME,
            (outcome.conversation_id, int(outcome.handed_off), encode(outcome), outcome.revision),
        )
    except sqlite3.IntegrityError as error:
        raise _unknown(outcome.conversation_id) from error
    if done.rowcount:
        shared_id = None if outcome.shared_id is None else storable(outcome.shared_id)
        connection.execute(_OUTCOME_KNOWN, (shared_id, outcome.handed_off, outcome.conversation_id))


def _close(connection: sqlite3.Connection, closed: ConversationClosed) -> bool:
    """Close a conversation that is open, and count it; one without outcome gets an empty one. Whether it was open."""
    key = (closed.conversation_id,)
    ladder = None
    if closed.ladder:
        ladder = zlib.compress(encode(closed.ladder).encode(), 1)
    document = encode(msgspec.structs.replace(closed, ladder=()))
    closing = connection.execute(_CLOSE, (document, ladder, closed.termination.reason.value, *key))
    row = closing.fetchone()
    closing.close()
    if row is None:
        if connection.execute(_EXISTS, key).fetchone() is None:
            raise _unknown(closed.conversation_id)
        return False
    opening, handed_off, has_outcome, has_receipts = row
    opened = msgspec.json.decode(opening, type=ConversationOpened)
    if not has_outcome:
        outcome = empty_outcome(opened, closed.ended_at)
        connection.execute(_OUTCOME, (*key, 0, encode(outcome), 0))
    count_call(connection, opened, closed, handed_off=bool(handed_off))
    if has_receipts:
        for (text,) in connection.execute(_RECEIPTS, key).fetchall():
            count_handoff(connection, opened, msgspec.json.decode(text, type=Receipt))
    return True


def _record_refusal(connection: sqlite3.Connection, refused: RefusedCall) -> None:
    count_refusal(connection, refused)
    reason = refused.refusal.reason.value
    since = stamp(refused.at - MERGE_WITHIN)
    for seq, document in connection.execute(_LAST_REFUSAL, (refused.source, reason, since)).fetchall():
        merged = merge_refusal(msgspec.json.decode(document, type=RefusedCall), refused)
        if merged is not None:
            connection.execute("UPDATE refusals SET document = ? WHERE seq = ?", (encode(merged), seq))
            return
    done = connection.execute(
        "INSERT INTO refusals (at, source, reason, document) VALUES (?, ?, ?, ?)",
        (stamp(refused.at), storable(refused.source), reason, encode(refused)),
    )
    connection.execute("DELETE FROM refusals WHERE seq <= ?", ((done.lastrowid or 0) - KEPT_REFUSALS,))


def read_conversation(
    row: Sequence[Any], turns: tuple[Turn, ...] = (), ladder: tuple[dict[str, Any], ...] = ()
) -> Conversation:
    """A conversation from opened, state, outcome and closed."""
    outcome = None if row[2] is None else msgspec.json.decode(row[2], type=Outcome)
    closed = None if row[3] is None else msgspec.json.decode(row[3], type=ConversationClosed)
    if closed is not None and ladder:
        closed = msgspec.structs.replace(closed, ladder=ladder)
    return Conversation(
        opened=msgspec.json.decode(row[0], type=ConversationOpened),
        state=CallState(row[1]),
        turns=turns,
        outcome=outcome,
        closed=closed,
    )
