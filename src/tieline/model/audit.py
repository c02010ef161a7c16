"""The audit log: who changed what, and when. Entries are added and never changed."""

from __future__ import annotations

from datetime import datetime

from tieline.model.principal import PrincipalKind
from tieline.model.record import Record


class AuditChange(Record):
    """One field before and after, in words, secrets masked; None where the thing is not there."""

    field: str
    before: str | None
    after: str | None


class AuditEntry(Record):
    """One act. `action` is a verb (`create`, `update`, `remove`, `sign_in`, `export`, ...), `kind` what it was done to.

    `account` is that of the thing concerned, None where it belongs to all accounts. `id` grows with time.
    """

    id: int = 0
    at: datetime
    actor_kind: PrincipalKind
    actor: str
    address: str
    account: str | None
    action: str
    kind: str
    name: str
    changes: tuple[AuditChange, ...] = ()
