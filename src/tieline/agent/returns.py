"""What a customer's function may return, read strictly: a wrong type is an error that names the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tieline.agent.conversation import METHOD_KEYS, MissingHandoff, find_destination, to_header_values
from tieline.agent.messages import DtmfListen, Listen
from tieline.model.handoff import Destination, HandoffMethod

CHANNELS = ("SPEECH", "DTMF", "SPEECH_AND_DTMF")
"""What `listen.channel` may be."""
KEYPAD = frozenset("0123456789*#ABCD")
"""The keys a telephone can send."""
MAX_DIGITS = 64
MAX_TIMEOUT_S = 600.0


class BadReturn(Exception):
    """A function returned something that is not in the contract; the message names the key."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """The `transition` key."""

    goto_flow: str | None = None
    goto_step: str | None = None
    exit_flow: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A function's return value, read. None means that the key was not given.

    `handoff` is the JSON shape of a HandoffRequest. `notes` are things to log: settings without effect.
    """

    content: str | None = None
    utterance: str | None = None
    end_turn: bool | None = None
    handoff: dict[str, Any] | None = None
    hangup: bool = False
    listen: Listen | None = None
    variant: str | None = None
    transition: Transition | None = None
    notes: tuple[str, ...] = ()


NOTHING = Reply()


def read_return(value: Any, destinations: tuple[Destination, ...]) -> Reply:
    """Read a function's return value. Raises `BadReturn`."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return Reply(content=value)
    if not isinstance(value, dict):
        kind = type(value).__name__
        hint = "; functions are synchronous" if kind in {"coroutine", "async_generator"} else ""
        raise BadReturn(f"A function returns None, text or a dict, not {kind}{hint}.")
    fields: dict[str, Any] = {}
    notes: list[str] = []
    for key, item in value.items():
        reader = READERS.get(key)
        if reader is None:
            raise BadReturn(f"The key {key!r} is unknown. Known: {', '.join(READERS)}.")
        if item is not None:
            reader(item, fields, notes, destinations)
    return Reply(**fields, notes=tuple(notes))


Reader = Callable[[Any, dict[str, Any], list[str], tuple[Destination, ...]], None]


def _text(key: str) -> Reader:
    def read(item: Any, fields: dict[str, Any], _notes: list[str], _known: tuple[Destination, ...]) -> None:
        fields[key] = _expect(item, str, key)

    return read


def _flag(key: str) -> Reader:
    def read(item: Any, fields: dict[str, Any], _notes: list[str], _known: tuple[Destination, ...]) -> None:
        fields[key] = _expect(item, bool, key)

    return read


def _read_channel(
    item: Any, _fields: dict[str, Any], _notes: list[str], _known: tuple[Destination, ...]
) -> None:
    if item == "DTMF":
        raise BadReturn("utterance_channel DTMF is not in this release: utterances are spoken.")
    if item != "SPEECH":
        raise BadReturn(f"utterance_channel must be SPEECH or DTMF, not {item!r}.")


def _read_transition(
    item: Any, fields: dict[str, Any], _notes: list[str], _known: tuple[Destination, ...]
) -> None:
    members = _members(item, "transition", ("goto_flow", "goto_step", "exit_flow"))
    goto_flow, goto_step, leave = (members.get(key) for key in ("goto_flow", "goto_step", "exit_flow"))
    fields["transition"] = Transition(
        goto_flow=None if goto_flow is None else _expect(goto_flow, str, "transition.goto_flow"),
        goto_step=None if goto_step is None else _expect(goto_step, str, "transition.goto_step"),
        exit_flow=leave is not None and _expect(leave, bool, "transition.exit_flow"),
    )


def _read_handoff(
    item: Any, fields: dict[str, Any], _notes: list[str], known: tuple[Destination, ...]
) -> None:
    if item is False:
        return
    if item is True:
        fields["handoff"] = {"destination": _find_name("default", known)}
        return
    members = _members(item, "handoff", ("type", "reason", "utterance", *METHOD_KEYS))
    request: dict[str, Any] = {}
    for key in ("reason", "utterance"):
        if members.get(key) is not None:
            request[key] = _expect(members[key], str, f"handoff.{key}")
    methods = [key for key in METHOD_KEYS if members.get(key) is not None]
    name = members.get("type")
    if name is not None:
        _expect(name, str, "handoff.type")
    if len(methods) > 1:
        raise BadReturn(f"handoff gives {' and '.join(methods)}; one method is possible.")
    if not methods and name in METHOD_KEYS and name not in {destination.name for destination in known}:
        methods, members = [name], {**members, name: {}}
    if methods:
        request.update(_read_method(methods[0], members[methods[0]]))
        if name in {destination.name for destination in known}:
            request["destination"] = name
    else:
        request["destination"] = _find_name(name or "default", known)
    fields["handoff"] = request


def _find_name(name: str, known: tuple[Destination, ...]) -> str:
    try:
        return find_destination(known, name).name
    except MissingHandoff as error:
        raise BadReturn(f"handoff: {error}") from None


METHOD_FIELDS = {
    HandoffMethod.REFER: ("phone_number", "refer_to", "sip_headers"),
    HandoffMethod.INVITE: ("phone_number", "outbound_caller_id", "outbound_endpoint", "sip_headers"),
    HandoffMethod.BYE: ("sip_headers",),
}
"""What each method's dict may hold."""
REQUEST_FIELDS = {
    "phone_number": "route",
    "refer_to": "refer_to",
    "outbound_caller_id": "outbound_caller_id",
    "outbound_endpoint": "outbound_endpoint",
}
"""Members that are text, and the fields of the request that they become."""


