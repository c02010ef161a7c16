"""Every kind of resource and every field it has: the table behind `tieline apply` and its reference page."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from tieline.handoff.headers import name_fault, value_fault
from tieline.model.handoff import (
    SUPPORTED_METHODS,
    Destination,
    HandoffApi,
    HandoffMethod,
    SipConfig,
    SipHeader,
)
from tieline.model.pool import CallerPolicy, LatePolicy
from tieline.model.project import Environment, Scope
from tieline.model.trunk import NumberSource
from tieline.resources.reader import (
    FAULTY,
    Field,
    Reader,
    boolean,
    choice,
    from_env,
    long_text,
    mapping,
    moment,
    name,
    number,
    numbers,
    several,
    text,
)
from tieline.resources.yaml_tree import Value

_HASH = re.compile(r"[0-9a-f]{64}")


def _network(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if not isinstance(found, str):
        return FAULTY
    try:
        return str(ipaddress.ip_network(found, strict=False))
    except ValueError:
        return reader.fault(value.line, path, f"{found!r} is not an address or network like 192.0.2.0/24")


def _header_name(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if isinstance(found, str) and not re.fullmatch(r"[A-Za-z0-9\-.!%*_+`'~]+", found):
        return reader.fault(value.line, path, f"{found[:64]!r} is not a SIP header name")
    return found


def _region(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if isinstance(found, str) and not re.fullmatch(r"[A-Z]{2}", found):
        return reader.fault(value.line, path, f"{found[:16]!r} is not a country code like US or DE")
    return found


def _hash(reader: Reader, value: Value, path: str) -> Any:
    found = text(reader, value, path)
    if isinstance(found, str) and not _HASH.fullmatch(found):
        return reader.fault(value.line, path, "must be a SHA-256 in hex, as `tieline export` writes it")
    return found


def _secret(reader: Reader, value: Value, path: str) -> Any:
    """A secret for the agent: text, or `{value_from_env: NAME}`."""
    if value.kind == "mapping":
        draft = reader.fields(value, _SECRET, path, "secret")
        return draft.values["value_from_env"] if draft is not None else FAULTY
    return long_text(reader, value, path)


def _method(reader: Reader, value: Value, path: str) -> Any:
    found = choice(HandoffMethod)(reader, value, path)
    if isinstance(found, HandoffMethod) and found not in SUPPORTED_METHODS:
        able = ", ".join(sorted(SUPPORTED_METHODS))
        return reader.fault(value.line, path, f"{found} is not available in this release (available: {able})")
    return found


def _header(reader: Reader, value: Value, path: str) -> Any:
    draft = reader.fields(value, HEADER_FIELDS, path, "header")
    if draft is None or FAULTY in draft.values.values():
        return FAULTY
    fault = name_fault(draft.values["key"])
    if fault is not None:
        return reader.fault(draft.line_of("key"), f"{path}.key", fault)
    fault = value_fault(draft.values["value"])
    if fault is not None:
        return reader.fault(draft.line_of("value"), f"{path}.value", fault)
    return SipHeader(key=draft.values["key"], value=draft.values["value"])


def _sip_config(reader: Reader, value: Value, path: str) -> Any:
    draft = reader.fields(value, SIP_CONFIG_FIELDS, path, "sip_config")
    if draft is None or FAULTY in draft.values.values():
        return FAULTY
    return SipConfig(**draft.values)


def _destination(reader: Reader, value: Value, path: str) -> Any:
    draft = reader.fields(value, DESTINATION_FIELDS, path, "destination")
    if draft is None or FAULTY in draft.values.values():
        return FAULTY
    return Destination(**draft.values)


def _handoffs(reader: Reader, value: Value, path: str) -> Any:
    """Destinations: names once, one default (the first when none is marked)."""
    found = several(_destination)(reader, value, path)
    if found is FAULTY:
        return FAULTY
    names = [one.name for one in found]
    repeated = next((one for one in names if names.count(one) > 1), None)
    if repeated is not None:
        return reader.fault(value.line, path, f"the destination {repeated!r} is given twice")
    if sum(one.is_default for one in found) > 1:
        return reader.fault(value.line, path, "more than one destination is the default")
    return found


def _handoff_api(reader: Reader, value: Value, path: str) -> Any:
    draft = reader.fields(value, HANDOFF_API_FIELDS, path, "handoff_api")
    if draft is None or FAULTY in draft.values.values():
        return FAULTY
    aliases = draft.values.get("aliases", {})
    public = [aliases.get(key, key) for key in draft.values.get("state_keys", ())]
    repeated = next((one for one in public if public.count(one) > 1), None)
    if repeated is not None:
        return reader.fault(value.line, path, f"two keys would be exposed as {repeated!r}")
    return HandoffApi(**draft.values)


_SECRET = (
    Field("value_from_env", "text", "Environment variable that holds the value.", from_env, required=True),
)

HEADER_FIELDS = (
    Field("key", "text", "Header name; custom names should begin with `X-`.", text, required=True),
    Field("value", "text", "Value; `$name` is filled from the conversation's state.", text, required=True),
)
SIP_CONFIG_FIELDS = (
    Field("method", "bye", "How the caller is given away; this release has `bye`.", _method, required=True),
    Field("phone_number", "text", "Route: SIP URI, E.164 number or extension; none for `bye`.", text),
    Field("outbound_endpoint", "name", "Trunk that carries the new leg of an `invite`.", name),
    Field("outbound_encryption", "text", "`TLS/SRTP` or `UDP/RTP`, for an `invite`.", text),
)
DESTINATION_FIELDS = (
    Field("name", "text", "Name by which the agent asks for it; matched exactly.", text, required=True),
    Field("description", "text", "What it is for.", long_text),
    Field("is_default", "true or false", "The default destination; the first one without it.", boolean),
    Field("sip_config", "mapping", "How it is reached.", _sip_config, required=True),
    Field("sip_headers", "list of key and value", "Headers sent with the handoff.", several(_header)),
)
HANDOFF_API_FIELDS = (
    Field("state_keys", "list of text", "State keys that Get Handoff exposes.", several(text)),
    Field("aliases", "mapping of text", "Public name of a state key.", mapping(text)),
    Field("shared_id_state_key", "text", "State key that holds the shared id.", text),
)

ACCOUNT_FIELDS = (
    Field("slug", "name", "Name in URLs, and in this file.", name, required=True),
    Field("id", "name", "Id in URLs; `ws-` and the slug without it.", name),
    Field("name", "text", "Name for people.", text),
)
PROJECT_FIELDS = (
    Field("slug", "name", "Name in URLs, and in this file.", name, required=True),
    Field("id", "name", "Id in URLs; `PROJECT-` and the slug without it.", name),
    Field("account", "name", "Its account; may be left out when there is only one.", name),
    Field("name", "text", "Name for people.", text),
    Field("path", "path", "The agent project's folder, relative to this file.", text),
    Field("env", "sandbox, pre-release or live", "Environment that the agent sees.", choice(Environment)),
    Field("numbers", "list of numbers", "Numbers and extensions that route here without a reservation.", numbers),
    Field("answer_only", "true or false", "Answer and hold calls, without an agent.", boolean),
    Field("handoffs", "list of destinations", "Destinations; laid over those of the folder by name.", _handoffs),
    Field("fallback_handoff", "text", "Destination when the agent fails; else the default one.", text),
    Field("handoff_api", "mapping", "What Get Handoff exposes.", _handoff_api),
    Field("secrets", "mapping of secrets", "What `conv.utils.get_secret` finds: text, or `{value_from_env: NAME}`.",
          mapping(_secret)),
)  # fmt: skip
POOL_FIELDS = (
    Field("name", "name", "The pool's name.", name, required=True),
    Field("project", "name", "The project whose callers it serves.", name, required=True),
    Field("numbers", "list of numbers and ranges", "Its numbers; a range is `+15550100-+15550199`.", numbers,
          required=True),
    Field("trunks", "list of names", "Trunks whose calls it accepts, and trusts; any of the account without it.",
          several(name)),
    Field("ttl_s", "seconds", "How long a reservation holds a number (60).", number(1, 86400)),
    Field("min_ttl_s", "seconds", "Shortest time a client may ask for (5).", number(1, 86400)),
    Field("max_ttl_s", "seconds", "Longest time a client may ask for (180).", number(1, 86400)),
    Field("claim_cooldown_s", "seconds", "Rest of a number after its caller came (5).", number(0, 86400)),
    Field("expiry_cooldown_s", "seconds", "Rest of a number that nobody called (60).", number(0, 86400)),
    Field("setup_grace_s", "seconds", "Time left at least when a call fails before its answer (32).",
          number(0, 86400)),
    Field("caller_policy", "off, lenient or strict", "How the caller is compared with the expected one (lenient).",
          choice(CallerPolicy)),
    Field("late_policy", "matched, always or never", "Whether a late call gets its attributes (matched).",
          choice(LatePolicy)),
)  # fmt: skip
TRUNK_FIELDS = (
    Field("name", "name", "The trunk's name.", name, required=True),
    Field("networks", "list of networks", "Source addresses of the peer, like `192.0.2.0/24`.",
          several(_network), required=True),
    Field("account", "name", "The only account it may reach; any without it.", name),
    Field("token_header", "header name", "Header that carries a SIP token (`X-PolyAi-Auth-Token`).", _header_name),
    Field("require_token", "true or false", "Refuse calls without a token.", boolean),
    Field("number_from", "request_uri, to or header", "Where the dialled number stands (request_uri).",
          choice(NumberSource)),
    Field("number_header", "header name", "The header, for `number_from: header`.", _header_name),
    Field("default_region", "country code", "Country that completes national numbers.", _region),
    Field("max_calls", "whole number", "Calls at one time.", number(1, 1e6, whole=True)),
    Field("max_cps", "number", "New calls in a second.", number(0.01, 1e6)),
    Field("attach_forwarded", "true or false", "Let forwarded calls have a reservation's attributes.", boolean),
    Field("shared_id_header", "header name", "Header whose value is the shared id.", _header_name),
    Field("advertised_host", "text", "Our address as this peer sees it.", text),
)  # fmt: skip
TOKEN_FIELDS = (
    Field("name", "name", "The token's name.", name, required=True),
    Field("project", "name", "The project that it chooses.", name, required=True),
    Field("value_from_env", "text", "Environment variable that holds the token; made and shown once without it.",
          from_env),
    Field("token_hash", "SHA-256", "Hash of a token made elsewhere, as `tieline export` writes it.", _hash),
    Field("prefix", "text", "How that token begins.", text),
)  # fmt: skip
KEY_FIELDS = (
    Field("name", "name", "The key's name.", name, required=True),
    Field("account", "name", "Its account; may be left out when there is only one.", name),
    Field("project", "name", "The project it is confined to; all of the account without it.", name),
    Field("scopes", "list of scopes", "What it may do.", several(choice(Scope)), required=True),
    Field("expires_at", "date or time", "When it stops working.", moment),
    Field("value_from_env", "text", "Environment variable that holds the key; made and shown once without it.",
          from_env),
    Field("key_hash", "SHA-256", "Hash of a key made elsewhere, as `tieline export` writes it.", _hash),
    Field("prefix", "text", "How that key begins.", text),
)  # fmt: skip

KINDS: dict[str, tuple[Field, ...]] = {
    "accounts": ACCOUNT_FIELDS,
    "projects": PROJECT_FIELDS,
    "pools": POOL_FIELDS,
    "trunks": TRUNK_FIELDS,
    "sip_tokens": TOKEN_FIELDS,
    "api_keys": KEY_FIELDS,
}
"""The sections of a resource file."""

NESTED: dict[str, tuple[Field, ...]] = {
    "handoffs": DESTINATION_FIELDS,
    "sip_config": SIP_CONFIG_FIELDS,
    "sip_headers": HEADER_FIELDS,
    "handoff_api": HANDOFF_API_FIELDS,
}
"""The mappings within a project."""

IDENTITY: dict[str, str] = {"accounts": "slug", "projects": "slug"}
"""The field that names a resource of a kind; `name` for the others."""


def identity_field(kind: str) -> str:
    """The field that names a resource of `kind`."""
    return IDENTITY.get(kind, "name")
