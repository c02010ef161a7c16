"""The audit log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tieline.model.audit import AuditEntry
from tieline.store.people import AuditFilter


class MemoryAudit:
    """The `AuditStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._audit: list[AuditEntry] = []
        self._audited = 0

    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries."""
        for one in entries:
            self._audited += 1
            self._audit.append(msgspec.structs.replace(one, id=self._audited))

    def _delete_audit(self, before: datetime) -> int:
        """Delete entries made before `before`; how many."""
        left = [one for one in self._audit if one.at >= before]
        deleted = len(self._audit) - len(left)
        self._audit = left
        return deleted

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
