"""What the admin functions refuse, beyond the errors that every part shares."""

from __future__ import annotations

from dataclasses import dataclass

from tieline.errors import InvalidInput, TielineError, Unavailable
from tieline.model.user import Right


class Forbidden(TielineError):
    """Whoever acts lacks the right, or the thing is not of their account."""

    code = "forbidden"

    def __init__(self, message: str, *, right: Right | None = None) -> None:
        super().__init__(message, right=right)
        self.right = right


class SignedOut(TielineError):
    """Whoever acts is not signed in, or not any more."""

    code = "signed_out"


class SignInRefused(TielineError):
    """The e-mail address and the password do not go together; nothing says which of them is wrong."""

    code = "sign_in_refused"


class TooManyAttempts(Unavailable):
    """Sign-in failed too often, from that address or for that person."""

    code = "too_many_attempts"


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field; `field` is its path within the resource, such as `handoffs[1].sip_config`."""

    field: str
    message: str


class InvalidFields(InvalidInput):
    """A resource as asked for breaks rules; every one of them is in `faults`."""

    code = "invalid_fields"

    def __init__(self, faults: tuple[FieldFault, ...]) -> None:
        super().__init__("; ".join(f"{one.field}: {one.message}" for one in faults))
        self.faults = faults

    def of(self, field: str) -> list[str]:
        """What is wrong with a field and what is below it."""
        return [
            one.message
            for one in self.faults
            if one.field == field or one.field.startswith((f"{field}.", f"{field}["))
        ]
