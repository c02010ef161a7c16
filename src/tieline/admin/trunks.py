"""Trunks: what is known of each peer, how it is set up, and what has to be entered at the other side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tieline.admin.access import may_change
from tieline.admin.profile_facts import ProfileFacts, facts_of, profile_facts
from tieline.admin.reach import Reach
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.calls.trunk_watch import TrunkHealth, TrunkState
from tieline.config import Settings
from tieline.errors import Conflict, NotFound
from tieline.integrations.profiles import dialect_of, profile
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.trunk import Transport, Trunk
from tieline.resources.handoff_check import HandoffRemark
from tieline.resources.plan import Plan

STANDARD_PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}


class ListedTrunk(Record):
    """A trunk without its secrets. `account` is a slug, None for one that is there for all.

    `calls` are those up now, None for those who see but their own share of a trunk that is there for all. `state` is
    None where nobody watches: neither OPTIONS nor a registration is asked for. `pools` are those that trust it by name,
    `uses` the destinations (`project: name`) whose calls go out by it.
    """

    name: str
    account: str | None
    profile: str
    title: str
    networks: tuple[str, ...]
    target: str | None
    transport: Transport
    state: TrunkState | None
    registered: bool | None
    detail: str
    calls: int | None
    max_calls: int | None
    max_cps: float | None
    pools: tuple[str, ...]
    uses: tuple[str, ...]
    changeable: bool


class Entry(Record):
    """One thing to enter at the other side."""

    label: str
    value: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class TrunkLive:
    """Where live figures of trunks come from."""

    health: Callable[[], Mapping[str, TrunkHealth]]
    calls: Callable[[str], int]


class TrunkAdmin:
    """Looking needs `Right.LOOK`, changing `Right.TELEPHONY`. Raises as `ResourceAdmin` does."""

    def __init__(self, resources: ResourceAdmin, live: TrunkLive, reach: Reach, settings: Settings) -> None:
        self._resources = resources
        self._live = live
        self._reach = reach
        self._settings = settings

    async def trunks(self, who: Principal) -> Sequence[ListedTrunk]:
        """The trunks that they may see."""
        resources = await self._resources.resources(who)
        return [self._listed(who, resources, one) for one in resources.trunks]

    async def trunk(self, who: Principal, name: str) -> ListedTrunk:
        """One trunk."""
        resources = await self._resources.resources(who)
        return self._listed(who, resources, _find(resources, name))

    async def fields(self, who: Principal, name: str) -> tuple[Fields, frozenset[str]]:
        """A trunk's fields without its secrets, and the names of those secrets that there are."""
        fields = await self._resources.fields(who, "trunks", name)
        secrets = frozenset(field for field in Trunk.hidden if field in fields)
        return {key: value for key, value in fields.items() if key not in secrets}, secrets

    def profiles(self) -> Sequence[ProfileFacts]:
        """The ready profiles, in words."""
        return profile_facts()

    def profile(self, name: str) -> ProfileFacts:
        """One profile. Raises `NotFound`."""
        return facts_of(profile(name))

    async def entries(self, who: Principal, name: str) -> Sequence[Entry]:
        """What to enter at the other side."""
        resources = await self._resources.resources(who)
        return list(self._entries(resources, _find(resources, name)))

    async def create(self, who: Principal, fields: Mapping[str, Any]) -> Plan:
        """A new trunk; for somebody of one account it is that account's."""
        given = {key: value for key, value in fields.items() if value is not None}
        return await self._resources.create(who, "trunks", await self._owned(who, given))

    async def change(self, who: Principal, name: str, changes: Mapping[str, Any]) -> Plan:
        """Lay changes over a trunk's fields; None gives a field its default again. Secrets not named stay."""
        return await self._resources.update(who, "trunks", name, {**changes, "name": name})

    async def remarks(self, who: Principal, name: str, changes: Mapping[str, Any]) -> Sequence[HandoffRemark]:
        """What would be lost of handoffs by calls of this trunk as changed."""

        def edit(there: Fields | None) -> Fields:
            laid = {**(there or {}), **changes, "name": name}
            return {key: value for key, value in laid.items() if value is not None}

        plan = await self._resources.preview(who, "trunks", name, edit)
        return [one for one in plan.remarks if name in one.trunks]

    async def remove(self, who: Principal, name: str) -> Plan:
        """Take a trunk away; its calls are refused from then on. Raises `Conflict` while something names it."""
        there = await self.trunk(who, name)
        if there.pools:
            raise Conflict(f"the pool {there.pools[0]} names the trunk {name}; take it out there first")
        if there.uses:
            raise Conflict(f"calls to {there.uses[0]} go out by the trunk {name}; change that first")
        return await self._resources.remove(who, "trunks", name)

    # -- inside -----------------------------------------------------------------------------------------------

    async def _owned(self, who: Principal, fields: Mapping[str, Any]) -> Fields:
        if who.account is None or "account" in fields:
            return dict(fields)
        resources = await self._resources.resources(who)
        slug = next((one.slug for one in resources.accounts if one.id == who.account), who.account)
        return {**fields, "account": slug}

    def _listed(self, who: Principal, resources: Resources, trunk: Trunk) -> ListedTrunk:
        health = self._live.health().get(trunk.name)
        dialect, changeable = dialect_of(trunk), may_change(who, resources, trunk)
        return ListedTrunk(
            name=trunk.name,
            account=next((one.slug for one in resources.accounts if one.id == trunk.account), None),
            profile=dialect.profile.name,
            title=dialect.profile.title,
            networks=trunk.networks,
            target=trunk.target,
            transport=dialect.transport,
            state=None if health is None else health.state,
            registered=None if health is None else health.registered,
            detail=health.detail if health is not None and changeable else "",
            calls=self._live.calls(trunk.name) if changeable else None,
            max_calls=trunk.max_calls,
            max_cps=trunk.max_cps,
            pools=tuple(one.name for one in resources.pools if trunk.name in one.trunks),
            uses=tuple(
                f"{project.slug}: {one.name}"
                for project in resources.projects
                for one in project.handoffs
                if one.sip_config.outbound_endpoint == trunk.name
            ),
            changeable=changeable,
        )

    def _entries(self, resources: Resources, trunk: Trunk) -> Iterator[Entry]:
        dialect = dialect_of(trunk)
        usual = dialect.transport if dialect.transport in self._reach.sip else None
        for transport in sorted(map(Transport, self._reach.sip), key=lambda one: one is not usual):
            host, port = self._reach.sip[transport]
            host, port = trunk.advertised_host or host, trunk.advertised_port or port
            shown = f"[{host}]" if ":" in host else host
            at = "" if port == STANDARD_PORTS[transport] else f":{port}"
            yield Entry(
                label=f"SIP address by {transport.upper()}",
                value=f"sip:{shown}{at};transport={transport.value}",
                about=_about(dialect.transport, transport, usual),
            )
        rtp = self._settings.rtp
        yield Entry(
            label="RTP ports by UDP", value=f"{rtp.port_first}-{rtp.port_last}",
            about="open them in the firewall for the peer's media addresses",
        )  # fmt: skip
        tokens = [one for one in resources.sip_tokens if self._reaches(resources, trunk, one.project)]
        if tokens or trunk.require_token:
            names = ", ".join(one.name for one in tokens) or "make one under API keys"
            yield Entry(
                label="Header that chooses the project", value=f"{dialect.token_header}: <token>",
                about=f"a SIP token: {names}" + (", required" if trunk.require_token else ""),
            )  # fmt: skip
        if trunk.auth_username is not None:
            yield Entry(
                label="User name for digest authentication", value=trunk.auth_username,
                about="with the password that was set here",
            )  # fmt: skip

    def _reaches(self, resources: Resources, trunk: Trunk, project: str) -> bool:
        owner = next((one.account for one in resources.projects if one.id == project), None)
        return owner is not None and trunk.account in {None, owner}


def _about(expected: Transport, transport: Transport, usual: Transport | None) -> str:
    """What is to be said of one of our addresses: whether the trunk's profile expects that transport."""
    if transport is usual:
        return "what this profile expects"
    return f"this profile expects {expected.upper()}, which is off here" if usual is None else ""


def _find(resources: Resources, name: str) -> Trunk:
    found = next((one for one in resources.trunks if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no trunk {name}")
    return found
