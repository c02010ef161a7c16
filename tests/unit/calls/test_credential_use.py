"""The last use of credentials costs one write a minute, and nothing on the way of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import pytest

from tieline.calls.credential_use import SAVE_S, CredentialUse
from tieline.errors import TielineError
from tieline.store.memory import MemoryStore
from tieline.testing.store_samples import T0, after
from tieline.testing.virtual_time import elapse, run_virtual


class BrokenStore(MemoryStore):
    """Cannot be written to for a while."""

    broken = True
    writes = 0

    async def note_credential_use(self, uses: Mapping[str, datetime]) -> None:
        """Fail, or store."""
        self.writes += 1
        if self.broken:
            raise TielineError("the disk is full")
        await super().note_credential_use(uses)


async def test_uses_are_stored_together_and_those_who_remember_forget() -> None:
    uses, store, forgotten = CredentialUse(), MemoryStore(), []
    uses.on_save(lambda: forgotten.append(1))
    uses.note("a", T0)
    uses.note("a", after(1))
    uses.note("b", T0)
    assert uses.fresh() == {"a": after(1), "b": T0}
    await uses.save(store)
    assert await store.credential_uses() == {"a": after(1), "b": T0}
    assert uses.fresh() == {}
    await uses.save(store)
    assert len(forgotten) == 2


async def test_what_cannot_be_stored_is_kept_for_the_next_time() -> None:
    uses, store = CredentialUse(), BrokenStore()
    uses.note("a", T0)
    uses.note("b", T0)
    with pytest.raises(TielineError):
        await uses.save(store)
    uses.note("b", after(5))
    store.broken = False
    await uses.save(store)
    assert await store.credential_uses() == {"a": T0, "b": after(5)}


def test_it_is_done_every_minute_whatever_happens() -> None:
    async def story() -> int:
        uses, store = CredentialUse(), BrokenStore()
        saving = asyncio.create_task(uses.keep_saving(store))
        for minute in range(3):
            uses.note(str(minute), T0)
            await elapse(SAVE_S + 0.5)
            store.broken = minute < 1
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        assert set(await store.credential_uses()) == {"0", "1", "2"}
        return store.writes

    assert run_virtual(story()) == 3
