"""When credentials were last used, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from tieline.store.records import read_stamp, stamp
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_writer import Writer

_NOTE = """
INSERT INTO credential_uses (secret_hash, used_at) VALUES (?, ?)
    ON CONFLICT (secret_hash) DO UPDATE SET used_at = max(used_at, excluded.used_at)"""


class SqliteCredentials:
    """The `CredentialStore` protocol."""

    _writer: Writer
    _reader: Reader

    async def note_credential_use(self, uses: Mapping[str, datetime]) -> None:
        """Keep the latest use of each."""
        rows = [(secret_hash, stamp(at)) for secret_hash, at in uses.items()]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(_NOTE, rows)

        await self._writer.submit(job)

    async def credential_uses(self) -> Mapping[str, datetime]:
        """The latest use of each."""
        rows = await self._reader.read(
            lambda connection: connection.execute(
                "SELECT secret_hash, used_at FROM credential_uses"
            ).fetchall()
        )
        return {secret_hash: read_stamp(at) for secret_hash, at in rows}
