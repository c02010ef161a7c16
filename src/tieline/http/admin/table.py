"""What a route of the admin API is, and what its handler is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from tieline.admin.app import Admin
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.errors import InvalidInput
from tieline.model.principal import Principal

PREFIX = "/v1/admin"
"""Where the admin API is."""

MOST_LISTED = 500
"""Most that one answer lists."""

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who asks, and what its path, its query and its JSON body say."""

    admin: Admin
    who: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]

    def text(self, name: str) -> str | None:
        """A parameter of the query; None when it is not there or empty."""
        return self.query.get(name) or None

    def limit(self, default: int = 100) -> int:
        """How many are asked for. Raises `InvalidInput`."""
        given = self.text("limit")
        if given is None:
            return default
        if not (given.isascii() and given.isdigit()) or len(given) > 6 or not 1 <= int(given) <= MOST_LISTED:
            raise InvalidInput(f"`limit` must be a whole number from 1 to {MOST_LISTED}")
        return int(given)

    def flag(self, name: str) -> bool:
        """Whether a parameter of the query is `true`. Raises `InvalidInput` for what is neither."""
        given = self.text(name)
        if given not in {None, "true", "false"}:
            raise InvalidInput(f"`{name}` must be true or false")
        return given == "true"

    def word(self, name: str, words: type[Word]) -> Word | None:
        """One of a closed list. Raises `InvalidInput`."""
        given = self.text(name)
        try:
            return None if given is None else words(given)
        except ValueError:
            raise InvalidInput(f"`{name}` must be one of {', '.join(words)}") from None

    def time(self, name: str) -> datetime | None:
        """An ISO 8601 time with its zone. Raises `InvalidInput`."""
        given = self.text(name)
        try:
            found = None if given is None else datetime.fromisoformat(given.replace(" ", "+"))
        except ValueError:
            found = None
        if given is not None and (found is None or found.tzinfo is None):
            raise InvalidInput(f"`{name}` must be a time with its zone, like 2027-01-31T12:00:00Z")
        return found

    def only(self, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
        """The body's members, of these names and types alone. Raises `InvalidFields`."""
        faults = [FieldFault(name, "there is no such field") for name in self.body if name not in kinds]
        for name, kind in kinds.items():
            if self.body.get(name) is not None and not isinstance(self.body[name], kind):
                faults.append(FieldFault(name, "is of another type"))
        if faults:
            raise InvalidFields(tuple(faults))
        return {name: value for name, value in self.body.items() if value is not None}


Handle = Callable[[Asked], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    description: str
    kind: str = "string"


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """One route: `path` goes on from the prefix, `name` is the operation id, `right` what it takes besides `admin`.

    `answer` is the type of what is answered, as it is documented; `body` names the members of the request's body,
    `takes` its type where it is a record.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Handle
    right: str
    answer: Any = None
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, str] | None = None
    media_type: str = "application/json"
    takes: Any = None


LIMIT = Parameter("limit", f"At most so many, 1 to {MOST_LISTED}.", "integer")
BEFORE = Parameter("before", "Only what is older than this ISO 8601 time.")


@dataclass(frozen=True, slots=True)
class Done:
    """What is answered where there is nothing to tell."""

    done: bool = True
