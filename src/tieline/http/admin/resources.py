"""Resources of every kind: list, get, create, change, remove, each change also as a dry run; and the whole as YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tieline.admin.resources import NOUNS, Fields
from tieline.errors import NotFound
from tieline.http.admin.signature import own_remarks
from tieline.http.admin.table import PREFIX, AdminRoute, Asked, Parameter
from tieline.resources.diff import Change
from tieline.resources.export import resource_fields
from tieline.resources.kinds import KINDS, identity_field
from tieline.resources.plan import Issued, Plan

HASHES = frozenset({"key_hash", "token_hash"})
"""What stands in a file for a secret, and is of no use to anybody who looks."""

DRY_RUN = Parameter("dry_run", "`true`: say what would change, and change nothing.", "boolean")


@dataclass(frozen=True, slots=True)
class ResourceList:
    """Resources of one kind, as a resource file has them."""

    items: list[Fields]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change made, or would make: the resource (null once removed), its differences and secrets made.

    Secrets are shown here and never again. `remarks` tell what of handoffs will not get through.
    """

    resource: Fields | None
    changes: tuple[Change, ...]
    issued: tuple[Issued, ...]
    remarks: tuple[str, ...]


def _kind(asked: Asked) -> str:
    kind = asked.path["kind"]
    if kind not in KINDS:
        raise NotFound(f"there are no {kind}; there are {', '.join(KINDS)}")
    return kind


async def _list(asked: Asked) -> ResourceList:
    kind = _kind(asked)
    resources = await asked.admin.resources.resources(asked.who)
    names = [getattr(one, identity_field(kind)) for one in getattr(resources, kind)]
    found = [resource_fields(resources, kind, name, clear=False) for name in names]
    return ResourceList([_shown(one) for one in found if one is not None])


async def _get(asked: Asked) -> Fields:
    return _shown(await asked.admin.resources.fields(asked.who, _kind(asked), asked.path["name"]))


async def _create(asked: Asked) -> Changed:
    kind, fields = _kind(asked), dict(asked.body)
    name = str(fields.get(identity_field(kind)) or "")
    admin = asked.admin.resources
    if asked.flag("dry_run"):
        return _changed(
            await admin.preview(asked.who, kind, name, lambda _: fields), kind, name, asked, dry=True
        )
    return _changed(await admin.create(asked.who, kind, fields), kind, name, asked)


async def _update(asked: Asked) -> Changed:
    kind, name, changes = _kind(asked), asked.path["name"], asked.body
    admin = asked.admin.resources

    def edit(there: Fields | None) -> Fields:
        if there is None:
            raise NotFound(f"there is no {NOUNS[kind]} {name}")
        return {key: value for key, value in {**there, **changes}.items() if value is not None}

    if asked.flag("dry_run"):
        return _changed(await admin.preview(asked.who, kind, name, edit), kind, name, asked, dry=True)
    return _changed(await admin.edit(asked.who, kind, name, edit), kind, name, asked)


async def _remove(asked: Asked) -> Changed:
    kind, name = _kind(asked), asked.path["name"]
    dry = asked.flag("dry_run")
    plan = await asked.admin.resources.remove(asked.who, kind, name, dry_run=dry)
    return _changed(plan, kind, name, asked, dry=dry)


async def _export(asked: Asked) -> str:
    return await asked.admin.resources.export(asked.who)


def _changed(plan: Plan, kind: str, name: str, asked: Asked, *, dry: bool = False) -> Changed:
    """A plan without the resources of others; a dry run makes no secret that would hold."""
    given: Any = asked.body.get(identity_field(kind)) or name
    made = resource_fields(plan.resources, kind, str(given), clear=False)
    return Changed(
        resource=None if made is None else _shown(made),
        changes=plan.changes,
        issued=() if dry else plan.issued,
        remarks=tuple(str(one) for one in own_remarks(asked.who, plan)),
    )


def _shown(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in HASHES}


_KIND = f"{PREFIX}/resources/{{kind}}"
_FIELDS = {"...": "The fields of the kind, as [resource files](resources.md) have them."}
_RIGHT = "that of the kind"

ROUTES = (
    AdminRoute("GET", f"{PREFIX}/export", "export_resources", "All resources as the YAML of a resource file.", _export,
               "look", str, media_type="application/yaml"),
    AdminRoute("GET", _KIND, "list_resources", "All resources of a kind.", _list, "look", ResourceList),
    AdminRoute("POST", _KIND, "create_resource", "Make a resource.", _create, _RIGHT, Changed, (DRY_RUN,), _FIELDS),
    AdminRoute("GET", f"{_KIND}/{{name}}", "get_resource", "One resource, its secrets as references.", _get, "look",
               dict[str, Any]),
    AdminRoute("PATCH", f"{_KIND}/{{name}}", "update_resource",
               "Change some of a resource's fields; null gives one its default again.", _update, _RIGHT, Changed,
               (DRY_RUN,), _FIELDS),
    AdminRoute("DELETE", f"{_KIND}/{{name}}", "remove_resource", "Remove a resource that no other needs.", _remove,
               _RIGHT, Changed, (DRY_RUN,)),
)  # fmt: skip
