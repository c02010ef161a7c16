"""Both stores keep the whole contract."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline.store.memory import MemoryStore
from tieline.store.migration import migrate
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_contract import ReservationContract, ResourceContract
from tieline.testing.store_contract_conversations import ConversationContract
from tieline.testing.store_contract_failures import FailureContract
from tieline.testing.store_samples import T0


class _Contract(ReservationContract, FailureContract, ConversationContract, ResourceContract):
    """All of it."""


class TestMemoryStore(_Contract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        await store.open(T0)
        yield store
        await store.close()


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "tieline.db"
    migrate(path)
    return path


class TestSqliteStore(_Contract):
    @pytest.fixture
    async def store(self, tmp_path: Path, empty_database: Path) -> AsyncIterator[SqliteStore]:
        path = tmp_path / "tieline.db"
        shutil.copy(empty_database, path)
        store = SqliteStore(path)
        await store.open(T0)
        yield store
        await store.close()
