"""When API keys and SIP tokens were last used: noted in memory, stored all at once every minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from tieline.errors import TielineError
from tieline.observe.logging import get_logger
from tieline.store.base import CredentialStore

SAVE_S = 60.0
"""How often uses are stored; what was used since then is known to this process alone."""


class CredentialUse:
    """The last use of each credential, by the SHA-256 that it is stored under. Only those that are known are noted.

    Whoever remembers credentials to be quick about them need not note each use: it gives `on_save` a function that
    forgets them, and so comes by once in every round.
    """

    def __init__(self) -> None:
        self._fresh: dict[str, datetime] = {}
        self._forget: list[Callable[[], None]] = []
        self._log = get_logger("credentials")

    def on_save(self, forget: Callable[[], None]) -> None:
        """Call `forget` at each save."""
        self._forget.append(forget)

    def note(self, secret_hash: str, at: datetime) -> None:
        """A credential was used."""
        self._fresh[secret_hash] = at

    def fresh(self) -> Mapping[str, datetime]:
        """Uses that are not stored yet."""
        return self._fresh

    async def save(self, store: CredentialStore) -> None:
        """Store what is new, in one write. What could not be stored is tried again next time."""
        for forget in self._forget:
            forget()
        if not self._fresh:
            return
        taken, self._fresh = self._fresh, {}
        try:
            await store.note_credential_use(taken)
        except BaseException:
            self._fresh = taken | self._fresh
            raise

    async def keep_saving(self, store: CredentialStore) -> None:
        """Save every minute, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_S)
            try:
                await self.save(store)
            except TielineError as error:
                self._log.warning("the last use of credentials not stored", detail=error.message)
