"""How a route of the admin API is declared: by a function whose signature says what is taken and answered.

    trunks = Noun("telephony")

    @trunks.get("/trunks/{trunk}/entries")
    async def list_trunk_entries(call: Call, trunk: str) -> Sequence[Entry]:
        \"\"\"What to enter at the other side.\"\"\"

Parameters of the path are text. `query` and `body` are records; a body may be a plain mapping for a resource's fields,
or text. A sequence is answered as `{"items": [...]}`, None as `{"done": true}`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tieline.admin.app import Admin
from tieline.http.admin.shapes import Altered, Done, Items
from tieline.model.principal import Principal
from tieline.resources.plan import Plan

PREFIX = "/v1/admin"
"""Where the admin API is."""

JSON = "application/json"

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and what there is to ask."""

    who: Principal
    admin: Admin

    def altered(self, plan: Plan) -> Altered:
        """What of a plan is told."""
        return Altered(changes=plan.changes, remarks=plan.remarks, issued=plan.issued)


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """One route: `path` is whole, `name` the operation id, `right` what it takes besides the scope `admin`.

    `query` and `body` are the types of what is taken, None where nothing is; `answer` is that of what is answered.
    """

    method: str
    path: str
    name: str
    summary: str
    right: str
    handler: Callable[..., Awaitable[Any]]
    query: Any
    body: Any
    answer: Any
    media_type: str

    @property
    def parts(self) -> list[str]:
        """The parameters of the path, in order."""
        return re.findall(r"{(\w+)}", self.path)

    def packed(self, found: Any) -> Any:
        """What the function has returned, as it is answered."""
        if found is None:
            return Done()
        return Items(items=found) if typing.get_origin(self.answer) is Items else found


@dataclass(slots=True)
class Noun:
    """The routes of one noun, in the order in which they are written; `change` is the right that changes take."""

    change: str
    routes: list[AdminRoute] = field(default_factory=list)

    def get(self, path: str, *, right: str = "look", media_type: str = JSON) -> Callable[[Handler], Handler]:
        """A route that changes nothing."""
        return self._add("GET", path, right, media_type)

    def post(self, path: str, *, right: str | None = None) -> Callable[[Handler], Handler]:
        """A route that makes something, or does something."""
        return self._add("POST", path, right)

    def patch(self, path: str, *, right: str | None = None) -> Callable[[Handler], Handler]:
        """A route that changes what its body names."""
        return self._add("PATCH", path, right)

    def put(self, path: str, *, right: str | None = None) -> Callable[[Handler], Handler]:
        """A route that puts its body in the place of what is there."""
        return self._add("PUT", path, right)

    def delete(self, path: str, *, right: str | None = None) -> Callable[[Handler], Handler]:
        """A route that takes something away."""
        return self._add("DELETE", path, right)

    def _add(
        self, method: str, path: str, right: str | None, media_type: str = JSON
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            hints = typing.get_type_hints(handler)
            route = AdminRoute(
                method=method,
                path=f"{PREFIX}{path}",
                name=handler.__name__,
                summary=" ".join((inspect.getdoc(handler) or "").split()),
                right=right or self.change,
                handler=handler,
                query=hints.get("query"),
                body=hints.get("body"),
                answer=_answer(hints["return"]),
                media_type=media_type,
            )
            takes = hints.keys() - {"call", "query", "body", "return"}
            if takes != set(route.parts):
                message = f"{handler.__name__} takes {sorted(takes)}, which its path has not"
                raise ValueError(message)
            self.routes.append(route)
            return handler

        return add


def _answer(kind: Any) -> Any:
    if kind is type(None):
        return Done
    if typing.get_origin(kind) is Sequence:
        return Items[typing.get_args(kind)[0]]  # type: ignore[misc]
    return kind
