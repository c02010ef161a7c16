"""The exception tree: every error carries fields, so that each edge can word it for its own readers.

`TielineError` and its children are expected conditions (a peer's or operator's mistake, an exhausted resource).
Anything else that escapes is a defect and is logged as one.
"""

from __future__ import annotations


class TielineError(Exception):
    """Base of every expected error. `code` is a stable word for scripts; `str(error)` is for people."""

    code = "error"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class InvalidInput(TielineError):
    """The request is malformed or breaks a rule; retrying it unchanged cannot help."""

    code = "invalid_input"


class NotFound(TielineError):
    """The named thing does not exist, or not for this caller."""

    code = "not_found"


class Conflict(TielineError):
    """The thing exists but is in a state that forbids the request."""

    code = "conflict"


class Unavailable(TielineError):
    """Temporarily refused; `retry_after_s` says when to come back."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **fields: object) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **fields)
        self.retry_after_s = retry_after_s


class SchemaTooNew(TielineError):
    """The database was written by a newer Tieline; starting would risk its contents."""

    code = "schema_too_new"


class ConfigurationError(TielineError):
    """A setting or resource file is wrong; fields name `file`, `line` and `field` where they are known."""

    code = "configuration"
