"""The public in-memory store: the same promises as a database while the process lives, for tests and trials."""

from __future__ import annotations

from tieline.store.memory_credentials import MemoryCredentials
from tieline.store.memory_people import MemoryPeople
from tieline.store.memory_retention import MemoryRetention

__all__ = ["MemoryStore"]


class MemoryStore(MemoryRetention, MemoryPeople, MemoryCredentials):
    """Everything `tieline.store.base.Store` promises, in dictionaries. For use from one event loop."""
