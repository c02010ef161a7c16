"""Resources of every kind: list, get, create, change, remove, each change also as a dry run; and the whole as YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tieline.admin.resources import NOUNS
from tieline.errors import NotFound
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Altered, DryRun, Fields
from tieline.model.record import Record
from tieline.resources.diff import Change
from tieline.resources.export import resource_fields
from tieline.resources.kinds import KINDS, identity_field
from tieline.resources.plan import Issued, Plan

resources = Noun("that of the kind")

HASHES = frozenset({"key_hash", "token_hash"})
"""What stands in a file for a secret, and is of no use to anybody who looks."""


class Changed(Record):
    """What a change made, or would make: the resource (null once removed), its differences and secrets made.

    Secrets are shown here and never again. `remarks` tell what of handoffs will not get through.
    """

    resource: Fields | None
    changes: tuple[Change, ...]
    issued: tuple[Issued, ...]
    remarks: tuple[str, ...]


@resources.get("/export", media_type="application/yaml")
async def export_resources(call: Call) -> str:
    """All resources as the YAML of a resource file."""
    return await call.admin.resources.export(call.who)


@resources.post("/apply", right="that of each kind in it")
async def apply_resources(call: Call, query: DryRun, body: str) -> Altered:
    """Make the resources as a resource file describes them, all or none; what it does not name stays."""
    plan = await call.admin.resources.apply(call.who, body, dry_run=query.dry_run)
    altered = call.altered(plan)
    return msgspec.structs.replace(altered, issued=()) if query.dry_run else altered


@resources.get("/resources/{kind}")
async def list_resources(call: Call, kind: str) -> Sequence[Fields]:
    """All resources of a kind, as a resource file has them."""
    _check_kind(kind)
    there = await call.admin.resources.resources(call.who)
    names = [getattr(one, identity_field(kind)) for one in getattr(there, kind)]
    found = [resource_fields(there, kind, name, clear=False) for name in names]
    return [_shown(one) for one in found if one is not None]


@resources.post("/resources/{kind}")
async def create_resource(call: Call, kind: str, query: DryRun, body: Fields) -> Changed:
    """Make a resource."""
    _check_kind(kind)
    name = str(body.get(identity_field(kind)) or "")
    admin = call.admin.resources
    if query.dry_run:
        plan = await admin.preview(call.who, kind, name, lambda _: dict(body))
    else:
        plan = await admin.create(call.who, kind, body)
    return _changed(plan, kind, name, query)


@resources.get("/resources/{kind}/{name}")
async def get_resource(call: Call, kind: str, name: str) -> Fields:
    """One resource, its secrets as references."""
    _check_kind(kind)
    return _shown(await call.admin.resources.fields(call.who, kind, name))


@resources.patch("/resources/{kind}/{name}")
async def update_resource(call: Call, kind: str, name: str, query: DryRun, body: Fields) -> Changed:
    """Change some of a resource's fields; null gives one its default again."""
    _check_kind(kind)

    def edit(there: dict[str, Any] | None) -> dict[str, Any]:
        if there is None:
            raise NotFound(f"there is no {NOUNS[kind]} {name}")
        return {key: value for key, value in {**there, **body}.items() if value is not None}

    carry_out = call.admin.resources.preview if query.dry_run else call.admin.resources.edit
    return _changed(await carry_out(call.who, kind, name, edit), kind, name, query)


@resources.delete("/resources/{kind}/{name}")
async def remove_resource(call: Call, kind: str, name: str, query: DryRun) -> Changed:
    """Remove a resource that no other needs."""
    _check_kind(kind)
    plan = await call.admin.resources.remove(call.who, kind, name, dry_run=query.dry_run)
    return _changed(plan, kind, name, query)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotFound(f"there are no {kind}; there are {', '.join(KINDS)}")


def _changed(plan: Plan, kind: str, name: str, query: DryRun) -> Changed:
    """What is told of a plan; a dry run makes no secret that would hold."""
    made = resource_fields(plan.resources, kind, name, clear=False)
    return Changed(
        resource=None if made is None else _shown(made),
        changes=plan.changes,
        issued=() if query.dry_run else plan.issued,
        remarks=tuple(str(one) for one in plan.remarks),
    )


def _shown(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if name not in HASHES}
