"""Customers' own Twilio accounts: connecting one, choosing its numbers, and undoing all of it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tieline.admin.access import require
from tieline.admin.number_import import read_numbers
from tieline.admin.pools import PoolAdmin
from tieline.admin.reach import Reach
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.errors import Conflict, InvalidInput, NotFound, TielineError
from tieline.integrations.twilio.accounts import TwilioAccounts
from tieline.integrations.twilio.client import AccountView, NumberView, TwilioApi
from tieline.integrations.twilio.sip_networks import SIP_NETWORKS
from tieline.model import number as numbers
from tieline.model.environment import Environment
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.twilio import CallPath, TwilioConnection, TwilioNumber
from tieline.model.user import Right

KIND = "twilio"

VOICE_URL, FALLBACK_URL, STATUS_URL, SMS_URL = (
    "/voice/call",
    "/voice/fallback",
    "/voice/status",
    "/sms/inbound",
)

PROFILE = "twilio_voice"
"""The profile of trunks that take calls by `<Dial><Sip>`."""

SECRETS = ("auth_token", "api_key_secret", "sip_password")


class ConnectionView(Record):
    """A connection without its secrets. `verifies` says whether webhooks can be verified: only with an Auth Token.

    `sip_trunk` is the trunk that takes its calls by SIP; None while there is none.
    """

    name: str
    account: str
    account_sid: str
    api_key_sid: str | None
    region: str | None
    edge: str | None
    sip_username: str | None
    verifies: bool
    sip_trunk: str | None
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
    """What is to become of a number. `project` None: it is for pools only.

    `manage`: we set its webhooks at Twilio; with `messages`, that of its messages as well.
    """

    project: str | None = None
    env: Environment = Environment.LIVE
    path: CallPath = CallPath.MEDIA_STREAM
    manage: bool = True
    messages: bool = True


class Pooled(Record):
    """Numbers that a pool has now, and what stood in the way of others, in words."""

    numbers: tuple[str, ...]
    failed: tuple[str, ...]


class TwilioAdmin:
    """Connections and their numbers. `reachable` is False for a server that Twilio cannot reach from outside."""

    def __init__(
        self,
        resources: ResourceAdmin,
        accounts: TwilioAccounts,
        pools: PoolAdmin,
        reach: Reach,
        *,
        api_url: str | None = None,
        public_url: str | None = None,
    ) -> None:
        self._resources = resources
        self._accounts = accounts
        self._pools = pools
        self._reach = reach
        self.reachable = bool(public_url or api_url)

    # -- connections ------------------------------------------------------------------------------------------

    async def connections(self, who: Principal) -> list[ConnectionView]:
        """All connections that they may see."""
        resources = await self._resources.resources(who)
        return [_shown(one, resources) for one in resources.twilio]

    async def connection(self, who: Principal, name: str) -> ConnectionView:
        """One connection. Raises `NotFound`."""
        return _shown(await self._find(who, name), await self._resources.resources(who))

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
        await self._find(who, name)
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
        api = self._accounts.make(connection)
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
        wanted = self._wanted(there, messages=choice.messages) if choice.manage else {}
        previous = dict(before.previous) if before is not None else {}
        # What points at us already was pasted by hand: to put that back would not let the number go.
        was = {
            key: "" if value == wanted.get(key) and not key.endswith("_method") else value
            for key, value in there.settings.items()
        }
        previous |= {key: was.get(key, "") for key in wanted if key not in previous}
        if choice.manage and not choice.messages:
            if there.settings.get("sms_url") == self.to_paste()["sms_url"]:
                wanted |= {key: value for key, value in previous.items() if key.startswith("sms_")}
            previous = {key: value for key, value in previous.items() if not key.startswith("sms_")}
        old = None if before is None else await self._written(who, name, sid)
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
            await self._write(who, name, sid, old)
            raise
        return next(one for one in (await self._find(who, name)).numbers if one.sid == sid)

    async def release(self, who: Principal, name: str, sid: str) -> None:
        """Let a number go: what stood in its webhooks before stands there again, and no pool hands it out any more."""
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        line = next((one for one in connection.numbers if one.sid == sid), None)
        if line is None:
            raise NotFound("this number was not chosen")
        if line.project is None:
            for pool in await self._holding(who, connection, line.number):
                await self._pools.remove_numbers(who, pool, [line.number])
        if line.managed:
            await self._put_back(self._accounts.of(connection), line)
        await self._write(who, name, sid, None)

    async def disconnect(self, who: Principal, name: str, *, anyway: bool = False) -> list[str]:
        """Put every number's webhooks back and forget the connection; what could not be put back, in words.

        Without `anyway` a number that cannot be put back keeps the connection. Raises `Conflict`.
        """
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        trusting = [one for one in (await self._resources.resources(who)).pools if name in one.trunks]
        for pool in trusting:
            if pool.trunks == (name,):
                # Without any, it would take calls of every trunk.
                raise Conflict(
                    f"the pool {pool.name} takes calls of this connection alone: change its trunks first"
                )
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
        for pool in trusting:
            kept = [one for one in pool.trunks if one != name]
            await self._resources.update(who, "pools", pool.name, {"trunks": kept})
        await self._resources.remove(who, KIND, name)
        return failed

    # -- pools and the SIP path -------------------------------------------------------------------------------

    async def add_to_pool(
        self, who: Principal, name: str, sids: Sequence[str], pool: str, choice: Choice | None = None
    ) -> Pooled:
        """Make numbers of the account members of a pool, which says whose calls they bring; `choice.project` is unused.

        A number whose webhooks cannot be set stays out. A pool that names its trunks names the connection from then on.
        Raises `NotFound`, `Conflict` for another account's pool, and `InvalidFields` for a number of another pool.
        """
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        wanted = choice or Choice()
        await self._pool_of(who, connection, pool)
        known = {
            one.sid: numbers.dialled(one.number) for one in await self._accounts.of(connection).numbers()
        }
        given = {sid: number for sid in dict.fromkeys(sids) if (number := known.get(sid)) is not None}
        if not given or len(given) < len(set(sids)):
            raise NotFound("choose numbers of this account")
        # That no other pool has one of them is found out before anything is changed at Twilio.
        await self._resources.preview(who, "pools", pool, _with_numbers(list(given.values()), name))
        ready, failed = [], []
        for sid, number in given.items():
            try:
                await self.choose(
                    who,
                    name,
                    sid,
                    Choice(env=wanted.env, path=wanted.path, manage=wanted.manage, messages=wanted.messages),
                )
                ready.append(number)
            except TielineError as error:
                failed.append(f"{number}: {error.message}")
        if ready:
            await self._resources.edit(who, "pools", pool, _with_numbers(ready, name))
        return Pooled(numbers=tuple(ready), failed=tuple(failed))

    async def make_trunk(self, who: Principal, name: str) -> str:
        """Make the trunk that takes a connection's calls by SIP: from Twilio's addresses, by a password; its name.

        The password is the connection's, made here where it has none. Raises `Conflict` where there is such a trunk.
        """
        require(who, Right.TELEPHONY)
        connection = await self._find(who, name)
        resources = await self._resources.resources(who)
        there = _sip_trunk(connection, resources)
        if there is not None:
            raise Conflict(f"the trunk {there} takes its calls by SIP already")
        user = connection.sip_username or f"twilio-{name}"[:60]
        password = connection.sip_password or secrets.token_urlsafe(24)
        trunk = f"{name}-sip"
        fields = {
            "name": trunk, "account": _account_of(connection, resources), "profile": PROFILE,
            "networks": [one.network for one in SIP_NETWORKS], "auth_username": user, "auth_password": password,
        }  # fmt: skip
        await self._resources.create(who, "trunks", fields)
        if connection.sip_username is None:
            await self._resources.update(who, KIND, name, {"sip_username": user, "sip_password": password})
        return trunk

    async def _pool_of(self, who: Principal, connection: TwilioConnection, pool: str) -> None:
        found = (await self._pools.pool(who, pool)).pool
        resources = await self._resources.resources(who)
        accounts = {one.id: one.account for one in resources.projects}
        if accounts.get(found.project) != connection.account:
            raise Conflict(f"the pool {pool} is another account's than the connection")

    async def _holding(self, who: Principal, connection: TwilioConnection, number: str) -> list[str]:
        """The pools of the connection's account that have a number."""
        resources = await self._resources.resources(who)
        own = {one.id for one in resources.projects if one.account == connection.account}
        return [one.name for one in resources.pools if one.project in own and number in one.numbers]

    # -- inside -----------------------------------------------------------------------------------------------

    async def _find(self, who: Principal, name: str) -> TwilioConnection:
        found = next((one for one in (await self._resources.resources(who)).twilio if one.name == name), None)
        if found is None:
            raise NotFound(f"there is no Twilio connection {name}")
        return found

    async def _written(self, who: Principal, name: str, sid: str) -> Fields | None:
        """A number of a connection as a resource file has it."""
        lines = (await self._resources.fields(who, KIND, name)).get("numbers", ())
        return next((dict(one) for one in lines if one["sid"] == sid), None)

    def _wanted(self, there: NumberView, *, messages: bool = True) -> dict[str, str]:
        """The settings that bring a number's calls and messages to us."""
        urls = self.to_paste()
        wanted = {}
        for name in ("voice_url", "voice_fallback_url", "status_callback"):
            wanted[name] = urls[name]
            wanted[f"{name.removesuffix('_url')}_method"] = "POST"
        takes_messages = there.sms and messages
        if takes_messages:
            wanted |= {"sms_url": urls["sms_url"], "sms_method": "POST"}
        # A trunk or an app would be asked in place of the webhooks.
        for name in ("trunk_sid", "voice_application_sid", "sms_application_sid"):
            if there.settings.get(name) and (takes_messages or not name.startswith("sms_")):
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


