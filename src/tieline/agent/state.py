"""The mappings a function sees: `conv.state`, `conv.sip_headers`, and what may be kept in the state.

State is JSON: it is stored after every turn, exposed by Get Handoff and put into headers. A value that JSON does
not have is refused when it is set, by name; one that is hidden by a later change inside a list or dict is found
when the function returns.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Nesting allowed in the state; a structure that contains itself is deeper than any limit."""
TOO_DEEP = f"is nested more than {MAX_DEPTH} deep, or contains itself."


class NotJson(TypeError):
    """A value in the state that JSON cannot hold; the message names the key."""


def to_json(value: Any, where: str) -> Any:
    """A deep copy of `value` in plain JSON types. Raises `NotJson`; `where` names the value, as in `conv.state.order`.

    Tuples become lists and subclasses (string enums, say) their base. NaN and the infinities, keys that are not text,
    text with half of a surrogate pair, and whatever JSON does not have are refused.
    """
    try:
        return _copy(value, 0)
    except _Fault as fault:
        place = where + "".join(reversed(fault.path))
        raise NotJson(f"{place[:120]} {fault.what}") from None


class _Fault(Exception):
    """A value that is not JSON; `path` grows on the way out, innermost first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _check_text(value)
    if value is None or kind is bool or kind is int:
        return value
    if isinstance(value, dict):
        return _copy_dict(value, depth)
    if isinstance(value, list | tuple):
        return _copy_list(value, depth)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise _Fault(f"is {value!r}, which JSON cannot hold.")
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return _check_text(str.__str__(value))
    raise _Fault(
        f"is a {kind.__module__}.{kind.__qualname__}; only JSON can be kept: text, numbers, true, false, None, lists "
        "and dicts with text keys."
    )


def _copy_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _Fault(TOO_DEEP)
    copy: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _Fault(f"has the key {key!r} of type {type(key).__name__}; keys must be text.")
        try:
            copy[_check_text(key)] = _copy(item, depth + 1)
        except _Fault as fault:
            fault.path.append(f".{key.encode('ascii', 'backslashreplace').decode()}")
            raise
    return copy


def _copy_list(value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        raise _Fault(TOO_DEEP)
    copy: list[Any] = []
    for index, item in enumerate(value):
        try:
            copy.append(_copy(item, depth + 1))
        except _Fault as fault:
            fault.path.append(f"[{index}]")
            raise
    return copy


def _check_text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Fault("holds text with half of a surrogate pair, which cannot be stored.") from None
    return text if type(text) is str else str.__str__(text)


class State(dict[str, Any]):
    """`conv.state`: a dict whose keys are also attributes.

    A missing key reads as None by attribute, as the default by `.get`, and raises `KeyError` by `[]`. Names of dict
    methods (`items`, `get`, ...) can only be read by `[]`.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        self.pop(name, None)

    def __setitem__(self, name: str, value: Any) -> None:
        to_json({name: value}, "conv.state")
        super().__setitem__(name, value)


class SipHeaders(dict[str, str]):
    """`conv.sip_headers`: a read-only dict, found by name in any case, listed in the spelling that arrived."""

    def __missing__(self, name: str) -> str:
        if isinstance(name, str):
            wanted = name.lower()
            for key, value in self.items():
                if key.lower() == wanted:
                    return value
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The header's value, or `default`."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("conv.sip_headers is what arrived with the call and cannot be changed.")

    __setitem__ = __delitem__ = pop = popitem = clear = update = setdefault = _refuse
