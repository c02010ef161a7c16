"""Whose a number is: no call, whichever trunk it comes over, may be meant for two projects or for two pools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.resources.faults import Fault, Sees, Touches, sees_all, touches_all

ANY_TRUNK = "any trunk"
"""Stands for trunks that are not there yet: two resources of one account may both be reached over such a one."""

Place = tuple[str, str, str]
"""Kind, name and field of a resource."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A resource's numbers, and the trunks over which calls to them are its.

    A pool `lends` its numbers; those of the others lead to `project`. `words` say where its numbers are, `seen` whether
    they may be told. `place` is where it would be at fault, None when the change at hand leaves it alone.
    """

    numbers: tuple[str, ...]
    project: str
    account: str | None
    trunks: frozenset[str]
    words: str
    seen: bool
    place: Place | None
    lends: bool = False


def check_numbers(
    resources: Resources, fault: Fault, touches: Touches = touches_all, sees: Sees = sees_all
) -> None:
    """Note each two resources that claim a number, once. Of those that the change leaves alone nothing is said."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    clashes: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    # Those that the change touches come last: of two, the one at hand is at fault.
    claims = sorted(_Claims(resources, touches, sees).all(), key=lambda one: one.place is not None)
    for index, claim in enumerate(claims):
        for number in claim.numbers:
            for other in holders[number]:
                if _shared_trunks(claims[other], claim):
                    clashes[other, index].append(number)
            holders[number].append(index)
    for (first, second), numbers in clashes.items():
        _tell(claims[first], claims[second], numbers, fault, touches)


def _shared_trunks(one: _Claim, other: _Claim) -> frozenset[str]:
    """The trunks over which a call to a number of both could be meant for either."""
    if one.account == other.account and one.lends != other.lends:
        return frozenset()  # a pool's number may lead somewhere else when it is dialled over other trunks
    if one.project == other.project and not one.lends:
        return frozenset()
    shared = one.trunks & other.trunks
    return shared if one.account == other.account else shared - {ANY_TRUNK}


def _tell(holder: _Claim, claim: _Claim, numbers: list[str], fault: Fault, touches: Touches) -> None:
    more = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
    shared = sorted(_shared_trunks(holder, claim) - {ANY_TRUNK})
    if claim.place is not None:
        message = f"{numbers[0]}{more} is taken"
        if holder.seen:
            over = f", and both take calls over {', '.join(shared) or ANY_TRUNK}"
            alike = holder.account == claim.account and not claim.lends
            message = f"{numbers[0]}{more} {holder.words}{'' if alike else over}"
        fault(*claim.place, message)
        return
    for trunk in shared:
        if touches("trunks", trunk):
            # Only an account of its own, or tokens, can tell whose the calls of a trunk for all accounts are.
            fault(
                "trunks",
                trunk,
                "account",
                f"calls over it to {numbers[0]}{more} could be meant for two accounts",
            )


class _Claims:
    """Everything in the resources that claims numbers."""

    def __init__(self, resources: Resources, touches: Touches, sees: Sees) -> None:
        self._resources = resources
        self._touches = touches
        self._sees = sees
        self._projects = {project.id: project for project in resources.projects}

    def all(self) -> Iterator[_Claim]:
        """Projects, numbers of Twilio connections, pools, in this order."""
        yield from self._of_projects()
        yield from self._of_twilio()
        yield from self._of_pools()

    def _of_projects(self) -> Iterator[_Claim]:
        for project in self._resources.projects:
            yield _Claim(
                numbers=project.numbers, project=project.id, account=project.account,
                trunks=self._routing(project.account), words=f"already routes to {project.slug}",
                seen=self._sees(self._resources, project), place=self._place("projects", project.slug, project),
            )  # fmt: skip

    def _of_twilio(self) -> Iterator[_Claim]:
        for connection in self._resources.twilio:
            led: defaultdict[str, list[str]] = defaultdict(list)
            for line in connection.numbers:
                if line.project is not None and line.project in self._projects:
                    led[line.project].append(line.number)
            for wanted, numbers in led.items():
                project = self._projects[wanted]
                yield _Claim(
                    numbers=tuple(numbers), project=project.id, account=project.account,
                    trunks=self._routing(project.account),
                    words=f"already routes to {project.slug}, by the Twilio connection {connection.name}",
                    seen=self._sees(self._resources, project), place=self._place("twilio", connection.name, project),
                )  # fmt: skip

    def _of_pools(self) -> Iterator[_Claim]:
        for pool in self._resources.pools:
            project = self._projects.get(pool.project)
            account = project.account if project is not None else None
            trunks = frozenset(pool.trunks) or self._reaching(account)
            yield _Claim(
                numbers=pool.numbers, project=pool.project, account=account, trunks=trunks, lends=True,
                words=f"is also in the pool {pool.name}", seen=self._sees(self._resources, pool),
                place=self._place("pools", pool.name, project),
            )  # fmt: skip

    def _place(self, kind: str, name: str, project: Project | None) -> Place | None:
        if self._touches(kind, name):
            return kind, name, "numbers"
        if project is not None and self._touches("projects", project.slug):
            return "projects", project.slug, "account"
        return None

    def _reaching(self, account: str | None) -> frozenset[str]:
        """The trunks whose calls may be the account's, whatever is dialled."""
        if account is None:
            return frozenset()
        own = (one.name for one in self._resources.trunks if one.account in {None, account})
        return frozenset([ANY_TRUNK, *own])

    def _routing(self, account: str) -> frozenset[str]:
        """Those of them that route by number: the others ask for a token, which says whose the call is."""
        tokens = frozenset(one.name for one in self._resources.trunks if one.require_token)
        return self._reaching(account) - tokens
