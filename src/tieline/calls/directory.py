"""Look-ups over the configured resources: an immutable index, replaced whole when the resources change."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from tieline.model.pool import Pool
from tieline.model.project import Account, ApiKey, Project, SipToken
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk

SHORTEST_SUFFIX = 4
"""Fewest digits of a short DNIS that may stand for the one pool number that ends with them."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Directory:
    """Every question that routing, authentication and the pool ask of the resources, by hash look-up.

    `lingering` are pools with numbers that were removed while a reservation on them is still to be honoured: calls
    to these numbers are routed, and nothing else is known of them.
    """

    def __init__(self, resources: Resources, version: int = 0, lingering: Sequence[Pool] = ()) -> None:
        self.resources = resources
        self.version = version
        self._accounts = {key: a for a in resources.accounts for key in (a.id, a.slug)}
        # Ids after slugs: should one project's slug be another's id, the id is meant.
        named = [(p.slug, p) for p in resources.projects] + [(p.id, p) for p in resources.projects]
        self._projects = {(project.account, name): project for name, project in named}
        self._projects_by_name = dict(named)
        self._pools = {pool.name: pool for pool in resources.pools}
        self._keys = {key.key_hash: key for key in resources.api_keys}
        self._tokens = {token.token_hash: token for token in resources.sip_tokens}
        self._pools_of: defaultdict[str, list[Pool]] = defaultdict(list)
        self._pools_by_number: defaultdict[str, list[Pool]] = defaultdict(list)
        self._projects_by_number: defaultdict[str, list[Project]] = defaultdict(list)
        self._suffixes: dict[int, dict[str, str | None]] = {}
        self._trunks_by_host: dict[str, tuple[Trunk, ...]] = {}
        self._index(lingering)

    @classmethod
    def empty(cls) -> Directory:
        """A directory of nothing: every call is refused, every key unknown."""
        return cls(Resources())

    def _index(self, lingering: Sequence[Pool]) -> None:
        for pool in self.resources.pools:
            self._pools_of[pool.project].append(pool)
            for number in pool.numbers:
                self._pools_by_number[number].append(pool)
        for pool in lingering:
            for number in pool.numbers:
                if all(known.name != pool.name for known in self._pools_by_number[number]):
                    self._pools_by_number[number].append(pool)
        for project in self.resources.projects:
            for number in project.numbers:
                self._projects_by_number[number].append(project)
        self._index_twilio()
        networks: list[tuple[_Network, Trunk]] = [
            (ipaddress.ip_network(block, strict=False), trunk)
            for trunk in self.resources.trunks
            for block in trunk.networks
        ]
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)

    def _index_twilio(self) -> None:
        """Numbers of a Twilio account that a project takes are its numbers, in the environment chosen for each."""
        for connection in self.resources.twilio:
            for line in connection.numbers:
                project = self._projects_by_name.get(line.project) if line.project is not None else None
                if project is None:
                    continue
                others = [one for one in self._projects_by_number[line.number] if one.id != project.id]
                chosen = msgspec.structs.replace(project, env=line.env)
                self._projects_by_number[line.number] = [*others, chosen]

    def account(self, name: str) -> Account | None:
        """The account with this id or slug."""
        return self._accounts.get(name)

    def project(self, name: str, account: str | None = None) -> Project | None:
        """The project with this id or slug, within `account` (an id) where one is given."""
        if account is not None:
            return self._projects.get((account, name))
        return self._projects_by_name.get(name)

    def projects(self) -> Sequence[Project]:
        """All projects."""
        return self.resources.projects

    def pools_of(self, project_id: str) -> Sequence[Pool]:
        """The project's pools in configured order."""
        return self._pools_of.get(project_id, ())

    def pool(self, name: str) -> Pool | None:
        """The pool called `name`."""
        return self._pools.get(name)

    def pools_by_number(self, number: str) -> list[Pool]:
        """Pools that hold the canonical `number`."""
        return list(self._pools_by_number.get(number, ()))

    def pool_number_by_suffix(self, digits: str) -> str | None:
        """The one pool number that ends with a short DNIS, or None when there is none or more than one."""
        if len(digits) < SHORTEST_SUFFIX or not digits.isdigit():
            return None
        index = self._suffixes.get(len(digits))
        if index is None:
            index = {}
            for number in self._pools_by_number:
                suffix = number[-len(digits) :]
                index[suffix] = None if suffix in index else number
            self._suffixes[len(digits)] = index
        return index.get(digits)

    def projects_by_number(self, number: str) -> Sequence[Project]:
        """Projects to which the canonical number or extension routes without a reservation."""
        return self._projects_by_number.get(number, ())

    def key(self, key_hash: str) -> ApiKey | None:
        """The API key stored under this SHA-256 (hex)."""
        return self._keys.get(key_hash)

    def token(self, token_hash: str) -> SipToken | None:
        """The SIP token stored under this SHA-256 (hex)."""
        return self._tokens.get(token_hash)

    def trunk(self, name: str) -> Trunk | None:
        """The trunk called `name`."""
        return next((t for t in self.resources.trunks if t.name == name), None)

    def trunk_by_host(self, host: str, proven: str | None = None) -> Trunk | None:
        """The trunk at an address: of several, the one whose caller has proven to be the user `proven`."""
        found = self.trunks_by_host(host)
        named = [trunk for trunk in found if trunk.auth_username == proven] if proven is not None else found
        return (named or found or (None,))[0]

    def trunks_by_host(self, host: str) -> tuple[Trunk, ...]:
        """The trunks whose networks hold the address, by the longest prefix; remembered per address.

        They are several only where each has credentials of its own to prove.
        """
        try:
            return self._trunks_by_host[host]
        except KeyError:
            pass
        found = self._match_network(host)
        if len(self._trunks_by_host) < 65536:  # strangers may come from anywhere: bound what is remembered
            self._trunks_by_host[host] = found
        return found

    def _match_network(self, host: str) -> tuple[Trunk, ...]:
        try:
            address = ipaddress.ip_address(host.split("%", 1)[0])
        except ValueError:
            return ()
        mapped = getattr(address, "ipv4_mapped", None)
        for network, _ in self._networks:
            if address in network or (mapped is not None and mapped in network):
                return tuple([trunk for same, trunk in self._networks if same == network])
        return ()
