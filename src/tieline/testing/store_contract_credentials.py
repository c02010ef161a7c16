"""What every store must do to know when credentials were last used, as tests to inherit."""

from __future__ import annotations

from tieline.store.base import Store
from tieline.testing.store_samples import T0, after


class CredentialContract:
    """The last use of API keys and SIP tokens."""

    async def test_the_latest_use_of_each_credential_is_kept(self, store: Store) -> None:
        assert await store.credential_uses() == {}
        await store.note_credential_use({"a": after(10), "b": T0})
        await store.note_credential_use({"a": after(5), "b": after(7.5), "c": after(1)})
        assert await store.credential_uses() == {"a": after(10), "b": after(7.5), "c": after(1)}
        await store.note_credential_use({})
        assert len(await store.credential_uses()) == 3
