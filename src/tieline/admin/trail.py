"""Writing the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tieline.clock import Clock
from tieline.model.audit import AuditChange, AuditEntry
from tieline.model.principal import Principal
from tieline.store.people import AuditStore


class AuditTrail:
    """Notes what somebody did. `changes` have to come with secrets masked."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def entry(
        self,
        who: Principal,
        action: str,
        kind: str,
        name: str,
        changes: Iterable[AuditChange] = (),
        *,
        account: str | None = None,
    ) -> AuditEntry:
        """One entry, not stored yet; `account` is that of the thing, of the actor's without it."""
        return AuditEntry(
            at=self._clock.utc(),
            actor_kind=who.kind,
            actor=who.name,
            address=who.address,
            account=account if account is not None else who.account,
            action=action,
            kind=kind,
            name=name,
            changes=tuple(changes),
        )

    async def note(
        self,
        who: Principal,
        action: str,
        kind: str,
        name: str,
        changes: Iterable[AuditChange] = (),
        *,
        account: str | None = None,
    ) -> None:
        """Store one entry."""
        await self.keep([self.entry(who, action, kind, name, changes, account=account)])

    async def keep(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries, all in one write."""
        await self._store.add_audit(entries)