def _with_numbers(added: Sequence[str], connection: str) -> Callable[[Fields | None], Fields]:
    """The edit of a pool that puts numbers behind those that it has; where it names trunks, the connection, too."""

    def edit(there: Fields | None) -> Fields:
        pool = dict(there or {})
        trunks = list(pool.get("trunks", ()))
        if trunks and connection not in trunks:
            pool["trunks"] = [*trunks, connection]
        held = list(read_numbers("\n".join(map(str, pool.get("numbers", ()))), (), None).numbers)
        return {**pool, "numbers": [*held, *(one for one in added if one not in held)]}

    return edit


def _sip_trunk(connection: TwilioConnection, resources: Resources) -> str | None:
    return next(
        (
            one.name
            for one in resources.trunks
            if one.profile == PROFILE and one.account in {None, connection.account}
        ),
        None,
    )


def _account_of(connection: TwilioConnection, resources: Resources) -> str:
    return next((one.slug for one in resources.accounts if one.id == connection.account), connection.account)


def _shown(connection: TwilioConnection, resources: Resources) -> ConnectionView:
    return ConnectionView(
        name=connection.name, account=connection.account, account_sid=connection.account_sid,
        api_key_sid=connection.api_key_sid, region=connection.region, edge=connection.edge,
        sip_username=connection.sip_username, verifies=bool(connection.auth_token),
        sip_trunk=_sip_trunk(connection, resources), numbers=connection.numbers,
    )  # fmt: skip
