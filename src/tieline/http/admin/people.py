"""People of the studio, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tieline.admin.people import Invited
from tieline.admin.person import Person
from tieline.errors import InvalidInput
from tieline.http.admin.table import LIMIT, PREFIX, AdminRoute, Asked, Done, Parameter
from tieline.model.audit import AuditEntry


@dataclass(frozen=True, slots=True)
class PersonList:
    """People."""

    items: Sequence[Person]


@dataclass(frozen=True, slots=True)
class AuditList:
    """Entries of the audit log, newest first; the last one's `id` goes on as `before_id`."""

    items: Sequence[AuditEntry]


async def _list(asked: Asked) -> PersonList:
    return PersonList(await asked.admin.people.people(asked.who))


async def _get(asked: Asked) -> Person:
    return await asked.admin.people.person(asked.who, asked.path["user_id"])


async def _invite(asked: Asked) -> Invited:
    given = asked.only(email=str, name=str, role=str, personal_data=bool, account=str)
    return await asked.admin.people.invite(
        asked.who, given.get("email", ""), given.get("name", ""), given.get("role", ""),
        personal_data=given.get("personal_data", False), account=given.get("account"),
    )  # fmt: skip


async def _change(asked: Asked) -> Person:
    given = asked.only(name=str, role=str, personal_data=bool, account=str, disabled=bool)
    return await asked.admin.people.change(asked.who, asked.path["user_id"], given)


async def _link(asked: Asked) -> Invited:
    return await asked.admin.people.new_link(asked.who, asked.path["user_id"])


async def _remove(asked: Asked) -> Done:
    await asked.admin.people.remove(asked.who, asked.path["user_id"])
    return Done()


async def _audit(asked: Asked) -> AuditList:
    before = asked.text("before_id")
    if before is not None and not (before.isascii() and before.isdigit() and len(before) <= 15):
        raise InvalidInput("`before_id` must be a whole number")
    found = await asked.admin.audit.entries(
        asked.who, actor=asked.text("actor"), kind=asked.text("kind"), name=asked.text("name"),
        before_id=None if before is None else int(before), limit=asked.limit(),
    )  # fmt: skip
    return AuditList(found)


_PEOPLE = f"{PREFIX}/people"
_ONE = f"{_PEOPLE}/{{user_id}}"
_FIELDS = {
    "name": "Their name.", "role": "owner, builder, operator or read-only.",
    "personal_data": "Whether they see personal data.", "account": "Their account, by id or slug.",
}  # fmt: skip

ROUTES = (
    AdminRoute("GET", _PEOPLE, "list_people", "People who may sign in.", _list, "users", PersonList),
    AdminRoute("POST", _PEOPLE, "invite_person", "Make a person, and the one-time link that lets them in.", _invite,
               "users", Invited, body={"email": "Their address, which is their sign-in name.", **_FIELDS}),
    AdminRoute("GET", _ONE, "get_person", "One person.", _get, "users", Person),
    AdminRoute("PATCH", _ONE, "change_person", "Change some of a person's fields.", _change, "users", Person,
               body={**_FIELDS, "disabled": "Whether they are kept out."}),
    AdminRoute("POST", f"{_ONE}/link", "make_link", "A one-time link with which they set a new password.", _link,
               "users", Invited),
    AdminRoute("DELETE", _ONE, "remove_person", "Remove a person.", _remove, "users", Done),
    AdminRoute("GET", f"{PREFIX}/audit", "list_audit", "Who changed what, and when.", _audit, "users", AuditList, (
        Parameter("actor", "Only what this person or key did."), Parameter("kind", "Only to things of this kind."),
        Parameter("name", "Only to the thing of this name."), Parameter("before_id", "Only before this entry."), LIMIT,
    )),
)  # fmt: skip
