"""Call handoffs: the destinations of a project, one at a time.

Destinations come from the agent's folder and from the resources; of one name in both, the resources' holds. What
is in the folder is never written: to change it here is to lay a copy over it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from tieline.admin.access import require
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.admin.recent import RecentStates
from tieline.admin.resources import Fields, ResourceAdmin
from tieline.agent.destinations import merge_destinations
from tieline.errors import Conflict, NotFound
from tieline.handoff.check import CheckLevel
from tieline.handoff.check_headers import CALL_VARIABLES, lacks_prefix
from tieline.model.handoff import Destination, SipConfig
from tieline.model.principal import Principal
from tieline.model.project import Project
from tieline.model.record import Record
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.resources.draft import read_draft
from tieline.resources.export import destination_fields
from tieline.resources.handoff_check import (
    HandoffRemark,
    check_destinations,
    check_headers_alone,
    folder_destinations,
    trunks_of,
)
from tieline.resources.plan import Plan

PREFIX = "X-"
"""What names of custom headers should begin with."""


class DestinationSource(StrEnum):
    """Where a destination comes from; one that is laid over is in the folder, too, where it does not hold."""

    FOLDER = "folder"
    RESOURCES = "resources"
    LAID_OVER = "laid_over"


class ListedDestination(Record):
    """A destination as it holds, and what there is to say about it.

    `folder` is the folder's own of that name, `differs` the fields in which what was laid over it differs.
    """

    destination: Destination
    source: DestinationSource
    folder: Destination | None = None
    differs: tuple[str, ...] = ()
    remarks: tuple[HandoffRemark, ...] = ()


class DestinationCheck(Record):
    """What is wrong with a draft, field by field, and what each trunk would make of it, worst first."""

    faults: tuple[FieldFault, ...] = ()
    remarks: tuple[HandoffRemark, ...] = ()

    @property
    def hopeless(self) -> bool:
        """Whether it cannot work for any caller, and is not saved therefore."""
        return any(one.hopeless for one in self.remarks)


class Variable(Record):
    """A `$variable` for header values, and where it is known from."""

    name: str
    about: str


class HandoffAdmin:
    """Looking needs `Right.LOOK`, changing `Right.BUILD`. Projects go by slug, destinations by name.

    Every change raises `Forbidden`, `NotFound`, and `InvalidFields` with fields as paths within the destination.
    """

    def __init__(self, resources: ResourceAdmin, recent: RecentStates) -> None:
        self._resources = resources
        self._recent = recent

    async def destinations(self, who: Principal, project: str) -> Sequence[ListedDestination]:
        """The project's destinations: the folder's in its order, then the others."""
        resources, found = await self._project(who, project)
        return await asyncio.to_thread(_listed, resources, found)

    async def get(self, who: Principal, project: str, name: str) -> ListedDestination:
        """One destination."""
        for one in await self.destinations(who, project):
            if one.destination.name == name:
                return one
        raise NotFound(f"there is no destination {name}")

    async def variables(self, who: Principal, project: str) -> Sequence[Variable]:
        """What header values may name: what every call has, then keys of the state that are known."""
        _, found = await self._project(who, project)
        known = dict.fromkeys(sorted(CALL_VARIABLES), "every call")
        api = found.handoff_api
        for key in (*(api.state_keys or ()), api.shared_id_state_key):
            known.setdefault(key, "Handoff API")
        for key in await self._recent.keys(found):
            known.setdefault(key, "recent calls")
        return [Variable(name=name, about=about) for name, about in known.items() if name.isidentifier()]

    async def check(
        self, who: Principal, project: str, draft: Mapping[str, Any], *, replaces: str | None = None
    ) -> DestinationCheck:
        """What would be said of a destination with these fields, in place of the one called `replaces`."""
        resources, found = await self._project(who, project)
        return await asyncio.to_thread(_check, resources, found, draft, replaces)

    def wants_prefix(self, header: str) -> bool:
        """Whether a header of that name may get lost on the way, for it does not begin with `X-`."""
        return bool(header) and lacks_prefix(header, PREFIX)

    async def add(self, who: Principal, project: str, draft: Mapping[str, Any]) -> Plan:
        """A new destination; the first one of a project becomes the default."""
        name = draft.get("name")
        _, found = await self._project(who, project)
        taken = [one.name for one in await asyncio.to_thread(folder_destinations, found)]

        def change(handoffs: list[Fields]) -> int:
            if name in taken or any(one["name"] == name for one in handoffs):
                raise InvalidFields((FieldFault("name", f"there is a destination {name!r} already"),))
            _place(handoffs, len(handoffs), draft)
            return len(handoffs) - 1

        return await self._edit(who, project, change)

    async def change(self, who: Principal, project: str, name: str, draft: Mapping[str, Any]) -> Plan:
        """Put a draft in a destination's place; one of the folder gets it laid over.

        A new name is taken over by the ladders that name it, and by the project's `fallback_handoff`.
        """
        there = await self.get(who, project, name)
        new = draft.get("name")
        if there.source is not DestinationSource.RESOURCES and new != name:
            message = f"{name!r} is in the agent's folder, where its name is given"
            raise InvalidFields((FieldFault("name", message),))
        taken = [one.destination.name for one in await self.destinations(who, project)]

        def change(handoffs: list[Fields]) -> int:
            if new != name and new in taken:
                raise InvalidFields((FieldFault("name", f"there is a destination {new!r} already"),))
            index = _index_of(handoffs, name)
            _place(handoffs, len(handoffs) if index is None else index, draft)
            return len(handoffs) - 1 if index is None else index

        return await self._edit(who, project, change, renamed=(name, new))

    async def duplicate(self, who: Principal, project: str, name: str) -> str:
        """A copy under a new name, which is returned; never the default."""
        there = await self.get(who, project, name)
        taken = {one.destination.name for one in await self.destinations(who, project)}
        copies = (f"{name} copy{'' if number == 1 else f' {number}'}" for number in range(1, len(taken) + 2))
        new = next(one for one in copies if one not in taken)
        await self.add(
            who, project, {**destination_fields(there.destination), "name": new, "is_default": False}
        )
        return new

    async def set_default(self, who: Principal, project: str, name: str) -> Plan:
        """Make a destination the one and only default; one of the folder gets a copy laid over it."""
        there = await self.get(who, project, name)
        draft = {**destination_fields(there.destination), "is_default": True}

        def change(handoffs: list[Fields]) -> int:
            index = _index_of(handoffs, name)
            if index is None:
                index = len(handoffs)
            _place(
                handoffs, index, handoffs[index] | {"is_default": True} if index < len(handoffs) else draft
            )
            return index

        return await self._edit(who, project, change)

    async def remove(self, who: Principal, project: str, name: str) -> Plan:
        """Take a destination away; of one that was laid over the folder's, that one holds again.

        Raises `Conflict` while ladders or `fallback_handoff` name it. If it was the default, the first one is then.
        """
        there = await self.get(who, project, name)
        if there.source is DestinationSource.FOLDER:
            raise Conflict(f"{name!r} is in the agent's folder; take it out of config/handoffs.yaml there")
        _, found = await self._project(who, project)
        if there.source is DestinationSource.RESOURCES:
            users = [
                one.destination.name
                for one in await self.destinations(who, project)
                if any(rung.destination == name for rung in one.destination.fallback or ())
            ]
            if users:
                raise Conflict(f"the fall-back of {', '.join(users)} leads to {name!r}; change that first")
            if found.fallback_handoff == name:
                raise Conflict(
                    f"{name!r} takes the callers of an agent that has failed; change fallback_handoff first"
                )

        def change(handoffs: list[Fields]) -> int:
            index = _index_of(handoffs, name)
            if index is not None:
                del handoffs[index]
            return -1

        return await self._edit(who, project, change)

    # -- inside -----------------------------------------------------------------------------------------------

    async def _project(self, who: Principal, slug: str) -> tuple[Resources, Project]:
        """Everything for checking, with the project. What trunks there are is said to nobody who may not see it."""
        require(who, Right.LOOK)
        resources = await self._resources.resources(who)
        found = next((one for one in resources.projects if one.slug == slug), None)
        if found is None:
            raise NotFound(f"there is no project {slug}")
        return resources, found

    async def _edit(
        self,
        who: Principal,
        project: str,
        change: Callable[[list[Fields]], int],
        renamed: tuple[str, Any] | None = None,
    ) -> Plan:
        """Carry a change of the list out. `change` returns the index of the destination that faults are about."""
        await self._project(who, project)
        index = -1

        def edit(there: Fields | None) -> Fields:
            nonlocal index
            if there is None:
                raise NotFound(f"there is no project {project}")
            handoffs = [dict(one) for one in there.get("handoffs", ())]
            index = change(handoffs)
            fields = {**there, "handoffs": handoffs}
            if renamed is not None and renamed[0] != renamed[1]:
                _rename(fields, *renamed)
            return fields

        try:
            return await self._resources.edit(who, "projects", project, edit)
        except InvalidFields as error:
            raise _placed(error, index) from None


def _listed(resources: Resources, project: Project) -> list[ListedDestination]:
    folder = {one.name: one for one in folder_destinations(project)}
    own = {one.name for one in project.handoffs}
    merged = merge_destinations(tuple(folder.values()), project.handoffs)
    remarks = check_destinations(resources, project, merged)
    listed = []
    for one in merged:
        source = DestinationSource.FOLDER
        if one.name in own:
            source = DestinationSource.LAID_OVER if one.name in folder else DestinationSource.RESOURCES
        before = folder.get(one.name)
        differs = () if before is None or one.name not in own else _differences(before, one)
        listed.append(
            ListedDestination(
                destination=one, source=source, folder=before, differs=differs,
                remarks=tuple(remark for remark in remarks if remark.destination == one.name),
            )
        )  # fmt: skip
    return listed


def _check(
    resources: Resources, project: Project, fields: Mapping[str, Any], replaces: str | None
) -> DestinationCheck:
    draft = read_draft(fields)
    faults = [FieldFault(field, message) for field, message in draft.faults]
    folder = folder_destinations(project)
    taken = {one.name for one in (*folder, *project.handoffs)} - {replaces}
    name = fields.get("name")
    if isinstance(name, str) and name in taken:
        faults.append(FieldFault("name", f"there is a destination {name!r} already"))
    made = draft.destination
    if made is None:
        return DestinationCheck(faults=tuple(faults))
    others = [
        one for one in merge_destinations(folder, project.handoffs) if one.name not in {replaces, made.name}
    ]
    if made.is_default or not others:
        others = [msgspec.structs.replace(one, is_default=False) for one in others]
        made = msgspec.structs.replace(made, is_default=True)
    remarks = check_destinations(resources, project, (*others, made), only=made.name)
    if not trunks_of(project, resources):
        remarks = check_headers_alone(project, made)
        remarks.append(_no_trunk(project, made))
    return DestinationCheck(faults=tuple(faults), remarks=tuple(remarks))


def _no_trunk(project: Project, destination: Destination) -> HandoffRemark:
    return HandoffRemark(
        level=CheckLevel.INFO, project=project.slug, destination=destination.name, trunks=(),
        message="no trunk leads to this project yet, so nothing more can be said", fix="add a trunk",
    )  # fmt: skip


def _differences(before: Destination, after: Destination) -> tuple[str, ...]:
    """The fields in which two destinations differ; those of `sip_config` by their own names."""
    named = [field for field in Destination.__struct_fields__ if field != "sip_config"]
    found = [field for field in named if getattr(before, field) != getattr(after, field)]
    old, new = before.sip_config, after.sip_config
    found += [field for field in SipConfig.__struct_fields__ if getattr(old, field) != getattr(new, field)]
    return tuple(found)


def _index_of(handoffs: Sequence[Fields], name: str) -> int | None:
    return next((index for index, one in enumerate(handoffs) if one["name"] == name), None)


def _place(handoffs: list[Fields], index: int, draft: Mapping[str, Any]) -> None:
    """Put a draft at an index; a new default takes the place of the old one."""
    handoffs[index : index + 1] = [{key: value for key, value in draft.items() if value is not None}]
    if draft.get("is_default"):
        for other, one in enumerate(handoffs):
            if other != index:
                one.pop("is_default", None)


def _rename(fields: Fields, old: str, new: Any) -> None:
    """Let whatever names a destination name it by its new name."""
    if fields.get("fallback_handoff") == old:
        fields["fallback_handoff"] = new
    for one in fields["handoffs"]:
        if one.get("fallback"):
            one["fallback"] = [
                {**rung, "destination": new}
                if isinstance(rung, dict) and rung.get("destination") == old
                else rung
                for rung in one["fallback"]
            ]


def _placed(error: InvalidFields, index: int) -> InvalidFields:
    """The faults with their fields as paths within the destination at `index`."""
    start = f"handoffs[{index}]"
    return InvalidFields(
        tuple(
            FieldFault(one.field.removeprefix(start).lstrip("."), one.message)
            if one.field.startswith(start)
            else one
            for one in error.faults
        )
    )
