"""Text messages and opt-outs in SQLite. Writes run in the writer's thread, reads in the reader's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.model.sms import OptOut, SmsMessage
from tieline.store.outbox import SmsFilter
from tieline.store.records import encode, read_stamp, stamp, storable
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

_ADD = """
INSERT OR IGNORE INTO sms_messages
    (id, at, account, project, conversation_id, sent_to, sent_from, state, next_at, provider_sid, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_CHANGE = """
UPDATE sms_messages SET sent_from = ?, state = ?, next_at = ?, provider_sid = ?, document = ? WHERE id = ?"""
_DUE = """
SELECT document FROM sms_messages INDEXED BY sms_due
    WHERE state IN ('waiting', 'sending') AND next_at <= ? ORDER BY next_at, at, id LIMIT ?"""
_NEXT = "SELECT min(next_at) FROM sms_messages INDEXED BY sms_due WHERE state IN ('waiting', 'sending')"
_ONE = "SELECT document FROM sms_messages WHERE id = ?"
_BY_SID = "SELECT document FROM sms_messages WHERE provider_sid = ?"
_OPT_OUT = """
INSERT OR IGNORE INTO sms_opt_outs (recipient, sender, account, at, document) VALUES (?, ?, ?, ?, ?)"""
_OPT_IN = "DELETE FROM sms_opt_outs WHERE account = ? AND recipient = ? AND sender = ?"
_OPTED_OUT = "SELECT document FROM sms_opt_outs WHERE account = ? AND recipient = ? AND sender = ?"
_OPT_OUTS = """
SELECT document FROM sms_opt_outs WHERE ?1 IS NULL OR account = ?1 ORDER BY at DESC, recipient, sender LIMIT ?2"""

_decode = msgspec.json.Decoder(SmsMessage).decode
_decode_opt_out = msgspec.json.Decoder(OptOut).decode


def insert_messages(connection: sqlite3.Connection, messages: Sequence[SmsMessage]) -> None:
    """Put messages into the outbox within a transaction; one that is there is passed over."""
    if messages:
        connection.executemany(_ADD, [_row(one) for one in messages])


def list_query(wanted: SmsFilter) -> tuple[str, list[Any]]:
    """The statement and parameters for what `wanted` asks for."""
    conditions: list[tuple[str, tuple[Any, ...]]] = [
        ("account = ?", (wanted.account,)),
        ("project = ?", (wanted.project,)),
        ("conversation_id = ?", (wanted.conversation_id,)),
        ("(sent_to = ? OR sent_from = ?)", (wanted.number, wanted.number)),
        ("state = ?", (None if wanted.state is None else wanted.state.value,)),
        ("at < ?", (None if wanted.before is None else stamp(wanted.before),)),
    ]
    asked = [(text, values) for text, values in conditions if values[0] is not None]
    where = " AND ".join(text for text, _ in asked) or "1"
    parameters = [value for _, values in asked for value in values]
    statement = f"SELECT document FROM sms_messages WHERE {where} ORDER BY at DESC, id DESC LIMIT ?"  # noqa: S608
    return statement, [*parameters, wanted.limit]


class SqliteSms:
    """The `SmsStore` protocol."""

    _writer: Writer
    _reader: Reader

    async def add_sms(self, messages: Sequence[SmsMessage]) -> None:
        """New messages. One whose id or provider's id is there is passed over."""
        await self._writer.submit(lambda connection: insert_messages(connection, messages))

    async def due_sms(self, now: datetime, limit: int) -> Sequence[SmsMessage]:
        """Messages that are due, oldest first."""
        return [_decode(document) for (document,) in await self._rows(_DUE, (stamp(now), limit))]

    async def next_sms_at(self) -> datetime | None:
        """When the next one is due."""
        ((at,),) = await self._rows(_NEXT, ())
        return None if at is None else read_stamp(at)

    async def change_sms(
        self, message_id: str, change: Callable[[SmsMessage], SmsMessage | None]
    ) -> SmsMessage | None:
        """Replace a message by `change(message)` in one transaction."""

        def job(connection: sqlite3.Connection) -> SmsMessage | None:
            row = connection.execute(_ONE, (message_id,)).fetchone()
            changed = None if row is None else change(_decode(row[0]))
            if changed is None:
                return None
            due = None if changed.next_at is None else stamp(changed.next_at)
            values = (
                storable(changed.from_),
                changed.state.value,
                due,
                changed.provider_sid,
                encode(changed),
            )
            connection.execute(_CHANGE, (*values, message_id))
            return changed

        return await self._writer.submit(job)

    async def sms(self, message_id: str) -> SmsMessage | None:
        """One message."""
        rows = await self._rows(_ONE, (message_id,))
        return _decode(rows[0][0]) if rows else None

    async def sms_by_provider_sid(self, provider_sid: str) -> SmsMessage | None:
        """The message that the provider knows by that id."""
        rows = await self._rows(_BY_SID, (provider_sid,))
        return _decode(rows[0][0]) if rows else None

    async def messages(self, wanted: SmsFilter) -> Sequence[SmsMessage]:
        """Matching messages, newest first."""
        return [_decode(document) for (document,) in await self._rows(*list_query(wanted))]

    async def opt_out(self, opted: OptOut) -> None:
        """Somebody wants no more messages from a sender. The first opt-out stands."""
        values = (opted.recipient, opted.sender, opted.account, stamp(opted.at), encode(opted))
        await self._writer.submit(lambda connection: _run(connection, _OPT_OUT, values) and None)

    async def opt_in(self, account: str, recipient: str, sender: str) -> bool:
        """They want them again; False when they had not opted out."""
        return await self._writer.submit(
            lambda connection: _run(connection, _OPT_IN, (account, recipient, sender)) > 0
        )

    async def opted_out(self, account: str, recipient: str, sender: str) -> OptOut | None:
        """Whether they want none."""
        rows = await self._rows(_OPTED_OUT, (account, recipient, sender))
        return _decode_opt_out(rows[0][0]) if rows else None

    async def opt_outs(self, *, account: str | None = None, limit: int = 1000) -> Sequence[OptOut]:
        """Opt-outs, newest first."""
        return [_decode_opt_out(document) for (document,) in await self._rows(_OPT_OUTS, (account, limit))]

    async def _rows(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return await self._reader.read(lambda connection: connection.execute(statement, values).fetchall())


def _run(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
    return connection.execute(statement, values).rowcount


def _row(message: SmsMessage) -> tuple[Any, ...]:
    return (
        message.id,
        stamp(message.created_at),
        message.account,
        message.project,
        message.conversation_id,
        storable(message.to),
        storable(message.from_),
        message.state.value,
        None if message.next_at is None else stamp(message.next_at),
        message.provider_sid,
        encode(message),
    )
