"""Customers' own Twilio accounts: connecting one, choosing its numbers, and undoing all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tieline.admin.access import require
from tieline.admin.reach import Reach
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.errors import Conflict, InvalidInput, NotFound, TielineError
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.integrations.twilio.client import AccountView, NumberView, TwilioApi
from tieline.model import number as numbers
from tieline.model.environment import Environment
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.twilio import CallPath, TwilioConnection, TwilioNumber
from tieline.model.user import Right

KIND = "twilio"

VOICE_URL, FALLBACK_URL, STATUS_URL, SMS_URL = (
    "/voice/call",
    "/voice/fallback",
    "/voice/status",
    "/sms/inbound",
)

SECRETS = ("auth_token", "api_key_secret", "sip_password")


class ConnectionView(Record):
    """A connection without its secrets. `verifies` says whether webhooks can be verified: only with an Auth Token."""

    name: str
    account: str
    account_sid: str
    api_key_sid: str | None
    region: str | None
    edge: str | None
    sip_username: str | None
    verifies: bool
    numbers: tuple[TwilioNumber, ...]


class NumberLine(Record):
    """A number of the account: what Twilio has of it, what was chosen for it here, and the pools that hold it.

    `taken_by` says what takes its calls before any webhook of ours does; empty where nothing does.
    """

    twilio: NumberView
    chosen: TwilioNumber | None
    project: str | None
    pools: tuple[str, ...]
    taken_by: str


class Choice(Record):
    """What is to become of a number. `project` None: it is for pools only. `manage`: we set its webhooks at Twilio."""

    project: str | None = None
    env: Environment = Environment.LIVE
    path: CallPath = CallPath.MEDIA_STREAM
    manage: bool = True


class TwilioAdmin:
    """Connections and their numbers. `reachable` is False for a server that Twilio cannot reach from outside."""

    def __init__(
        self,
        resources: ResourceAdmin,
        accounts: TwilioAccounts,
        reach: Reach,
        *,
        api_url: str | None = None,
        public_url: str | None = None,
    ) -> None:
        self._resources = resources
        self._accounts = accounts
        self._reach = reach
        self._api_url = api_url
        self.reachable = bool(public_url or api_url)

    # -- connections ------------------------------------------------------------------------------------------

    async def connections(self, who: Principal) -> list[ConnectionView]:
        """All connections that they may see."""
        return [_shown(one) for one in (await self._resources.resources(who)).twilio]

    async def connection(self, who: Principal, name: str) -> ConnectionView:
        """One connection. Raises `NotFound`."""
        return _shown(await self._find(who, name))

    async def connect(self, who: Principal, fields: Mapping[str, Any]) -> AccountView:
        """Make a connection whose credentials Twilio accepts; `fields` as a resource file has them.

        Raises `TwilioRefused`, `Unavailable`, `Conflict`, and `InvalidFields` with every fault.
        """
        require(who, Right.TELEPHONY)
        given = {key: value for key, value in fields.items() if value is not None}
        # What is wrong with the fields themselves is told before Twilio is asked.
        plan = await self._resources.preview(who, KIND, str(given.get("name") or ""), lambda there: given)
        wanted = next((one for one in plan.resources.twilio if one.name == given.get("name")), None)
        if wanted is None:
            raise InvalidInput("a connection needs a name")
        found = await self._check(wanted)
        await self._resources.create(who, KIND, given)
        return found

    async def change(self, who: Principal, name: str, changes: Mapping[str, Any]) -> AccountView:
        """Change credentials or region. A secret that is None stays as it is; anything else None is taken away."""
        require(who, Right.TELEPHONY)
        laid = {key: value for key, value in changes.items() if value is not None or key not in SECRETS}

        def edit(there: Fields | None) -> Fields:
            if there is None:
                raise NotFound(f"there is no Twilio connection {name}")
            return {key: value for key, value in {**there, **laid}.items() if value is not None}

        plan = await self._resources.preview(who, KIND, name, edit)
        found = await self._check(next(one for one in plan.resources.twilio if one.name == name))
        await self._resources.edit(who, KIND, name, edit)
        return found

    async def check(self, who: Principal, name: str) -> AccountView:
        """Ask Twilio whether a connection's credentials are still good."""
        require(who, Right.TELEPHONY)
        return await self._accounts.of(await self._find(who, name)).account()

    async def _check(self, connection: TwilioConnection) -> AccountView:
        api = TwilioApi(connection, self._api_url)
        try:
            account = await api.account()
            if account.status not in {"active", ""}:
                raise Conflict(f"the Twilio account is {account.status}")
            return account
        finally:
            await api.close()

    # -- numbers ----------------------------------------------------------------------------------------------

    async def numbers(self, who: Principal, name: str) -> list[NumberLine]:
        """The account's numbers as Twilio has them now, and what was chosen for each."""
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        resources = await self._resources.resources(who)
        slugs = {one.id: one.slug for one in resources.projects}
        chosen = {one.sid: one for one in connection.numbers}
        found = []
        for one in await self._accounts.of(connection).numbers():
            line = chosen.get(one.sid)
            held = tuple(pool.name for pool in resources.pools if one.number in pool.numbers)
            project = slugs.get(line.project) if line is not None and line.project is not None else None
            found.append(
                NumberLine(twilio=one, chosen=line, project=project, pools=held, taken_by=self._taken_by(one))
            )
        return found

    def to_paste(self) -> dict[str, str]:
        """Where a number's webhooks have to point, by Twilio's names for them, all by POST."""
        base = self._reach.http.rstrip("/")
        return {
            "voice_url": base + VOICE_URL, "voice_fallback_url": base + FALLBACK_URL,
            "status_callback": base + STATUS_URL, "sms_url": base + SMS_URL,
        }  # fmt: skip

    async def choose(self, who: Principal, name: str, sid: str, choice: Choice) -> TwilioNumber:
        """Take a number's calls, for a project or its pools; with `manage`, point its webhooks at us.

        What stood there is remembered before it is changed. Raises `TwilioRefused` and `Unavailable`.
        """
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        api = self._accounts.of(connection)
        there = await api.number(sid)
        before = next((one for one in connection.numbers if one.sid == sid), None)
        if choice.manage and not self.reachable:
            raise InvalidInput(
                "Twilio cannot reach this server: set server.public_url to its public https address"
            )
        if choice.manage and not connection.auth_token:
            raise InvalidInput("without the Auth Token no webhook of Twilio's can be verified: add it first")
        wanted = self._wanted(there) if choice.manage else {}
        previous = dict(before.previous) if before is not None else {}
        previous |= {key: there.settings.get(key, "") for key in wanted if key not in previous}
        fields = {
            "number": numbers.dialled(there.number) or there.number, "sid": sid, "project": choice.project,
            "env": choice.env.value, "path": choice.path.value, "managed": choice.manage,
            "previous": previous if choice.manage else {},
        }  # fmt: skip
        await self._write(
            who, name, sid, {key: value for key, value in fields.items() if value not in (None, {})}
        )
        try:
            if choice.manage:
                await api.change_number(sid, wanted)
            elif before is not None and before.managed:
                await self._put_back(api, before)
        except TielineError:
            if before is None:
                await self._write(who, name, sid, None)
            raise
        return next(one for one in (await self._find(who, name)).numbers if one.sid == sid)

    async def release(self, who: Principal, name: str, sid: str) -> None:
        """Let a number go: what stood in its webhooks before stands there again."""
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        line = next((one for one in connection.numbers if one.sid == sid), None)
        if line is None:
            raise NotFound("this number was not chosen")
        if line.managed:
            await self._put_back(self._accounts.of(connection), line)
        await self._write(who, name, sid, None)

    async def disconnect(self, who: Principal, name: str, *, anyway: bool = False) -> list[str]:
        """Put every number's webhooks back and forget the connection; what could not be put back, in words.

        Without `anyway` a number that cannot be put back keeps the connection. Raises `Conflict`.
        """
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        failed: list[str] = []
        for line in connection.numbers:
            try:
                await self.release(who, name, line.sid)
            except TielineError as error:
                failed.append(f"{line.number}: {error.message}")
        if failed and not anyway:
            raise Conflict(
                f"not every number could be put back, so the connection stays: {'; '.join(failed)}"
            )
        await self._resources.remove(who, KIND, name)
        return failed

    # -- inside -----------------------------------------------------------------------------------------------

    async def _find(self, who: Principal, name: str) -> TwilioConnection:
        found = next((one for one in (await self._resources.resources(who)).twilio if one.name == name), None)
        if found is None:
            raise NotFound(f"there is no Twilio connection {name}")
        return found

    def _wanted(self, there: NumberView) -> dict[str, str]:
        """The settings that bring a number's calls and messages to us."""
        urls = self.to_paste()
        wanted = {}
        for name in ("voice_url", "voice_fallback_url", "status_callback"):
            wanted[name] = urls[name]
            wanted[f"{name.removesuffix('_url')}_method"] = "POST"
        if there.sms:
            wanted |= {"sms_url": urls["sms_url"], "sms_method": "POST"}
        # A trunk or an app would be asked in place of the webhooks.
        for name in ("trunk_sid", "voice_application_sid", "sms_application_sid"):
            if there.settings.get(name):
                wanted[name] = ""
        return wanted

    def _taken_by(self, number: NumberView) -> str:
        if number.settings.get("trunk_sid"):
            return "a SIP trunk"
        if number.settings.get("voice_application_sid"):
            return "a TwiML app"
        url = number.settings.get("voice_url", "")
        return "" if url in {"", self.to_paste()["voice_url"]} else url

    async def _put_back(self, api: TwilioApi, line: TwilioNumber) -> None:
        """Give a number its settings again, but those that somebody has changed since."""
        there = await api.number(line.sid)
        ours = self._wanted(there)
        groups: dict[str, Callable[[str], bool]] = {
            "voice_url": lambda name: not name.startswith("sms_"),
            "sms_url": lambda name: name.startswith("sms_"),
        }
        back: dict[str, str] = {}
        for url, belongs in groups.items():
            if there.settings.get(url) == ours.get(url, self.to_paste()[url]):
                back |= {name: value for name, value in line.previous.items() if belongs(name)}
        if back:
            await api.change_number(line.sid, back)

    def _write(self, who: Principal, name: str, sid: str, fields: Fields | None) -> Awaitable[object]:
        """Replace one number of a connection, or take it away."""

        def edit(there: Fields | None) -> Fields:
            if there is None:
                raise NotFound(f"there is no Twilio connection {name}")
            kept = [one for one in there.get("numbers", ()) if one["sid"] != sid]
            return {**there, "numbers": [*kept, *([fields] if fields is not None else [])]}

        return self._resources.edit(who, KIND, name, edit)


def _shown(connection: TwilioConnection) -> ConnectionView:
    return ConnectionView(
        name=connection.name, account=connection.account, account_sid=connection.account_sid,
        api_key_sid=connection.api_key_sid, region=connection.region, edge=connection.edge,
        sip_username=connection.sip_username, verifies=bool(connection.auth_token), numbers=connection.numbers,
    )  # fmt: skip
