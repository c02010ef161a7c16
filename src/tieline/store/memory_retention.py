"""Deleting what has been kept for long enough, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tieline.model.reservation import Reservation, ReservationState
from tieline.model.sms import UNSENT
from tieline.store.base import Pruned
from tieline.store.memory_audit import MemoryAudit
from tieline.store.memory_conversations import MemoryConversations
from tieline.store.memory_reservations import MemoryReservations
from tieline.store.memory_sms import MemorySms


class MemoryRetention(MemoryReservations, MemoryConversations, MemorySms, MemoryAudit):
    """The `RetentionStore` protocol."""

    async def prune(
        self, now: datetime, *, keep_s: float | None, keep_keys_s: float, keep_audit_s: float | None = None
    ) -> Pruned:
        """Forget idempotency keys, and delete ended calls, reservations, messages and events that are older."""
        keys = self._forget_keys(now - timedelta(seconds=keep_keys_s))
        audit = 0 if keep_audit_s is None else self._delete_audit(now - timedelta(seconds=keep_audit_s))
        if keep_s is None:
            return Pruned(keys=keys, audit=audit)
        before = now - timedelta(seconds=keep_s)
        self._forget_figures(before)
        return Pruned(
            keys=keys,
            conversations=self._delete_calls(before),
            reservations=self._delete_reservations(now, before),
            messages=self._delete_messages(before),
            events=self._delete_events(before),
            audit=audit,
        )

    def _delete_messages(self, before: datetime) -> int:
        due = [one.id for one in self._sms.values() if one.created_at < before and one.state not in UNSENT]
        for identity in due:
            del self._sms[identity]
        return len(due)

    async def setup_delays(self, pool: str, *, limit: int = 500) -> Sequence[float]:
        """Seconds from reservation to call of the newest claimed reservations. Raises `NotFound`."""
        self._member_pool(pool)
        claimed = [
            one
            for one in reversed(self._reservations.values())
            if one.pool == pool
            and one.state is ReservationState.CLAIMED
            and one.conversation_id in self._calls
        ]
        return [
            (self._calls[one.conversation_id or ""].opened.started_at - one.reserved_at).total_seconds()
            for one in claimed[:limit]
        ]

    def _forget_keys(self, before: datetime) -> int:
        due = [
            key
            for key, (identity, _) in self._by_key.items()
            if self._reservations[identity].reserved_at < before
        ]
        for key in due:
            del self._by_key[key]
        return len(due)

    def _delete_calls(self, before: datetime) -> int:
        due = [
            identity
            for identity, call in self._calls.items()
            if call.closed is not None and call.closed.ended_at < before
        ]
        for identity in due:
            del self._calls[identity]
        return len(due)

    def _delete_reservations(self, now: datetime, before: datetime) -> int:
        keyed = {identity for identity, _ in self._by_key.values()}
        due = [
            one
            for one in self._reservations.values()
            if one.reserved_at < before and one.id not in keyed and not self._is_live(one, now)
        ]
        for one in due:
            del self._reservations[one.id]
            self._by_call.pop((one.sip_call_id or "", one.from_tag or ""), None)
            if self._current.get((one.pool, one.number)) == one.id:
                del self._current[one.pool, one.number]
        return len(due)

    def _is_live(self, reservation: Reservation, now: datetime) -> bool:
        """Whether the number is still held for it, or its call is up."""
        lease = self._pool(reservation.pool).lease(reservation.number)
        if lease is not None and lease.epoch == reservation.epoch and lease.free_at > now:
            return True
        call = self._calls.get(reservation.conversation_id or "")
        return call is not None and call.closed is None
