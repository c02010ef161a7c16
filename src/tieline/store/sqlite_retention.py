"""Deleting what has been kept for long enough, in chunks: no other write waits for more than one of them.

A reservation is kept by the microsecond at which it was made, so its age is a range of the table. What may go is
looked for in the reader's thread. The writer deletes it as one write among the others, and looks once more at what may
have come alive in between.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tieline.model.conversation import ConversationClosed
from tieline.store.base import Pruned
from tieline.store.records import stamp
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

CHUNK = 100
"""Rows of a kind that one write deletes."""

LOOK = 2_000
"""Keys that one look goes through."""

_CLOSED = """
SELECT id, started_at, closed FROM conversations INDEXED BY conversations_by_start
    WHERE started_at >= ?1 AND (started_at, id) > (?1, ?2) AND started_at < ?3 AND closed IS NOT NULL
    ORDER BY started_at, id LIMIT ?4"""
_DELETE_CALLS = (
    "DELETE FROM turns WHERE conversation_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM receipts WHERE conversation_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM further_legs WHERE conversation_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM outcomes WHERE conversation_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM conversations WHERE id IN (SELECT value FROM json_each(?))",
)
_IDLE = """r.idempotency_key IS NULL
    AND NOT EXISTS (SELECT 1 FROM numbers n WHERE n.id = r.number_id AND n.epoch = r.epoch AND n.free_at > ?1)
    AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = r.conversation_id AND c.closed IS NULL)"""
_OLD_RESERVATIONS = f"""
SELECT r.key FROM reservations r WHERE r.key > ?2 AND r.key < ?3 AND {_IDLE} ORDER BY r.key LIMIT ?4"""  # noqa: S608
_DELETE_RESERVATIONS = f"""
DELETE FROM reservations WHERE key IN (
    SELECT r.key FROM json_each(?2) JOIN reservations r ON r.key = value WHERE {_IDLE})"""  # noqa: S608
_OLD_MESSAGES = """
SELECT id FROM sms_messages INDEXED BY sms_by_time
    WHERE at < ? AND state NOT IN ('waiting', 'sending') ORDER BY at LIMIT ?"""
_DELETE_MESSAGES = "DELETE FROM sms_messages WHERE id IN (SELECT value FROM json_each(?))"
_OLD_AUDIT = "SELECT id FROM audit INDEXED BY audit_by_time WHERE at < ? ORDER BY at LIMIT ?"
_DELETE_AUDIT = "DELETE FROM audit WHERE id IN (SELECT value FROM json_each(?))"
_KEYS = """
SELECT project, idempotency_key, key FROM reservations INDEXED BY reservations_by_key
    WHERE idempotency_key IS NOT NULL AND (project, idempotency_key) > (?, ?)
    ORDER BY project, idempotency_key LIMIT ?"""
_FORGET_KEYS = """
UPDATE reservations SET idempotency_key = NULL, body_hash = NULL WHERE key IN (SELECT value FROM json_each(?))"""

_NONE_WAITS = """
    NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_seq = e.seq AND d.state = 'waiting')"""
_EVENTS = "SELECT seq, at FROM webhook_events WHERE seq > ? ORDER BY seq LIMIT ?"
_DELETE_EVENTS = (
    f"""DELETE FROM webhook_deliveries WHERE event_seq IN (
        SELECT e.seq FROM json_each(?) JOIN webhook_events e ON e.seq = value WHERE {_NONE_WAITS})""",  # noqa: S608
    f"""DELETE FROM webhook_events WHERE seq IN (
        SELECT e.seq FROM json_each(?) JOIN webhook_events e ON e.seq = value
            WHERE e.routed = 1 AND {_NONE_WAITS})""",  # noqa: S608
)


class SqliteRetention:
    """The `RetentionStore` protocol."""

    _writer: Writer
    _reader: Reader
    _forget_figures: Callable[[datetime], Awaitable[None]]

    async def prune(
        self, now: datetime, *, keep_s: float | None, keep_keys_s: float, keep_audit_s: float | None = None
    ) -> Pruned:
        """Forget idempotency keys, and delete ended calls, reservations, messages and events that are older."""
        keys = await self._forget_keys(stamp(now - timedelta(seconds=keep_keys_s)))
        audit = 0
        if keep_audit_s is not None:
            audit = await self._delete_by_time(
                _OLD_AUDIT, _DELETE_AUDIT, stamp(now - timedelta(seconds=keep_audit_s))
            )
        if keep_s is None:
            return Pruned(keys=keys, audit=audit)
        before = now - timedelta(seconds=keep_s)
        await self._forget_figures(before)
        return Pruned(
            keys=keys,
            conversations=await self._delete_conversations(before),
            reservations=await self._delete_reservations(now, stamp(before)),
            messages=await self._delete_by_time(_OLD_MESSAGES, _DELETE_MESSAGES, stamp(before)),
            events=await self._delete_events(stamp(before)),
            audit=audit,
        )

    async def _delete_by_time(self, look: str, delete: str, before: int) -> int:
        """Delete rows that were made before `before` (stamp), those alone that `look` finds; how many."""
        deleted = 0
        while rows := await self._read(look, (before, CHUNK)):
            deleted += await self._write((delete,), (json.dumps([identity for (identity,) in rows]),))
        return deleted

    async def _forget_keys(self, before: int) -> int:
        """Take the idempotency keys off reservations made before `before` (stamp); how many."""
        forgotten = 0
        rows: Sequence[Any] = [("", "", 0)]
        while rows:
            rows = await self._read(_KEYS, (*rows[-1][:2], LOOK))
            due = [key for _, _, key in rows if key < before]
            for start in range(0, len(due), CHUNK):
                forgotten += await self._write((_FORGET_KEYS,), (json.dumps(due[start : start + CHUNK]),))
        return forgotten

    async def _delete_conversations(self, before: datetime) -> int:
        """Delete conversations that ended before `before`, with all that belongs to them; how many."""
        deleted = 0
        rows: Sequence[Any] = [("", -1, "")]
        while rows:
            last, started_at, _ = rows[-1]
            rows = await self._read(_CLOSED, (started_at, last, stamp(before), CHUNK))
            due = [identity for identity, _, document in rows if _ended_at(document) < before]
            if due:
                deleted += await self._write(_DELETE_CALLS, (json.dumps(due),))
        return deleted

    async def _delete_reservations(self, now: datetime, before: int) -> int:
        """Delete reservations made before `before` (stamp) that nothing holds; how many."""
        deleted = 0
        rows: Sequence[Any] = [(-1,)]
        while rows:
            rows = await self._read(_OLD_RESERVATIONS, (stamp(now), rows[-1][0], before, CHUNK))
            if rows:
                due = json.dumps([key for (key,) in rows])
                deleted += await self._write((_DELETE_RESERVATIONS,), (stamp(now), due))
        return deleted

    async def _delete_events(self, before: int) -> int:
        """Delete webhook events of before `before` (stamp), unless they are still to be delivered; how many.

        They are numbered as they came in, which is nearly the order of their times: the first look that finds none
        so old is the last.
        """
        deleted = 0
        due = [0]
        while due:
            rows = await self._read(_EVENTS, (due[-1], LOOK))
            due = [seq for seq, at in rows if at < before]
            for start in range(0, len(due), CHUNK):
                deleted += await self._write(_DELETE_EVENTS, (json.dumps(due[start : start + CHUNK]),))
        return deleted

    async def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return await self._reader.read(lambda connection: connection.execute(statement, values).fetchall())

    async def _write(self, statements: Sequence[str], values: Sequence[Any]) -> int:
        """Carry the statements out as one write; how many rows the last one changed."""

        def job(connection: sqlite3.Connection) -> int:
            return [connection.execute(statement, values).rowcount for statement in statements][-1]

        return await self._writer.submit(job)


def _ended_at(document: str) -> datetime:
    return msgspec.json.decode(document, type=ConversationClosed).ended_at
