"""Resources: looking at them and changing them, one at a time or by a file. The one way in for every client.

A change is laid over the resource's fields, written as a resource file of one resource, and goes the way of
`tieline apply`: the same reading, the same checks, one transaction.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tieline.admin.access import CHANGE_RIGHTS, account_of, may_change, may_see, require, visible
from tieline.admin.errors import FieldFault, Forbidden, InvalidFields
from tieline.admin.trail import AuditTrail
from tieline.clock import Clock
from tieline.errors import ConfigurationError, Conflict, NotFound
from tieline.model.audit import AuditChange
from tieline.model.principal import Principal
from tieline.model.project import ApiKey, Scope
from tieline.model.resources import Resources
from tieline.model.user import Right
from tieline.resources.checks import check_resources
from tieline.resources.diff import Change, compare
from tieline.resources.export import export_resources, resource_fields, write_document
from tieline.resources.kinds import KINDS, identity_field
from tieline.resources.plan import Applier, Plan, ProjectCheck
from tieline.resources.reader import Reader
from tieline.resources.yaml_tree import Value
from tieline.store.base import ResourceStore

Fields = dict[str, Any]
"""A resource's fields as a resource file has them."""

Edit = Callable[[Fields | None], Fields]
"""From a resource's fields (None when it is not there) to what they shall be. May be called twice."""

NOUNS = {
    "accounts": "account", "projects": "project", "pools": "pool", "trunks": "trunk", "sip_tokens": "SIP token",
    "api_keys": "API key", "webhooks": "webhook", "twilio": "Twilio connection",
}  # fmt: skip
"""What one resource of a kind is called."""

READS_CALLS = frozenset({Scope.CONVERSATIONS_READ, Scope.ADMIN})
"""Scopes of keys that read what callers said and left."""

ENVIRONMENT = "value_from_env"
"""The field, or the only field of a secret, that names an environment variable of the server."""

NO_ENVIRONMENT = f"`{ENVIRONMENT}` takes somebody who may do everything: give the value itself"

SERVER_ONLY = "path"
"""The field of a project that names a folder of the server, whose code is run."""


@dataclass(frozen=True, slots=True)
class ResourceRules:
    """What the settings say about changes. `folder` is where relative paths begin; `environ` has `value_from_env`."""

    default_region: str | None = None
    check_project: ProjectCheck | None = None
    folder: Path = Path()
    environ: Mapping[str, str] | None = None


