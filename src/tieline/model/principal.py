"""Who is acting: a person, an API key, or somebody at the server's own command line."""

from __future__ import annotations

from enum import StrEnum

from tieline.model.record import Record
from tieline.model.user import RIGHTS, Right, Role, User


class PrincipalKind(StrEnum):
    """What kind of somebody acts."""

    USER = "user"
    API_KEY = "api_key"
    COMMAND = "command"


class Principal(Record):
    """Who acts, what they may do, and where: `account` None means everywhere, `project` None all of the account's.

    `name` is what the audit log shows: a person's sign-in name, or a key's name. `address` is where they come from.
    """

    kind: PrincipalKind
    id: str
    name: str
    rights: frozenset[Right]
    account: str | None = None
    project: str | None = None
    address: str = ""

    def may(self, right: Right) -> bool:
        """Whether they have the right."""
        return right in self.rights

    def may_see(self, account: str | None, project: str | None = None) -> bool:
        """Whether what belongs to that account (None: to all of them) and project (id) is theirs to see."""
        if self.account is not None and account not in {None, self.account}:
            return False
        return self.project is None or project in {None, self.project}

    def may_change(self, account: str | None, project: str | None = None) -> bool:
        """Whether it is theirs to change, as far as the account goes: what belongs to all is only for those of all."""
        if self.account is not None and account != self.account:
            return False
        return self.project is None or project == self.project


def of_user(user: User, address: str = "") -> Principal:
    """The person as somebody who acts."""
    return Principal(
        kind=PrincipalKind.USER, id=user.id, name=user.email, rights=user.rights(), account=user.account,
        address=address,
    )  # fmt: skip


COMMAND_LINE = Principal(
    kind=PrincipalKind.COMMAND,
    id="command",
    name="command line",
    rights=RIGHTS[Role.OWNER] | {Right.PERSONAL_DATA},
)
"""Whoever can run commands on the server's own database may do everything."""
