"""What will not get through of every project's handoffs, on every trunk that its callers may come by.

Of one destination the findings of all trunks are told together. What is an error on each of them is *hopeless*: the
handoff cannot work, and such resources are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tieline.agent.destinations import merge_destinations, read_destinations
from tieline.agent.folder import HANDOFFS_FILE
from tieline.agent.yaml_file import read_yaml
from tieline.handoff.check import CheckLevel, Endpoint, check_destination
from tieline.handoff.check_headers import HeaderCheck
from tieline.handoff.plan import PLAIN_DIALECT
from tieline.integrations.profiles import dialect_of
from tieline.model.handoff import Destination
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.trunk import Trunk
from tieline.resources.reader import Draft, Reader


class HandoffRemark(Record):
    """One thing to say about a project's destination, with the trunks that it holds on and what to do about it."""

    level: CheckLevel
    project: str
    destination: str
    trunks: tuple[str, ...]
    message: str
    fix: str
    hopeless: bool = False

    def __str__(self) -> str:
        return f"{self.destination} on {', '.join(self.trunks)}: {self.message}; {self.fix}"


def folder_destinations(project: Project) -> tuple[Destination, ...]:
    """The destinations of a project's folder."""
    if project.path is None:
        return ()
    return read_destinations(read_yaml(Path(project.path), HANDOFFS_FILE, []), [])


def destinations_of(project: Project) -> tuple[Destination, ...]:
    """A project's destinations: those of its folder with the configured ones laid over them."""
    if project.path is None:
        return project.handoffs
    return merge_destinations(folder_destinations(project), project.handoffs)


def trunks_of(project: Project, resources: Resources) -> tuple[Trunk, ...]:
    """The trunks that a project's callers may come by.

    Those of its pools, where nothing else leads to it and each pool names its own; else every trunk that may reach its
    account.
    """
    pools = [pool for pool in resources.pools if pool.project == project.id]
    elsewhere = project.numbers or any(token.project == project.id for token in resources.sip_tokens)
    named = {name for pool in pools for name in pool.trunks}
    confined = bool(pools) and not elsewhere and all(pool.trunks for pool in pools)
    return tuple(
        trunk
        for trunk in resources.trunks
        if trunk.account in {None, project.account} and (trunk.name in named or not confined)
    )


def check_handoffs(resources: Resources) -> list[HandoffRemark]:
    """Everything to say, project by project, worst first for each destination."""
    endpoints = _endpoints(resources)
    found: list[HandoffRemark] = []
    for project in resources.projects:
        found += check_destinations(resources, project, destinations_of(project), endpoints=endpoints)
    return found


def check_destinations(
    resources: Resources,
    project: Project,
    destinations: Sequence[Destination],
    *,
    only: str | None = None,
    endpoints: dict[str, Endpoint] | None = None,
) -> list[HandoffRemark]:
    """Everything to say about these as a project's destinations, or about the one called `only` among them."""
    endpoints = _endpoints(resources) if endpoints is None else endpoints
    trunks = [endpoints[trunk.name] for trunk in trunks_of(project, resources)]
    found: list[HandoffRemark] = []
    for destination in destinations:
        if only is None or destination.name == only:
            found += _check(project, destination, destinations, trunks, endpoints)
    return found


def check_headers_alone(project: Project, destination: Destination) -> list[HandoffRemark]:
    """What can be said of a destination's headers while no trunk leads to its project."""
    said = HeaderCheck(destination.sip_config.method, destination.sip_headers, PLAIN_DIALECT).findings()
    return [
        HandoffRemark(
            level=CheckLevel(level), project=project.slug, destination=destination.name, trunks=(),
            message=message, fix=fix,
        )
        for level, message, fix in said
    ]  # fmt: skip


def _endpoints(resources: Resources) -> dict[str, Endpoint]:
    return {trunk.name: Endpoint(trunk=trunk, dialect=dialect_of(trunk)) for trunk in resources.trunks}


def _check(
    project: Project,
    destination: Destination,
    destinations: Sequence[Destination],
    trunks: Sequence[Endpoint],
    endpoints: dict[str, Endpoint],
) -> Iterable[HandoffRemark]:
    alike: dict[tuple[CheckLevel, str, str], list[str]] = {}
    for one in trunks:
        for said in check_destination(destination, destinations, one.trunk, one.dialect, endpoints):
            alike.setdefault((said.level, said.message, said.fix), []).append(one.trunk.name)
    failing = {name for (level, _, _), names in alike.items() if level is CheckLevel.ERROR for name in names}
    hopeless = len(failing) == len(trunks)
    order = list(CheckLevel)
    for (level, message, fix), names in sorted(alike.items(), key=lambda item: order.index(item[0][0])):
        yield HandoffRemark(
            level=level,
            project=project.slug,
            destination=destination.name,
            trunks=tuple(names),
            message=message,
            fix=fix,
            hopeless=hopeless and level is CheckLevel.ERROR,
        )


def refuse_hopeless(
    remarks: Iterable[HandoffRemark], drafts: dict[str, dict[str, Draft]], reader: Reader
) -> tuple[HandoffRemark, ...]:
    """Make faults of the hopeless remarks that the file brings about; the others are returned.

    A fault stands at the destination, or at the trunk where only that is in the file. What was hopeless before
    and is not in the file is told, and does not keep the rest from being applied.
    """
    left = []
    for remark in remarks:
        project = drafts["projects"].get(remark.project)
        trunk = next((drafts["trunks"][name] for name in remark.trunks if name in drafts["trunks"]), None)
        if remark.hopeless and project is not None:
            line = project.line_of_item("handoffs", remark.destination)
            reader.fault(line, f"projects.{remark.project}.handoffs", str(remark))
        elif remark.hopeless and trunk is not None:
            key, message = f"trunks.{trunk.values['name']}.profile", f"project {remark.project}: {remark}"
            reader.fault(trunk.line_of("profile"), key, message)
        else:
            left.append(remark)
    return tuple(left)
