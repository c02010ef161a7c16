"""What the operator configured, in SQLite: one JSON document a kind, pools and their numbers as rows."""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, SipToken
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.model.twilio import TwilioConnection
from tieline.model.webhook import WebhookEndpoint
from tieline.store.records import stamp
from tieline.store.seal import Holder, Seal
from tieline.store.sqlite_connection import Reader
from tieline.store.sqlite_reservations import Hints
from tieline.store.sqlite_turn import PoolEntry
from tieline.store.sqlite_writer import Writer

_KINDS: dict[str, Any] = {
    "accounts": tuple[Account, ...],
    "projects": tuple[Project, ...],
    "trunks": tuple[Trunk, ...],
    "sip_tokens": tuple[SipToken, ...],
    "api_keys": tuple[ApiKey, ...],
    "webhooks": tuple[WebhookEndpoint, ...],
    "twilio": tuple[TwilioConnection, ...],
}
_SEALED = ("projects", "trunks", "webhooks", "twilio")
"""Kinds of which each resource may hold secrets."""

_SAVE = """
INSERT INTO resources (kind, document) VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET document = excluded.document"""
_SAVE_POOL = """
INSERT INTO pools (name, position, member, policy) VALUES (?, ?, 1, ?)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, member = 1, policy = excluded.policy
    RETURNING id"""
_VERSION = "SELECT version FROM resources_version WHERE id = 1"
_GROW = """
INSERT INTO resources_version (id, version, applied_at) VALUES (1, 1, ?)
    ON CONFLICT (id) DO UPDATE SET version = version + 1, applied_at = excluded.applied_at"""


class SqliteResources:
    """The `ResourceStore` protocol, and the writer's picture of the pools."""

    _writer: Writer
    _reader: Reader
    _pools: dict[str, PoolEntry]
    _hints: Hints
    _seal: Seal
    _project_accounts: dict[str, str] | None

    def __init__(self) -> None:
        super().__init__()
        self._loaded: tuple[int, Resources] = (0, Resources())

    async def resources(self) -> Resources:
        """All resources as last applied."""
        return await self._reader.read(self._load)

    async def apply(self, change: Callable[[Resources], Resources], now: datetime) -> Resources:
        """Replace the resources by `change(current)` in one transaction; a number that stays keeps its state.

        What `change` raises is raised here, and nothing is changed.
        """

        def job(connection: sqlite3.Connection) -> Resources:
            current = self._load(connection)
            wanted = change(current)
            stored = _read_documents(connection)
            sealed = iter(
                self._seal.close([one for kind in _SEALED for one in getattr(wanted, kind)], _holders(stored))
            )
            to_store = msgspec.structs.replace(
                wanted,
                **{kind: tuple(itertools.islice(sealed, len(getattr(wanted, kind)))) for kind in _SEALED},
            )
            for kind in _KINDS:
                if getattr(to_store, kind) != stored.get(kind, ()):
                    document = msgspec.json.encode(getattr(to_store, kind)).decode()
                    connection.execute(_SAVE, (kind, document))
            _save_pools(connection, current.pools, wanted.pools)
            connection.execute(_GROW, (stamp(now),))
            self._load_pools(connection)
            return wanted

        return await self._writer.submit(job)

    async def unsealed_secrets(self) -> int:
        """Secrets that the next apply will seal (anew): in clear, or under a key that is not the first."""
        return await self._reader.read(
            lambda connection: self._seal.count_outdated(_holders(_read_documents(connection)))
        )

    async def resources_version(self) -> int:
        """Grows with every apply, by whichever process."""
        return await self._reader.read(_read_version)

    def _load(self, connection: sqlite3.Connection) -> Resources:
        """The resources; read again only when their version has changed. Runs in either thread."""
        version = _read_version(connection)
        loaded = self._loaded
        if loaded[0] != version:
            kinds = _read_documents(connection)
            for kind in _SEALED:
                if kind in kinds:
                    kinds[kind] = self._seal.open(kinds[kind])
            loaded = (version, Resources(pools=_read_pools(connection), **kinds))
            self._loaded = loaded
        return loaded[1]

    def _load_pools(self, connection: sqlite3.Connection) -> None:
        """Renew the writer's picture of the pools; what was known of free numbers may be out of date."""
        rows = connection.execute("SELECT id, name, policy, member FROM pools").fetchall()
        self._pools = {
            name: PoolEntry(number, msgspec.json.decode(policy, type=Pool), bool(member))
            for number, name, policy, member in rows
        }
        self._hints.forget()
        self._project_accounts = None


