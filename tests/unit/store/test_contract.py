"""Both stores keep the whole contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tieline.store.memory import MemoryStore
from tieline.store.sqlite import SqliteStore
from tieline.testing.store_contract import ReservationContract, ResourceContract
from tieline.testing.store_contract_conversations import ConversationContract
from tieline.testing.store_contract_credentials import CredentialContract
from tieline.testing.store_contract_failures import FailureContract
from tieline.testing.store_contract_handoffs import HandoffContract
from tieline.testing.store_contract_people import AuditContract, PeopleContract
from tieline.testing.store_contract_retention import RetentionContract
from tieline.testing.store_contract_search import FigureContract, SearchContract
from tieline.testing.store_contract_sms import SmsContract
from tieline.testing.store_contract_webhooks import WebhookContract
from tieline.testing.store_samples import T0


class _Contract(
    WebhookContract,
    ReservationContract,
    FailureContract,
    ConversationContract,
    HandoffContract,
    ResourceContract,
    RetentionContract,
    PeopleContract,
    AuditContract,
    CredentialContract,
    SmsContract,
    SearchContract,
    FigureContract,
):
    """All of it."""


class TestMemoryStore(_Contract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        await store.open(T0)
        yield store
        await store.close()


class TestSqliteStore(_Contract):
    @pytest.fixture
    def store(self, sqlite_store: SqliteStore) -> SqliteStore:
        return sqlite_store
