"""Opening SQLite as the store needs it, and reading it in a thread beside the writer's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tieline.errors import ConfigurationError

T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
"""How long to wait for another process (an operator's command) to finish writing."""

CHECKPOINT_PAGES = 4_000
"""WAL pages (4 KiB each) after which they are moved into the database file."""


def make_private(path: Path) -> None:
    """Make an empty database that only its owner reads, unless there is one: calls name people.

    What SQLite puts beside it has the same mode.
    """
    with contextlib.suppress(OSError):  # it is there already, or SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def connect_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes: WAL, every commit synced to the disk. Raises `ConfigurationError`."""
    make_private(path)
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA cache_size = -65536")
        # What a statement over many rows would need to be undone by itself goes to a file otherwise.
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        raise ConfigurationError(f"cannot open the database {path}: {error}", file=str(path)) from error
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


class Reader:
    """Runs reads one after the other in a thread of its own; each sees everything committed before it."""

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tieline-store-reader")
        self._loop = asyncio.get_running_loop()

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `query`, which sees one state of the database throughout."""
        return await self._loop.run_in_executor(self._thread, self._run, query)

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        self._connection.execute("BEGIN")
        try:
            return query(self._connection)
        finally:
            self._connection.execute("COMMIT")

    async def close(self) -> None:
        """Finish what is queued and close."""
        await self._loop.run_in_executor(None, self._thread.shutdown)
        self._connection.close()
