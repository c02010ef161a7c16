"""Routes written as functions: their signatures say what is taken and answered, and are checked by it.

    trunks = Noun("look")

    @trunks.get("/trunks/{trunk}/entries")
    async def list_trunk_entries(call: Call, trunk: str) -> Sequence[Entry]:
        \"\"\"What to enter at the other side.\"\"\"

Parameters of the path are text. `query` and `body` are records, or for a resource's fields a plain mapping; what they
do not know is refused. A sequence is answered as `{"items": [...]}`, None as `{"done": true}`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from tieline.admin.access import may_see
from tieline.admin.app import Admin
from tieline.admin.errors import FieldFault, InvalidFields
from tieline.http.admin.table import PREFIX, AdminRoute, Asked, Done, Parameter
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.resources.diff import Change
from tieline.resources.handoff_check import HandoffRemark
from tieline.resources.plan import Issued, Plan

Fields = Mapping[str, Any]
"""A resource's fields, by the names that a resource file has for them."""

FIELDS = {"...": "The fields, as [resource files](resources.md) have them."}

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])
One = TypeVar("One")

_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_PLACE = re.compile(r"^(?P<message>.*) - at `\$(?P<path>.*)`$", re.DOTALL)


class Shape(Record, forbid_unknown_fields=True):
    """Base of queries and bodies: what they do not know is refused."""


class Items(Record, Generic[One]):
    """A list."""

    items: Sequence[One]


class Altered(Record):
    """What has changed, what is to be said of handoffs, and secrets that were made: shown here and never again."""

    changes: tuple[Change, ...]
    remarks: tuple[HandoffRemark, ...] = ()
    issued: tuple[Issued, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and what there is to ask."""

    who: Principal
    admin: Admin

    def altered(self, plan: Plan) -> Altered:
        """A plan as they may see it: with remarks on their own projects alone."""
        return Altered(changes=plan.changes, remarks=own_remarks(self.who, plan), issued=plan.issued)


def own_remarks(who: Principal, plan: Plan) -> tuple[HandoffRemark, ...]:
    """The remarks of a plan on projects that they may see."""
    theirs = {one.slug for one in plan.resources.projects if may_see(who, plan.resources, one)}
    return tuple(one for one in plan.remarks if one.project in theirs)


@dataclass(slots=True)
class Noun:
    """The routes of one noun, in the order in which they are written; `change` is the right that changes take."""

    change: str
    routes: list[AdminRoute] = field(default_factory=list)

    def get(
        self, path: str, *, right: str = "look", media_type: str = "application/json"
    ) -> Callable[[Handler], Handler]:
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
        self, method: str, path: str, right: str | None, media_type: str = "application/json"
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            hints = typing.get_type_hints(handler)
            takes = set(inspect.signature(handler).parameters) - {"call", "query", "body"}
            if takes != set(re.findall(r"{(\w+)}", path)):
                message = f"{handler.__name__} takes {sorted(takes)}, which its path has not"
                raise ValueError(message)
            body = hints.get("body")
            self.routes.append(
                AdminRoute(
                    method=method,
                    path=f"{PREFIX}{path}",
                    name=handler.__name__,
                    summary=" ".join((inspect.getdoc(handler) or "").split()),
                    handle=_handle(handler, hints),
                    right=right or self.change,
                    answer=_answer(hints["return"]),
                    parameters=_parameters(hints.get("query")),
                    body=None if body is None else FIELDS if body == Fields else _members(body),
                    takes=None if body is None or body == Fields else body,
                    media_type=media_type,
                )
            )
            return handler

        return add


def _handle(
    handler: Callable[..., Awaitable[Any]], hints: Mapping[str, Any]
) -> Callable[[Asked], Awaitable[object]]:
    query, body = hints.get("query"), hints.get("body")
    listed = _is_list(hints["return"])

    async def handle(asked: Asked) -> object:
        arguments: dict[str, Any] = dict(asked.path)
        if query is not None:
            arguments["query"] = _convert(dict(asked.query), query, strict=False)
        elif asked.query:
            raise InvalidFields(tuple(FieldFault(name, "there is no such parameter") for name in asked.query))
        if body is not None:
            arguments["body"] = asked.body if body == Fields else _convert(asked.body, body, strict=True)
        found = await handler(Call(asked.who, asked.admin), **arguments)
        if found is None:
            return Done()
        return Items(items=found) if listed else found

    return handle


def _is_list(answer: Any) -> bool:
    return typing.get_origin(answer) is Sequence


def _answer(answer: Any) -> Any:
    if answer is type(None):
        return Done
    if _is_list(answer):
        return Items[typing.get_args(answer)[0]]  # type: ignore[misc]
    return answer


def _members(kind: Any) -> dict[str, str]:
    return {name: _words(one) for name, one in _properties(kind).items()}


def _parameters(kind: Any) -> tuple[Parameter, ...]:
    if kind is None:
        return ()
    return tuple(Parameter(name, _words(one), _kind(one)) for name, one in _properties(kind).items())


def _properties(kind: Any) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    found: dict[str, Any] = schema["$defs"][kind.__name__]["properties"]
    return {name: _resolved(one, schema["$defs"]) for name, one in found.items()}


def _resolved(one: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """A schema without references and without the null that stands for what is left out."""
    for inner in one.get("anyOf", ()):
        if inner.get("type") != "null":
            return {**_resolved(inner, defined), **{key: one[key] for key in ("default",) if key in one}}
    if "$ref" in one:
        return {**defined[one["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in one.items() if k != "$ref"}}
    return one


def _words(one: dict[str, Any]) -> str:
    if "enum" in one:
        return "One of " + ", ".join(str(word) for word in one["enum"]) + "."
    bounds = [
        f"{words} {one[key]}"
        for key, words in (("minimum", "at least"), ("maximum", "at most"))
        if key in one
    ]
    kind = one.get("format") or one.get("type") or "any"
    return f"{str(kind).capitalize()}{', ' if bounds else ''}{', '.join(bounds)}."


def _kind(one: dict[str, Any]) -> str:
    return str(one.get("type", "string"))


def _convert(value: Any, kind: Any, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidFields((_fault(str(error)),)) from None


def _fault(text: str) -> FieldFault:
    """A fault of msgspec's with its place as a path, such as `senders[0].number`."""
    placed = _PLACE.match(text)
    path = placed["path"].lstrip(".") if placed is not None else ""
    message = placed["message"] if placed is not None else text
    for pattern, words in ((_UNKNOWN, "there is no such field"), (_MISSING, "is missing")):
        found = pattern.match(message)
        if found is not None:
            return FieldFault(f"{path}.{found[1]}".lstrip("."), words)
    return FieldFault(path, message)
