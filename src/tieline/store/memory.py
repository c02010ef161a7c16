"""The public in-memory store: the same promises as a database while the process lives, for tests and trials."""

from __future__ import annotations

from tieline.store.memory_conversations import MemoryConversations
from tieline.store.memory_reservations import MemoryReservations

__all__ = ["MemoryStore"]


class MemoryStore(MemoryReservations, MemoryConversations):
    """Everything `tieline.store.base.Store` promises, in dictionaries. For use from one event loop."""
