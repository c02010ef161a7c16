"""The audit log in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from tieline.model.audit import AuditEntry
from tieline.store.people import AuditFilter
from tieline.store.records import encode, stamp
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

_ADD = "INSERT INTO audit (at, account, actor, kind, name, document) VALUES (?, ?, ?, ?, ?, ?)"


class SqliteAudit:
    """The `AuditStore` protocol."""

    _writer: Writer
    _reader: Reader

    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries."""
        rows = [(stamp(one.at), one.account, one.actor, one.kind, one.name, encode(one)) for one in entries]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(_ADD, rows)

        await self._writer.submit(job)

    async def audit(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        """Matching entries, newest first."""
        asked = [
            ("account = ?", wanted.account),
            ("actor = ?", wanted.actor),
            ("kind = ?", wanted.kind),
            ("name = ?", wanted.name),
            ("id < ?", wanted.before_id),
        ]
        held = [(text, value) for text, value in asked if value is not None]
        where = " AND ".join(text for text, _ in held) or "1"
        statement = f"SELECT id, document FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        parameters: list[Any] = [*(value for _, value in held), wanted.limit]
        rows = await self._reader.read(
            lambda connection: connection.execute(statement, parameters).fetchall()
        )
        return [
            msgspec.structs.replace(msgspec.json.decode(document, type=AuditEntry), id=number)
            for number, document in rows
        ]
