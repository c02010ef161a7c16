"""The API clients of all connections, made when first needed and closed when a connection has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tieline.integrations.twilio import sdk
from tieline.integrations.twilio.client import TwilioApi
from tieline.model.twilio import TwilioConnection


class TwilioAccounts:
    """One `TwilioApi` a connection. `base_url` as the setting `twilio.api_url` has it."""

    def __init__(self, base_url: str | None = None) -> None:
        self._base_url = base_url
        self._apis: dict[str, TwilioApi] = {}

    def make(self, connection: TwilioConnection) -> TwilioApi:
        """A client of its own, for whoever closes it. Raises `InvalidInput` for a connection without credentials."""
        return TwilioApi(connection, self._base_url)

    def of(self, connection: TwilioConnection) -> TwilioApi:
        """The client of a connection as it is now. Raises `InvalidInput` for one without credentials."""
        found = self._apis.get(connection.name)
        if found is None or _access(found.connection) != _access(connection):
            # The old one's requests that are under way may finish; it has nothing but idle connections to close.
            found = self._apis[connection.name] = self.make(connection)
        return found

    async def keep(self, connections: Iterable[TwilioConnection]) -> None:
        """Get ready for these connections, and close the clients of those that are gone."""
        there = {one.name for one in connections}
        if there:
            await asyncio.to_thread(sdk.load)  # that no call has to wait for it
        for name in [one for one in self._apis if one not in there]:
            await self._apis.pop(name).close()

    async def close(self) -> None:
        """Close all of them."""
        await self.keep(())


def _access(connection: TwilioConnection) -> tuple[str | None, ...]:
    """What a client depends on."""
    return (
        connection.account_sid, connection.auth_token, connection.api_key_sid, connection.api_key_secret,
        connection.region, connection.edge,
    )  # fmt: skip
