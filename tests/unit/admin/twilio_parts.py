"""The admin functions of Twilio connections, with an account at Twilio in memory."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx

from tests.integration.twilio_api.server import ACCOUNT, TOKEN, TwilioApiServer, a_number, number_sid
from tests.unit.admin.office import OWNER, Office
from tieline.admin.pools import PoolAdmin
from tieline.admin.reach import Reach
from tieline.admin.twilio import TwilioAdmin
from tieline.calls.directory import Directory
from tieline.calls.reservations import Reservations
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.integrations.twilio.client import TwilioApi
from tieline.model.resources import Resources
from tieline.model.twilio import TwilioConnection

URL = "https://tieline.example"
MAIN = {"name": "main", "account": "acme", "account_sid": ACCOUNT, "auth_token": TOKEN}


class MemoryAccounts(TwilioAccounts):
    """Clients whose requests an account in memory answers. `down` makes Twilio unreachable."""

    def __init__(self) -> None:
        super().__init__("http://twilio.test")
        self.api = TwilioApiServer(numbers={number_sid(last): a_number(last) for last in (0, 1)})
        self.down = False

    def make(self, connection: TwilioConnection) -> TwilioApi:
        """A client of the account in memory."""
        made = super().make(connection)
        made._http._client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return made

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("no route")
        fields = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        status, body = self.api.answer(
            request.method, request.url.path, request.headers["authorization"], fields
        )
        return httpx.Response(status, json=body)


class TwilioWorld:
    """An office that can connect an account at Twilio."""

    def __init__(self, office: Office, **settings: Any) -> None:
        self.office = office
        self.accounts = MemoryAccounts()
        self.api = self.accounts.api
        self.reach = Reach(http=URL, sip={"udp": ("192.0.2.10", 5060)})
        reservations = Reservations(office.store, Directory(Resources(), 1, ()), office.clock)
        pools = PoolAdmin(
            office.resources, office.store, reservations, office.clock, office.trail,
            pool_names=lambda: (), reach=self.reach,
        )  # fmt: skip
        self.pools = pools
        settings = {"public_url": URL, **settings}
        self.twilio = TwilioAdmin(office.resources, self.accounts, pools, self.reach, **settings)

    async def connect(self, **fields: Any) -> TwilioAdmin:
        """Connect the account as `main`."""
        await self.twilio.connect(OWNER, {**MAIN, **fields})
        return self.twilio

    async def pool_numbers(self, name: str = "main") -> tuple[str, ...]:
        """The numbers of a pool."""
        return next(one.numbers for one in (await self.office.store.resources()).pools if one.name == name)

    def settings(self, last: int, *names: str) -> tuple[str, ...]:
        """What stands in a number's settings at Twilio."""
        return tuple(str(self.api.number(last)[name] or "") for name in names)
