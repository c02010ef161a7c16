"""People of the studio, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tieline.admin.people import Invited
from tieline.admin.person import Person
from tieline.http.admin.declaration import Call, Noun
from tieline.http.admin.shapes import Filter, Limit, Shape
from tieline.model.audit import AuditEntry

people = Noun("users")


class PersonFields(Shape):
    """What of a person can be changed; what is left out or null stays."""

    name: Annotated[str | None, Meta(description="Their name.")] = None
    role: Annotated[str | None, Meta(description="owner, builder, operator or read-only.")] = None
    personal_data: Annotated[bool | None, Meta(description="Whether they see personal data.")] = None
    account: Annotated[str | None, Meta(description="Their account, by id or slug.")] = None
    disabled: Annotated[bool | None, Meta(description="Whether they are kept out.")] = None


class NewPerson(Shape):
    """A person to invite."""

    email: Annotated[str | None, Meta(description="Their address, which is their sign-in name.")] = None
    name: Annotated[str | None, Meta(description="Their name.")] = None
    role: Annotated[str | None, Meta(description="owner, builder, operator or read-only.")] = None
    personal_data: Annotated[bool | None, Meta(description="Whether they see personal data.")] = None
    account: Annotated[str | None, Meta(description="Their account, by id or slug.")] = None


class AuditQuery(Filter):
    """Which entries of the audit log to list; the last one's `id` goes on as `before_id`."""

    actor: Annotated[str | None, Meta(description="Only what this person or key did.")] = None
    kind: Annotated[str | None, Meta(description="Only to things of this kind.")] = None
    name: Annotated[str | None, Meta(description="Only to the thing of this name.")] = None
    before_id: Annotated[
        Annotated[int, Meta(ge=0, lt=10**15)] | None, Meta(description="Only before this entry.")
    ] = None
    limit: Limit = 100


@people.get("/people", right="users")
async def list_people(call: Call) -> Sequence[Person]:
    """People who may sign in."""
    return await call.admin.people.people(call.who)


@people.post("/people")
async def invite_person(call: Call, body: NewPerson) -> Invited:
    """Make a person, and the one-time link that lets them in."""
    return await call.admin.people.invite(
        call.who, body.email or "", body.name or "", body.role or "", personal_data=bool(body.personal_data),
        account=body.account,
    )  # fmt: skip


@people.get("/people/{user_id}", right="users")
async def get_person(call: Call, user_id: str) -> Person:
    """One person."""
    return await call.admin.people.person(call.who, user_id)


@people.patch("/people/{user_id}")
async def change_person(call: Call, user_id: str, body: PersonFields) -> Person:
    """Change some of a person's fields."""
    changes = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    return await call.admin.people.change(call.who, user_id, changes)


@people.post("/people/{user_id}/link")
async def make_link(call: Call, user_id: str) -> Invited:
    """A one-time link with which they set a new password."""
    return await call.admin.people.new_link(call.who, user_id)


@people.delete("/people/{user_id}")
async def remove_person(call: Call, user_id: str) -> None:
    """Remove a person."""
    await call.admin.people.remove(call.who, user_id)


@people.get("/audit", right="users")
async def list_audit(call: Call, query: AuditQuery) -> Sequence[AuditEntry]:
    """Who changed what, and when, newest first."""
    return await call.admin.audit.entries(
        call.who, actor=query.actor, kind=query.kind, name=query.name, before_id=query.before_id,
        limit=query.limit,
    )  # fmt: skip