def _read_method(key: str, item: Any) -> dict[str, Any]:
    method = HandoffMethod(key)
    members = _members(item, f"handoff.{key}", METHOD_FIELDS[method])
    try:
        headers = to_header_values(members.get("sip_headers") or {}, f"handoff.{key}")
    except TypeError as error:
        raise BadReturn(str(error)) from None
    request: dict[str, Any] = {"method": key, "sip_headers": headers}
    for member, field in REQUEST_FIELDS.items():
        if members.get(member) is not None:
            request[field] = _expect(members[member], str, f"handoff.{key}.{member}")
    return request


def _read_listen(
    item: Any, fields: dict[str, Any], notes: list[str], _known: tuple[Destination, ...]
) -> None:
    if isinstance(item, bool):
        fields["listen"] = Listen(listen=item)
        return
    members = _members(item, "listen", ("listen", "asr", "dtmf", "channel", "barge_in"))
    for key in ("asr", "barge_in"):
        if members.get(key) is not None:
            _expect(members[key], dict, f"listen.{key}")
            notes.append(f"listen.{key} has no effect in this release.")
    channel = members.get("channel")
    if channel is not None and channel not in CHANNELS:
        raise BadReturn(f"listen.channel must be one of {', '.join(CHANNELS)}, not {channel!r}.")
    if channel == "SPEECH":
        notes.append("listen.channel SPEECH hears nothing in this release: only the keypad is listened to.")
    on = members.get("listen")
    dtmf = members.get("dtmf")
    fields["listen"] = Listen(
        listen=True if on is None else _expect(on, bool, "listen.listen"),
        channel=channel or "DTMF",
        dtmf=DtmfListen() if dtmf is None else _read_dtmf(dtmf),
    )


def _read_dtmf(item: Any) -> DtmfListen:
    names = ("num_digits", "first_digit_timeout", "inter_digit_timeout", "finish_on_key")
    members = _members(item, "listen.dtmf", (*names, "early_listening", "is_pii"))
    given: dict[str, Any] = {}
    digits = members.get("num_digits")
    if digits is not None:
        if type(digits) is not int or not 1 <= digits <= MAX_DIGITS:
            raise BadReturn(
                f"listen.dtmf.num_digits must be a whole number from 1 to {MAX_DIGITS}, not {digits!r}."
            )
        given["num_digits"] = digits
    for key in ("first_digit_timeout", "inter_digit_timeout"):
        seconds = members.get(key)
        if seconds is not None:
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0 < seconds <= MAX_TIMEOUT_S
            ):
                raise BadReturn(
                    f"listen.dtmf.{key} must be seconds above 0 and up to {MAX_TIMEOUT_S:.0f}, not {seconds!r}."
                )
            given[key] = float(seconds)
    if "finish_on_key" in members:
        key = members["finish_on_key"]
        if key not in (None, "") and (not isinstance(key, str) or key.upper() not in KEYPAD):
            raise BadReturn(
                f"listen.dtmf.finish_on_key must be one key (0-9, *, #, A-D) or None, not {key!r}."
            )
        given["finish_on_key"] = key.upper() if key else None
    for key in ("early_listening", "is_pii"):
        if members.get(key) is not None:
            given[key] = _expect(members[key], bool, f"listen.dtmf.{key}")
    return DtmfListen(**given)


def _expect(item: Any, kind: type, key: str) -> Any:
    if not isinstance(item, kind):
        words = {str: "text", bool: "True or False", dict: "a dict"}
        raise BadReturn(f"{key} must be {words[kind]}, not {type(item).__name__}.")
    return item


def _members(item: Any, key: str, known: tuple[str, ...]) -> dict[str, Any]:
    _expect(item, dict, key)
    for name in item:
        if name not in known:
            raise BadReturn(f"{key}.{name} is unknown or not in this release. Known: {', '.join(known)}.")
    return dict(item)


READERS: dict[str, Reader] = {
    "content": _text("content"),
    "utterance": _text("utterance"),
    "utterance_channel": _read_channel,
    "end_turn": _flag("end_turn"),
    "handoff": _read_handoff,
    "hangup": _flag("hangup"),
    "listen": _read_listen,
    "variant": _text("variant"),
    "transition": _read_transition,
}
"""Every key a returned dict may have."""
