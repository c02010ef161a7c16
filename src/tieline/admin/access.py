"""Who may do what: rights by kind of resource, and the account that a thing belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tieline.admin.errors import Forbidden
from tieline.model.principal import Principal
from tieline.model.project import Account, Project
from tieline.model.resources import Resources
from tieline.model.user import Right

CHANGE_RIGHTS: dict[str, Right] = {
    "accounts": Right.USERS,
    "projects": Right.BUILD,
    "pools": Right.TELEPHONY,
    "trunks": Right.TELEPHONY,
    "sip_tokens": Right.SECRETS,
    "api_keys": Right.SECRETS,
    "webhooks": Right.BUILD,
    "twilio": Right.TELEPHONY,
}
"""The right that changing a resource of each kind takes; looking at any takes `LOOK`."""


def require(who: Principal, right: Right) -> None:
    """Raises `Forbidden` when they lack the right."""
    if not who.may(right):
        raise Forbidden(f"this takes the right {right.value!r}", right=right)


def account_of(resources: Resources, record: Any) -> str | None:
    """The account that a resource belongs to; None for a trunk that is there for all of them."""
    if isinstance(record, Account):
        return record.id
    account: str | None = getattr(record, "account", None)
    if account is None and getattr(record, "project", None) is not None:
        return next((one.account for one in resources.projects if one.id == record.project), None)
    return account


def project_of(record: Any) -> str | None:
    """The project's id that a resource is confined to."""
    return record.id if isinstance(record, Project) else getattr(record, "project", None)


def may_see(who: Principal, resources: Resources, record: Any) -> bool:
    """Whether a resource is theirs to look at. What belongs to a whole account is hidden from a project's key."""
    return who.may_see(account_of(resources, record), project_of(record))


def may_change(who: Principal, resources: Resources, record: Any) -> bool:
    """Whether a resource is theirs to change, as far as accounts and projects go."""
    return who.may_change(account_of(resources, record), project_of(record))


def visible(who: Principal, resources: Resources) -> Resources:
    """The resources as far as they may see them. Raises `Forbidden` without the right to look."""
    require(who, Right.LOOK)
    if who.account is None and who.project is None:
        return resources

    def seen(records: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(one for one in records if may_see(who, resources, one))

    return Resources(**{name: seen(getattr(resources, name)) for name in msgspec.structs.asdict(resources)})
