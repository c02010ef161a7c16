"""People who sign in to the studio: roles, the rights each gives, sessions and one-time links."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from tieline.model.record import ConfidentialRecord, Record


class Role(StrEnum):
    """What a person is here for. Each role has the rights of those after it, and more."""

    OWNER = "owner"
    BUILDER = "builder"
    OPERATOR = "operator"
    READ_ONLY = "read-only"


class Right(StrEnum):
    """What one may do. `PERSONAL_DATA` comes with no role: it is given to each person by itself.

    It shows transcripts, attributes, headers, callers' numbers in full and recordings.
    """

    LOOK = "look"
    OPERATE = "operate"
    BUILD = "build"
    TELEPHONY = "telephony"
    SECRETS = "secrets"
    USERS = "users"
    PERSONAL_DATA = "personal_data"


_OPERATOR = frozenset({Right.LOOK, Right.OPERATE})
_BUILDER = _OPERATOR | {Right.BUILD, Right.TELEPHONY}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.READ_ONLY: frozenset({Right.LOOK}),
    Role.OPERATOR: _OPERATOR,
    Role.BUILDER: _BUILDER,
    Role.OWNER: _BUILDER | {Right.SECRETS, Right.USERS},
}
"""The rights of each role."""


ROLE_TEXTS: dict[Role, str] = {
    Role.OWNER: "everything, with people, keys, tokens and accounts",
    Role.BUILDER: "sets up projects, handoffs, messages, numbers, pools, trunks and Twilio",
    Role.OPERATOR: "watches calls, tries calls out, drains numbers",
    Role.READ_ONLY: "looks",
}
"""What somebody in each role does, in words."""

RIGHT_TEXTS: dict[Right, str] = {
    Right.LOOK: "see what is set up, and that there are calls",
    Right.OPERATE: "make test calls, reserve a number to try it, drain or disable one",
    Right.BUILD: "change projects, handoff destinations, messages and webhooks",
    Right.TELEPHONY: "change numbers, pools, trunks and the Twilio connection",
    Right.SECRETS: "make and revoke API keys and SIP tokens",
    Right.USERS: "invite and change people, read the audit log, change accounts",
    Right.PERSONAL_DATA: "see transcripts, attributes, headers, callers' numbers in full and recordings",
}
"""What each right is for, in words."""


class User(ConfidentialRecord):
    """A person. `account` None means every account of the installation; `email` is the sign-in name, lower case.

    `password_hash` is Argon2id in its PHC text form; None until the person has followed their one-time link.
    """

    hidden: ClassVar[tuple[str, ...]] = ("password_hash",)

    id: str
    email: str
    name: str
    role: Role
    personal_data: bool = False
    account: str | None = None
    password_hash: str | None = None
    disabled: bool = False
    created_at: datetime
    signed_in_at: datetime | None = None

    def rights(self) -> frozenset[Right]:
        """All that the person may do; nothing when disabled."""
        if self.disabled:
            return frozenset()
        return RIGHTS[self.role] | ({Right.PERSONAL_DATA} if self.personal_data else frozenset())


class UserSession(Record):
    """A browser that is signed in. The cookie holds the token, the store its SHA-256."""

    token_hash: str
    user_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    browser: str


class LinkPurpose(StrEnum):
    """What a one-time link is for."""

    FIRST_OWNER = "first_owner"
    INVITATION = "invitation"
    NEW_PASSWORD = "new_password"


class OneTimeLink(Record):
    """A link that makes a person, or gives them a new password, once. Kept as the SHA-256 of its token.

    `user_id` names the person that it is for; None for the first owner, who is made when the link is followed.
    """

    token_hash: str
    purpose: LinkPurpose
    user_id: str | None
    created_at: datetime
    expires_at: datetime


def is_owner_of_all(user: User) -> bool:
    """Whether the person can sign in and do everything everywhere. Where there is one, there is always one."""
    return (
        user.role is Role.OWNER
        and user.account is None
        and not user.disabled
        and user.password_hash is not None
    )
