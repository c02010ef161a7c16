"""The SQLite store: one writing thread with group commit, one reading thread, one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tieline.errors import ConfigurationError
from tieline.store.anchor import read_boot, save_anchor
from tieline.store.migration import SchemaState, migrate, schema_state
from tieline.store.seal import Seal, seal_of
from tieline.store.sqlite_audit import SqliteAudit
from tieline.store.sqlite_connection import Reader, connect_writer
from tieline.store.sqlite_conversations import SqliteConversations
from tieline.store.sqlite_credentials import SqliteCredentials
from tieline.store.sqlite_figures import SqliteFigures
from tieline.store.sqlite_outbox import SqliteOutbox
from tieline.store.sqlite_people import SqlitePeople
from tieline.store.sqlite_reservations import SqliteReservations
from tieline.store.sqlite_resources import SqliteResources
from tieline.store.sqlite_retention import SqliteRetention
from tieline.store.sqlite_search import SqliteSearch
from tieline.store.sqlite_sms import SqliteSms
from tieline.store.sqlite_turn import Wanted
from tieline.store.sqlite_writer import Writer


class SqliteStore(
    SqliteReservations,
    SqliteConversations,
    SqliteSearch,
    SqliteFigures,
    SqliteResources,
    SqliteRetention,
    SqliteAudit,
    SqlitePeople,
    SqliteCredentials,
    SqliteSms,
    SqliteOutbox,
):
    """Everything `tieline.store.base.Store` promises, in the SQLite file at `path`. For use from one event loop.

    `before_commit` is called in the writer's thread before each commit that has something to write; tests delay
    the disk with it. `seal` keeps the secrets of projects; without it, keys come from the environment or from the file
    `<path>.key`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        before_commit: Callable[[], None] | None = None,
        seal: Seal | None = None,
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self._seal = seal or seal_of(self.path)
        self._before_commit = before_commit
        self._data_version = -1
        self._changes = 0

    @property
    def commits(self) -> int:
        """Transactions committed since the store was opened."""
        return self._writer.commits

    @property
    def writes(self) -> int:
        """Writes that those transactions carried."""
        return self._writer.writes

    async def open(self, now: datetime) -> None:
        """Connect; an empty database is given its schema. Raises `SchemaTooNew` or `ConfigurationError`."""
        boot = read_boot()
        if not self.path.parent.is_dir():
            raise ConfigurationError(f"no such directory: {self.path.parent}", file=str(self.path))
        connection = connect_writer(self.path)
        try:
            state = schema_state(connection)
            if state is SchemaState.OLD:
                raise ConfigurationError(
                    f"the database {self.path} is of an older release: run `tieline migrate`"
                )
            if state is SchemaState.EMPTY:
                migrate(self.path)
            save_anchor(connection, boot, now)
        except BaseException:
            connection.close()
            raise
        self._writer = Writer(connection, _Groups(self))
        self._reader = Reader(self.path)
        self._searcher = Reader(self.path)
        await self._writer.submit(self._load_pools)

    async def close(self) -> None:
        """Finish queued writes, store the count of refusals, and let go."""
        if self._refused.total():
            await self._writer.submit(self._flush_refused)
        await self._writer.close()
        await self._reader.close()
        await self._searcher.close()


class _Groups:
    """What the store does around each group of the writer."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def begin(self, connection: sqlite3.Connection) -> None:
        """Notice what another process has changed."""
        store = self._store
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != store._data_version:
            store._data_version = version
            store._load_pools(connection)
            store._load_keys(connection)
        store._changes = connection.total_changes

    def reserve(self, connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> list[Any]:
        """Reserve for the group."""
        return self._store._reserve_group(connection, wanted)

    def finish(self, connection: sqlite3.Connection) -> None:
        """A group that wrote something takes the count of refusals along."""
        store = self._store
        if connection.total_changes != store._changes:
            store._flush_refused(connection)
            if store._before_commit is not None:
                store._before_commit()

    def failed(self) -> None:
        """Look at everything anew."""
        self._store._data_version = -1
