"""Reading the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from tieline.admin.access import require
from tieline.model.audit import AuditEntry
from tieline.model.principal import Principal
from tieline.model.user import Right
from tieline.store.people import AuditFilter, AuditStore

LONGEST_LIST = 500


class AuditAdmin:
    """The audit log, for those who may change people; of one account for those who are confined to it."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def entries(
        self,
        who: Principal,
        *,
        actor: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> Sequence[AuditEntry]:
        """Matching entries, newest first; None means any. Raises `Forbidden`."""
        require(who, Right.USERS)
        wanted = AuditFilter(
            account=who.account,
            actor=actor,
            kind=kind,
            name=name,
            before_id=before_id,
            limit=max(1, min(limit, LONGEST_LIST)),
        )
        return await self._store.audit(wanted)
