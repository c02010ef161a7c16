"""The audit log in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tieline.model.audit import AuditEntry
from tieline.store.people import AuditFilter


class MemoryAudit:
    """The `AuditStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._audit: list[AuditEntry] = []

    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries."""
        for one in entries:
            self._audit.append(msgspec.structs.replace(one, id=len(self._audit) + 1))

    async def audit(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        """Matching entries, newest first."""
        found = [
            one
            for one in reversed(self._audit)
            if (wanted.before_id is None or one.id < wanted.before_id)
            and all(
                getattr(wanted, field) in {None, getattr(one, field)}
                for field in ("account", "actor", "kind", "name")
            )
        ]
        return found[: wanted.limit]
