"""When credentials were last used, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


class MemoryCredentials:
    """The `CredentialStore` protocol."""

    def __init__(self) -> None:
        super().__init__()
        self._uses: dict[str, datetime] = {}

    async def note_credential_use(self, uses: Mapping[str, datetime]) -> None:
        """Keep the latest use of each."""
        for secret_hash, at in uses.items():
            self._uses[secret_hash] = max(at, self._uses.get(secret_hash, at))

    async def credential_uses(self) -> Mapping[str, datetime]:
        """The latest use of each."""
        return dict(self._uses)
