"""A person as others see them, and what their address and name have to look like."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime

from tieline.model.record import Record
from tieline.model.user import Role, User

_EMAIL = re.compile(r"[^\s@<>\"'(),:;\\\[\]\x00-\x1f\x7f]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})*")


class Person(Record):
    """Somebody without their secrets. `invited` until they have set a password."""

    id: str
    email: str
    name: str
    role: Role
    personal_data: bool
    account: str | None
    disabled: bool
    invited: bool
    created_at: datetime
    signed_in_at: datetime | None


def person_of(user: User) -> Person:
    """The person as others see them."""
    return Person(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        personal_data=user.personal_data,
        account=user.account,
        disabled=user.disabled,
        invited=user.password_hash is None,
        created_at=user.created_at,
        signed_in_at=user.signed_in_at,
    )


def normal_email(text: str) -> str:
    """A sign-in name as it is kept and compared."""
    return text.strip().lower()[:320]


def email_fault(email: str) -> str | None:
    """Why it cannot be a sign-in name, in words; None when it can."""
    return None if len(email) <= 254 and _EMAIL.fullmatch(email) else "is not an e-mail address"


def name_fault(name: str) -> str | None:
    """Why it cannot be a name, in words; None when it can."""
    if not name.strip():
        return "is missing"
    if len(name) > 100 or not name.isprintable():
        return "must be at most 100 printable characters"
    return None


def place_of(address: str) -> str:
    """What attempts from an address are counted by: one subscriber of IPv6 has a whole /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
