"""A fresh database for each test, copied from one that was migrated once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tieline.store.migration import migrate
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_samples import T0


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "tieline.db"
    migrate(path)
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path / "tieline.db"))


@pytest.fixture
async def sqlite_store(database: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(database)
    await store.open(T0)
    yield store
    await store.close()
