"""The fields of a project's handoffs: destinations, how each is reached, its ladder, and what Get Handoff exposes."""

from __future__ import annotations

from typing import Any

from tieline.handoff.headers import name_fault, value_fault
from tieline.model.handoff import (
    Destination,
    HandoffApi,
    HandoffMethod,
    RingSound,
    Rung,
    SipConfig,
    SipHeader,
)
from tieline.resources.reader import (
    FAULTY,
    Draft,
    Field,
    Reader,
    boolean,
    choice,
    long_text,
    mapping,
    name,
    named_once,
    number,
    record,
    several,
    text,
)
from tieline.resources.values import keypad_key
from tieline.resources.yaml_tree import Value

ENCRYPTIONS = ("TLS/SRTP", "UDP/RTP")
"""What `outbound_encryption` may say."""


_METHODS = ", ".join(HandoffMethod)
_method = choice(HandoffMethod)


def _encryption(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if isinstance(found, str) and found not in ENCRYPTIONS:
        return reader.fault(value.line, path, f"{found[:32]!r} is not {' or '.join(ENCRYPTIONS)}")
    return found


def _destination_name(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if isinstance(found, str) and not found.strip():
        return reader.fault(value.line, path, "is empty")
    return found


HEADER_FIELDS = (
    Field("key", "text", "Header name; custom names should begin with `X-`.", text, required=True),
    Field("value", "text", "Value; `$name` is filled from the conversation's state.", text, required=True),
)


def _check_header(reader: Reader, draft: Draft, path: str) -> Any:
    for field, fault_of in (("key", name_fault), ("value", value_fault)):
        fault = fault_of(draft.values[field])
        if fault is not None:
            return reader.fault(draft.line_of(field), f"{path}.{field}", fault)
    return None


RUNG_FIELDS = (
    Field("destination", "text", "Another destination; this one without it.", text),
    Field("method", _METHODS, "The method; the destination's own without it.", _method),
)


def _check_rung(reader: Reader, draft: Draft, path: str) -> Any:
    if not draft.values:
        return reader.fault(draft.line, path, "names neither a destination nor a method")
    return None


_rung_in_full = record(Rung, RUNG_FIELDS, "fallback", _check_rung)


def _rung(reader: Reader, value: Value, path: str) -> Any:
    """One step of a ladder: a method's name, or a mapping with a destination, a method, or both."""
    if value.kind == "mapping":
        return _rung_in_full(reader, value, path)
    if value.text is not None and value.text not in list(HandoffMethod):
        problem = f"no method ({_METHODS}); another destination is written `destination: {value.text[:64]}`"
        return reader.fault(value.line, path, f"{value.text[:64]!r} is {problem}")
    found = _method(reader, value, path)
    return FAULTY if found is FAULTY else Rung(method=found)


SIP_CONFIG_FIELDS = (
    Field("method", _METHODS, "How the caller is given away.", _method, required=True),
    Field("phone_number", "text", "Route: SIP URI, `tel:` URI, E.164 number or extension; none for `bye`.", text),
    Field("outbound_endpoint", "name", "Trunk that carries the new leg of an `invite`; the caller's own without it.",
          name),
    Field("outbound_encryption", "TLS/SRTP or UDP/RTP", "Encryption of the new leg of an `invite` (TLS/SRTP).",
          _encryption),
    Field("outbound_caller_id", "text", "Number shown to the human of an `invite`; the caller's own without it.",
          text),
    Field("ring_timeout_s", "seconds", "How long an `invite` may ring (30).", number(1, 600)),
    Field("ring_sound", "tone, early_media or silence", "What the caller hears while it rings (early_media).",
          choice(RingSound)),
    Field("whisper", "text", "Spoken to the human of an `invite` before the two are joined.", long_text),
    Field("accept_key", "key", "Key that the human presses to take the call; none is asked for without it.",
          keypad_key),
    Field("accept_timeout_s", "seconds", "How long that key is waited for, after the whisper (15).", number(1, 300)),
)  # fmt: skip
DESTINATION_FIELDS = (
    Field("name", "text", "Name by which the agent asks for it; matched exactly.", _destination_name, required=True),
    Field("description", "text", "What it is for.", long_text),
    Field("is_default", "true or false", "The default destination; else the folder's, or the first one.", boolean),
    Field("sip_config", "mapping", "How it is reached.", record(SipConfig, SIP_CONFIG_FIELDS, "sip_config"),
          required=True),
    Field("sip_headers", "list of key and value", "Headers sent with the handoff.",
          several(record(SipHeader, HEADER_FIELDS, "header", _check_header))),
    Field("fallback", "list", "What is tried when it fails, in turn; the ladder of the trunk's profile without it, "
          "`[]` for nothing.", several(_rung)),
    Field("between", "text", "Spoken to the caller between two tries.", long_text),
)  # fmt: skip
HANDOFF_API_FIELDS = (
    Field("state_keys", "list of text", "State keys that Get Handoff exposes.", several(text)),
    Field("aliases", "mapping of text", "Public name of a state key.", mapping(text)),
    Field("shared_id_state_key", "text", "State key that holds the shared id.", text),
)


def _check_exposed(reader: Reader, draft: Draft, path: str) -> Any:
    aliases = draft.values.get("aliases", {})
    public = [aliases.get(key, key) for key in draft.values.get("state_keys", ())]
    repeated = next((one for one in public if public.count(one) > 1), None)
    if repeated is not None:
        return reader.fault(draft.line, path, f"two keys would be exposed as {repeated!r}")
    return None


destination = record(Destination, DESTINATION_FIELDS, "destination")
"""One destination."""

handoff_api = record(HandoffApi, HANDOFF_API_FIELDS, "handoff_api", _check_exposed)
"""What Get Handoff exposes: no two keys under one name."""


def destinations(reader: Reader, value: Value, path: str) -> Any:
    """Destinations: names once, one default (the first when none is marked)."""
    found = named_once(destination, "destination")(reader, value, path)
    if found is not FAULTY and sum(one.is_default for one in found) > 1:
        return reader.fault(value.line, path, "more than one destination is the default")
    return found