class ResourceAdmin:
    """Resources of every kind in `tieline.resources.kinds.KINDS`."""

    def __init__(self, store: ResourceStore, clock: Clock, trail: AuditTrail, rules: ResourceRules) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail
        self._rules = rules
        self._environ = os.environ if rules.environ is None else rules.environ

    async def resources(self, who: Principal) -> Resources:
        """All resources that they may see. Holds secrets: not to be shown as it is."""
        return visible(who, await self._store.resources())

    async def fields(self, who: Principal, kind: str, name: str) -> Fields:
        """One resource's fields as a file has them, secrets as references. Raises `NotFound`."""
        found = resource_fields(await self.resources(who), kind, name, clear=False)
        if found is None:
            raise NotFound(f"there is no {NOUNS[kind]} {name}")
        return found

    async def preview(self, who: Principal, kind: str, name: str, edit: Edit) -> Plan:
        """What an edit would change, and remarks on it; changes nothing. Raises as `edit` does."""
        current = await self._store.resources()
        return self._plan(who, kind, name, edit, current, with_folder=False)

    async def create(
        self, who: Principal, kind: str, fields: Mapping[str, Any], *, with_account: bool = False
    ) -> Plan:
        """Make a resource. Raises `Conflict` when there is one of that name, else as `edit` does.

        `with_account`: an account that its fields name and that is not there is made with it.
        """
        name = str(fields.get(identity_field(kind)) or "")

        def edit(there: Fields | None) -> Fields:
            if there is not None:
                raise Conflict(f"there is a {NOUNS[kind]} {name} already")
            return dict(fields)

        return await self.edit(who, kind, name, edit, with_account=with_account)

    async def update(self, who: Principal, kind: str, name: str, changes: Mapping[str, Any]) -> Plan:
        """Lay `changes` over a resource's fields; None gives a field its default again. Raises as `edit` does."""

        def edit(there: Fields | None) -> Fields:
            if there is None:
                raise NotFound(f"there is no {NOUNS[kind]} {name}")
            return {key: value for key, value in {**there, **changes}.items() if value is not None}

        return await self.edit(who, kind, name, edit)

    async def edit(
        self, who: Principal, kind: str, name: str, edit: Edit, *, with_account: bool = False
    ) -> Plan:
        """Carry an edit of one resource out in one transaction.

        Raises `Forbidden`, `InvalidFields` with every fault, and what the edit itself raises.
        """
        before = await self._store.resources()
        # In a thread: checking a project starts processes and waits for them with a loop of its own.
        plan = await asyncio.to_thread(
            self._plan, who, kind, name, edit, before, with_folder=True, with_account=with_account
        )
        if not plan.changes:
            return plan
        return await self._carry_out(
            who,
            before,
            lambda current: self._plan(
                who, kind, name, edit, current, with_folder=False, with_account=with_account, issued=plan
            ),
        )

    async def remove(self, who: Principal, kind: str, name: str, *, dry_run: bool = False) -> Plan:
        """Remove a resource that no other needs, or see what that would change.

        Raises `NotFound`, `Forbidden` and `InvalidFields`.
        """
        require(who, CHANGE_RIGHTS[kind])
        before = await self._store.resources()

        def without(current: Resources) -> Plan:
            there = _find(visible(who, current), kind, name)
            if there is None:
                raise NotFound(f"there is no {NOUNS[kind]} {name}")
            if not may_change(who, current, there):
                raise Forbidden(f"the {NOUNS[kind]} {name} belongs to all accounts")
            kept = tuple(one for one in getattr(current, kind) if one is not there)
            wanted = msgspec.structs.replace(current, **{kind: kept})
            reader = Reader("fields", {})
            check_resources(wanted, reader, {one: {} for one in KINDS}, partial(may_see, who))
            _check(reader, kind, name)
            return Plan(resources=wanted, changes=tuple(compare(current, wanted)), issued=())

        return without(before) if dry_run else await self._carry_out(who, before, without)

    async def export(self, who: Principal) -> str:
        """What they may see as the YAML that `tieline apply` takes; without secrets."""
        return export_resources(await self.resources(who))

    async def apply(
        self,
        who: Principal,
        text: str,
        *,
        file: Path | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> Plan:
        """Make the resources as a file describes them, all of which have to be theirs to change.

        `prune` is for those who may do everything. Raises `Forbidden`, `Conflict` when a name is somebody else's, and
        `ConfigurationError` with every fault and its line.
        """
        if prune and not _may_all(who):
            raise Forbidden("to remove what a file does not name takes somebody who may do everything")
        applier = self._applier(who, text, check_project=self._rules.check_project, prune=prune, file=file)

        def plan_for(current: Resources) -> Plan:
            self._check_file(who, applier.tree, current)
            plan = applier.plan(current)
            _check_changes(who, plan, current)
            return _theirs(who, plan)

        before = await self._store.resources()
        plan = await asyncio.to_thread(plan_for, before)
        if not dry_run and (plan.changes or await self._store.unsealed_secrets()):
            applier.check_project = None  # done already, and too slow to hold the database for
            plan = await self._carry_out(who, before, plan_for)
        return replace(plan, resources=visible(who, plan.resources))

    # -- inside -----------------------------------------------------------------------------------------------

    async def _carry_out(
        self, who: Principal, before: Resources, plan_for: Callable[[Resources], Plan]
    ) -> Plan:
        """Plan on what is there in the moment of the store's transaction, make it so, and put it on record."""
        plans: list[Plan] = []

        def change(current: Resources) -> Resources:
            plans.append(plan_for(current))
            return plans[-1].resources

        await self._store.apply(change, self._clock.utc())
        await self._note(who, plans[-1], before)
        return plans[-1]

    def _plan(
        self, who: Principal, kind: str, name: str, edit: Edit, current: Resources, *, with_folder: bool,
        with_account: bool = False, issued: Plan | None = None,
    ) -> Plan:  # fmt: skip
        """What the edited fields make of the resources. Secrets made by `issued` are made again the same."""
        there = _find(current, kind, name)
        _check_theirs(who, current, kind, name, there)
        found = edit(resource_fields(current, kind, name))
        identity = identity_field(kind)
        fields = {**found, identity: found.get(identity, name)}
        if not isinstance(fields[identity], str):
            raise InvalidFields((FieldFault(identity, "must be text"),))
        if there is not None and fields[identity] != name:
            raise InvalidFields((FieldFault(identity, f"cannot be changed; make another {NOUNS[kind]}"),))
        if kind == "pools":
            fields.setdefault("numbers", [])
        folder = getattr(there, SERVER_ONLY, None)
        self._refuse_folder(who, fields.get(SERVER_ONLY), folder)
        if not _may_all(who):
            _refuse_environment(fields)
        with_folder = with_folder and fields.get(SERVER_ONLY) != folder
        document: dict[str, list[Fields]] = {kind: [fields]}
        if with_account and (account := _missing_account(current, fields)) is not None:
            _refuse_account(who)
            document = {"accounts": [{"slug": account}], **document}
        applier = self._applier(
            who,
            write_document(document),
            check_project=self._rules.check_project if with_folder else None,
        )
        for one in issued.issued if issued is not None else ():
            applier.reuse_secret(one)
        try:
            plan = applier.plan(current)
        except ConfigurationError as error:
            raise _invalid(kind, fields[identity], error) from None
        _check_changes(who, plan, current)
        return _theirs(who, plan)

    def _check_file(self, who: Principal, tree: Value, current: Resources) -> None:
        """Nothing in a file may be about what is not theirs. Done before its plan, whose faults tell what there is."""
        for kind in KINDS.keys() & tree.entries.keys():
            identity = identity_field(kind)
            by_name = {getattr(one, identity): one for one in getattr(current, kind)}
            for item in tree.entries[kind].items:
                name = item.entries[identity].text or "" if identity in item.entries else ""
                there = by_name.get(name)
                _check_theirs(who, current, kind, name, there)
                if SERVER_ONLY in item.entries:
                    self._refuse_folder(
                        who, item.entries[SERVER_ONLY].text, getattr(there, SERVER_ONLY, None)
                    )
        if not _may_all(who):
            reader = Reader("file", {})
            for line, path in _environment(tree):
                reader.fault(line, path, NO_ENVIRONMENT)
            reader.check()

    def _refuse_folder(self, who: Principal, wanted: str | None, there: str | None) -> None:
        """Code of the server's disk is run for whoever names its folder: no tenant may choose one."""
        if wanted != there and wanted is not None and (who.account is not None or who.project is not None):
            raise Forbidden("a project's folder can be chosen only by somebody of all accounts")

    def _applier(
        self, who: Principal, text: str, *, check_project: ProjectCheck | None, prune: bool = False,
        file: Path | None = None,
    ) -> Applier:  # fmt: skip
        return Applier(
            file=file or self._rules.folder / "fields",
            text=text,
            environ=self._environ if _may_all(who) else {},
            random_bytes=os.urandom,
            check_project=check_project,
            default_region=self._rules.default_region,
            prune=prune,
            sees=partial(may_see, who),
        )

    async def _note(self, who: Principal, plan: Plan, before: Resources) -> None:
        entries = []
        for change in plan.changes:
            record = _find(plan.resources, change.kind, change.name) or _find(
                before, change.kind, change.name
            )
            account = account_of(plan.resources, record)
            entries.append(
                self._trail.entry(
                    who, change.action.value, change.kind, change.name, _audited(change), account=account
                )
            )
        await self._trail.keep(entries)


def _check_theirs(who: Principal, current: Resources, kind: str, name: str, there: Any) -> None:
    """Raises `Forbidden` without the right to change the kind, and `Forbidden` or `Conflict` when it is not theirs."""
    require(who, CHANGE_RIGHTS[kind])
    if there is None or may_change(who, current, there):
        return
    if not may_see(who, current, there):
        raise Conflict(f"the name {name} is taken")
    raise Forbidden(f"the {NOUNS[kind]} {name} belongs to all accounts")


def _check_changes(who: Principal, plan: Plan, current: Resources) -> None:
    """Raises `Forbidden` when anything that changes is not theirs, or would not be."""
    for change in plan.changes:
        there = _find(current, change.kind, change.name)
        made = _find(plan.resources, change.kind, change.name)
        _check_theirs(who, current, change.kind, change.name, there)
        if made is not None and not may_change(who, plan.resources, made):
            raise Forbidden(f"the {NOUNS[change.kind]} would belong to another account, or to all of them")
        if isinstance(made, ApiKey):
            _refuse_scopes(who, made)


def _theirs(who: Principal, plan: Plan) -> Plan:
    """The plan without what it says of projects that are not theirs to see."""
    slugs = {one.slug for one in visible(who, plan.resources).projects}
    return replace(plan, remarks=tuple(one for one in plan.remarks if one.project in slugs))


def _refuse_scopes(who: Principal, key: ApiKey) -> None:
    """Nobody hands out what they may not see themselves: `admin` includes every other scope."""
    if key.scopes & READS_CALLS and not who.may(Right.PERSONAL_DATA):
        raise Forbidden(
            f"a key that reads conversations takes the right {Right.PERSONAL_DATA.value!r}",
            right=Right.PERSONAL_DATA,
        )


def _refuse_environment(value: Any, path: str = "") -> None:
    """The server's environment is read for those who may do everything alone: it holds what no builder is to see.

    Raises `InvalidFields`.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key == ENVIRONMENT:
                raise InvalidFields((FieldFault(path or where, NO_ENVIRONMENT),))
            _refuse_environment(inner, where)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _refuse_environment(inner, f"{path}[{index}]")


def _environment(value: Value, path: str = "") -> Iterator[tuple[int, str]]:
    """The lines and places of a file that read the server's environment."""
    for key, inner in value.entries.items():
        where = f"{path}.{key}".lstrip(".")
        if key == ENVIRONMENT:
            yield value.key_lines[key], path
        yield from _environment(inner, where)
    for index, inner in enumerate(value.items):
        yield from _environment(inner, f"{path}[{index}]")


def _missing_account(resources: Resources, fields: Fields) -> str | None:
    """The account that the fields name and that is not there."""
    wanted = fields.get("account")
    return wanted if isinstance(wanted, str) and _find(resources, "accounts", wanted) is None else None


def _refuse_account(who: Principal) -> None:
    require(who, CHANGE_RIGHTS["accounts"])
    if who.account is not None or who.project is not None:
        raise Forbidden("a new account takes somebody of all accounts")


def _may_all(who: Principal) -> bool:
    """Whether they may change everything of everybody.

    The server's environment holds its own secrets, so `value_from_env` is for them alone: a webhook's secret is shown
    when it is made, and a project's secret to its code.
    """
    return who.account is None and who.project is None and set(CHANGE_RIGHTS.values()) <= who.rights


def _audited(change: Change) -> list[AuditChange]:
    return [AuditChange(field=one.field, before=one.before, after=one.after) for one in change.fields]


def _find(resources: Resources, kind: str, name: str) -> Any:
    return next((one for one in getattr(resources, kind) if getattr(one, identity_field(kind)) == name), None)


def _check(reader: Reader, kind: str, name: str) -> None:
    try:
        reader.check()
    except ConfigurationError as error:
        raise _invalid(kind, name, error) from None


def _invalid(kind: str, name: str, error: ConfigurationError) -> InvalidFields:
    """The faults of a plan, each placed at the field that it concerns instead of a line in a file."""
    found = []
    faults: Any = error.fields.get("faults", ())
    for fault in faults:
        field = str(fault["key"] or "")
        if kind == "projects" and field.startswith("accounts"):
            field = "account"
        for start in (f"{kind}.{name}.", f"{kind}[0].", f"{kind}."):
            if field.startswith(start):
                field = field[len(start) :]
                break
        found.append(FieldFault(field, fault["message"]))
    return InvalidFields(tuple(found) or (FieldFault("", error.message),))
