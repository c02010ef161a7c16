"""What every store must keep, and may delete, as it grows old, as tests to inherit."""

from __future__ import annotations

import pytest

from tieline.model.audit import AuditEntry
from tieline.model.conversation import OutcomeStatus
from tieline.model.pool import LatePolicy, NumberState
from tieline.model.principal import PrincipalKind
from tieline.model.reservation import BindVerdict
from tieline.store.base import ConversationFilter, Pruned, Store
from tieline.store.errors import IdempotencyMismatch
from tieline.store.people import AuditFilter
from tieline.testing.store_contract_conversations import closed, opened, turn
from tieline.testing.store_samples import T0, after, answer, ask, give_pool, invite, only_number, pool

DAY = 86400.0


class RetentionContract:
    """Old things go; live ones stay."""

    async def test_ended_conversations_go_whole(self, store: Store) -> None:
        for name, began, ended in (("old", 0.0, 60.0), ("long", 0.0, 2 * DAY), ("new", 2 * DAY, 2 * DAY)):
            await store.open_conversation(opened(name, after(began), shared_id=name))
            await store.save_turn(name, turn(0))
            await store.close_conversation(closed(name, ended_at=after(ended)))
        await store.open_conversation(opened("up", T0))
        pruned = await store.prune(after(60.0 + DAY), keep_s=DAY, keep_keys_s=DAY)
        assert pruned == Pruned()
        pruned = await store.prune(after(61.0 + DAY), keep_s=DAY, keep_keys_s=DAY)
        assert pruned == Pruned(conversations=1)
        assert await store.conversation("old") is None
        left = await store.conversations(ConversationFilter())
        assert {one.opened.id for one in left} == {"long", "new", "up"}
        found = await store.handoff_state("a", "x", conversation_id=None, shared_id="old")
        assert found.status is OutcomeStatus.UNKNOWN
        kept = await store.conversation("long")
        assert kept is not None
        assert (len(kept.turns), kept.outcome is None) == (1, False)
        await store.prune(after(9 * DAY), keep_s=DAY, keep_keys_s=DAY)
        assert [one.opened.id for one in await store.conversations(ConversationFilter())] == ["up"]

    async def test_more_than_a_chunk_of_everything(self, store: Store) -> None:
        await give_pool(store, pool(250))
        for index in range(250):
            await store.open_conversation(opened(f"conversation-{index}", T0))
            await store.close_conversation(closed(f"conversation-{index}", ended_at=after(1)))
            await store.reserve(ask(idempotency_key=f"k{index}", body_hash="h"), "p", T0)
        pruned = await store.prune(after(DAY), keep_s=3600.0, keep_keys_s=3600.0)
        assert pruned == Pruned(conversations=250, reservations=250, keys=250)
        assert await store.prune(after(DAY), keep_s=3600.0, keep_keys_s=3600.0) == Pruned()

    async def test_the_audit_log_has_an_age_of_its_own(self, store: Store) -> None:
        def entry(name: str, at: float) -> AuditEntry:
            return AuditEntry(
                at=after(at), actor_kind=PrincipalKind.USER, actor="ada", address="", account=None, action="update",
                kind="pools", name=name,
            )  # fmt: skip

        await store.add_audit([entry(f"old-{index}", float(index)) for index in range(150)])
        await store.add_audit([entry("new", DAY)])
        assert await store.prune(after(9 * DAY), keep_s=DAY, keep_keys_s=DAY) == Pruned()
        pruned = await store.prune(after(1.5 * DAY), keep_s=None, keep_keys_s=DAY, keep_audit_s=DAY)
        assert pruned == Pruned(audit=150)
        (left,) = await store.audit(AuditFilter())
        assert left.name == "new"
        pruned = await store.prune(after(2 * DAY + 1), keep_s=DAY, keep_keys_s=DAY, keep_audit_s=DAY)
        assert pruned == Pruned(audit=1)
        await store.add_audit([entry("newest", 3 * DAY)])
        (left,) = await store.audit(AuditFilter())
        assert left.name == "newest"

    async def test_nothing_goes_when_all_is_kept(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await store.open_conversation(opened("old", T0))
        await store.close_conversation(closed("old", ended_at=after(1)))
        assert await store.prune(after(9999 * DAY), keep_s=None, keep_keys_s=DAY) == Pruned()
        assert await store.reservation(held.id, after(9999 * DAY)) is not None
        assert await store.conversation("old") is not None

    async def test_idempotency_keys_are_remembered_for_as_long_as_told(self, store: Store) -> None:
        await give_pool(store, pool(2))
        wanted = ask(idempotency_key="k", body_hash="h")
        first = await store.reserve(wanted, "p", T0)
        assert await store.prune(after(3600), keep_s=60.0, keep_keys_s=3600.0) == Pruned()
        assert (await store.reserve(wanted, "p", after(3600))).id == first.id
        with pytest.raises(IdempotencyMismatch):
            await store.reserve(ask(idempotency_key="k", body_hash="other"), "p", after(3600))
        pruned = await store.prune(after(3601), keep_s=None, keep_keys_s=3600.0)
        assert pruned == Pruned(keys=1)
        again = await store.reserve(ask(idempotency_key="k", body_hash="other"), "p", after(3601))
        assert (again.replayed, again.id == first.id) == (False, False)
        assert await store.prune(after(3602), keep_s=60.0, keep_keys_s=3600.0) == Pruned(reservations=1)
        assert await store.reservation(first.id, after(3602)) is None
        assert await store.reservation(again.id, after(3602)) is not None

    async def test_held_and_cooling_numbers_keep_their_reservation(self, store: Store) -> None:
        await give_pool(store, pool(1, late_policy=LatePolicy.ALWAYS))
        held = await store.reserve(ask(), "p", T0)
        for at in (59, 119):  # lent, in quarantine
            assert await store.prune(after(at), keep_s=1.0, keep_keys_s=1.0) == Pruned()
        late = await store.bind(invite(held.number), after(119))
        assert late.verdict is BindVerdict.LATE
        assert await store.prune(after(9 * DAY), keep_s=1.0, keep_keys_s=1.0) == Pruned()  # bound
        assert await answer(store, late, after(9 * DAY))
        assert await store.prune(after(9 * DAY + 4), keep_s=1.0, keep_keys_s=1.0) == Pruned()  # cooling
        repeated = await store.bind(invite(held.number), after(9 * DAY + 4))
        assert repeated.reservation is not None
        assert (await store.prune(after(9 * DAY + 60), keep_s=1.0, keep_keys_s=1.0)).reservations == 1

    async def test_the_call_that_is_up_keeps_its_reservation(self, store: Store) -> None:
        await give_pool(store, pool(1))
        held = await store.reserve(ask(), "p", T0)
        await store.open_conversation(opened(reservation_id=held.id))
        await answer(store, await store.bind(invite(held.number), after(1)), after(2))
        again = await store.reserve(ask(), "p", after(60))
        assert again.epoch == held.epoch + 1
        assert await store.prune(after(9 * DAY), keep_s=DAY, keep_keys_s=DAY) == Pruned(reservations=1)
        assert await store.reservation(held.id, after(9 * DAY)) is not None
        await store.close_conversation(closed("conversation-c1", ended_at=after(9 * DAY)))
        assert await store.prune(after(9 * DAY), keep_s=DAY, keep_keys_s=DAY) == Pruned(reservations=1)

    async def test_a_number_whose_reservation_is_gone_goes_on(self, store: Store) -> None:
        await give_pool(store, pool(1, late_policy=LatePolicy.ALWAYS))
        held = await store.reserve(ask(), "p", T0)
        assert await store.prune(after(DAY), keep_s=3600.0, keep_keys_s=DAY) == Pruned(reservations=1)
        assert (await only_number(store, after(DAY))).state is NumberState.FREE_DIRTY
        assert (await store.bind(invite(held.number), after(DAY))).verdict is BindVerdict.STRAY
        assert await store.reservations("x", after(DAY)) == []
        again = await store.reserve(ask(), "p", after(DAY))
        assert (again.number, again.epoch) == (held.number, held.epoch + 1)
        assert (await store.pool_stats("p", after(DAY))).expired_total == 1