def _read_documents(connection: sqlite3.Connection) -> dict[str, Any]:
    """The resources of each kind but pools, as stored: secrets are sealed."""
    documents = dict(connection.execute("SELECT kind, document FROM resources").fetchall())
    return {
        kind: msgspec.json.decode(documents[kind], type=shape)
        for kind, shape in _KINDS.items()
        if kind in documents
    }


def _holders(documents: dict[str, Any]) -> tuple[Holder, ...]:
    """What has secrets among the stored resources."""
    return tuple(one for kind in _SEALED for one in documents.get(kind, ()))


def _read_version(connection: sqlite3.Connection) -> int:
    row = connection.execute(_VERSION).fetchone()
    return 0 if row is None else int(row[0])


def _read_pools(connection: sqlite3.Connection) -> tuple[Pool, ...]:
    numbers: defaultdict[int, list[str]] = defaultdict(list)
    rows = connection.execute(
        "SELECT pool_id, number FROM numbers WHERE member = 1 ORDER BY pool_id, position"
    )
    for pool_id, number in rows:
        numbers[pool_id].append(number)
    pools = connection.execute("SELECT id, policy FROM pools WHERE member = 1 ORDER BY position").fetchall()
    return tuple(
        msgspec.structs.replace(msgspec.json.decode(policy, type=Pool), numbers=tuple(numbers[pool_id]))
        for pool_id, policy in pools
    )


def _save_pools(connection: sqlite3.Connection, current: Sequence[Pool], wanted: Sequence[Pool]) -> None:
    before = {pool.name: pool for pool in current}
    for position, pool in enumerate(wanted):
        policy = msgspec.json.encode(msgspec.structs.replace(pool, numbers=())).decode()
        (pool_id,) = connection.execute(_SAVE_POOL, (pool.name, position, policy)).fetchone()
        known = before.pop(pool.name, None)
        if known is None or known.numbers != pool.numbers:
            _save_numbers(connection, pool_id, pool.numbers)
    for name in before:
        (pool_id,) = connection.execute(
            "UPDATE pools SET member = 0 WHERE name = ? RETURNING id", (name,)
        ).fetchone()
        _save_numbers(connection, pool_id, ())


def _save_numbers(connection: sqlite3.Connection, pool_id: int, wanted: Sequence[str]) -> None:
    """Make `wanted` the pool's numbers. One that leaves keeps its row, so that its epochs go on if it returns."""
    rows = connection.execute(
        "SELECT number, id, position, member FROM numbers WHERE pool_id = ?", (pool_id,)
    )
    known = {number: (number_id, position, member) for number, number_id, position, member in rows}
    new, moved = [], []
    for position, number in enumerate(wanted):
        row = known.pop(number, None)
        if row is None:
            new.append((pool_id, number, position))
        elif row[1:] != (position, 1):
            moved.append((position, row[0]))
    gone = [(row[0],) for row in known.values() if row[2]]
    connection.executemany("INSERT INTO numbers (pool_id, number, position) VALUES (?, ?, ?)", new)
    connection.executemany("UPDATE numbers SET position = ?, member = 1 WHERE id = ?", moved)
    connection.executemany("UPDATE numbers SET member = 0 WHERE id = ?", gone)
