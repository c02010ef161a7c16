"""Every kind of resource and every field it has: the table behind `tieline apply` and its reference page."""

from __future__ import annotations

from tieline.model.environment import Environment
from tieline.model.pool import CallerPolicy, LatePolicy
from tieline.model.project import Scope
from tieline.resources.handoff_fields import (
    DESTINATION_FIELDS,
    HANDOFF_API_FIELDS,
    HEADER_FIELDS,
    RUNG_FIELDS,
    SIP_CONFIG_FIELDS,
    destinations,
    handoff_api,
)
from tieline.resources.outward_fields import (
    SMS_SENDER_FIELDS,
    SMS_TEMPLATE_FIELDS,
    TWILIO_FIELDS,
    TWILIO_NUMBER_FIELDS,
    WEBHOOK_FIELDS,
    sms_templates,
)
from tieline.resources.reader import (
    Field,
    boolean,
    choice,
    from_env,
    mapping,
    moment,
    name,
    number,
    numbers,
    several,
    text,
)
from tieline.resources.trunk_fields import TRUNK_FIELDS
from tieline.resources.values import secret, sha256

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
    Field("handoffs", "list of destinations", "Destinations; laid over those of the folder by name.", destinations),
    Field("fallback_handoff", "text", "Destination when the agent fails; else the default one.", text),
    Field("handoff_api", "mapping", "What Get Handoff exposes.", handoff_api),
    Field("sms_templates", "list of templates", "SMS templates; laid over those of the folder by name.", sms_templates),
    Field("secrets", "mapping of secrets", "What `conv.utils.get_secret` finds: text, or `{value_from_env: NAME}`.",
          mapping(secret)),
)  # fmt: skip
POOL_FIELDS = (
    Field("name", "name", "The pool's name.", name, required=True),
    Field("project", "name", "The project whose callers it serves.", name, required=True),
    Field("numbers", "list of numbers and ranges", "Its numbers; a range is `+15550100-+15550199`.", numbers,
          required=True),
    Field("trunks", "list of names",
          "Trunks and Twilio connections whose calls it takes; any of the account without it.",
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
TOKEN_FIELDS = (
    Field("name", "name", "The token's name.", name, required=True),
    Field("project", "name", "The project that it chooses.", name, required=True),
    Field("value_from_env", "text", "Environment variable that holds the token; made and shown once without it.",
          from_env),
    Field("token_hash", "SHA-256", "Hash of a token made elsewhere, as `tieline export` writes it.", sha256),
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
    Field("key_hash", "SHA-256", "Hash of a key made elsewhere, as `tieline export` writes it.", sha256),
    Field("prefix", "text", "How that key begins.", text),
)  # fmt: skip

KINDS: dict[str, tuple[Field, ...]] = {
    "accounts": ACCOUNT_FIELDS,
    "projects": PROJECT_FIELDS,
    "pools": POOL_FIELDS,
    "trunks": TRUNK_FIELDS,
    "sip_tokens": TOKEN_FIELDS,
    "api_keys": KEY_FIELDS,
    "webhooks": WEBHOOK_FIELDS,
    "twilio": TWILIO_FIELDS,
}
"""The sections of a resource file."""

NESTED: dict[str, tuple[Field, ...]] = {
    "handoffs": DESTINATION_FIELDS,
    "sip_config": SIP_CONFIG_FIELDS,
    "sip_headers": HEADER_FIELDS,
    "fallback": RUNG_FIELDS,
    "handoff_api": HANDOFF_API_FIELDS,
    "sms_templates": SMS_TEMPLATE_FIELDS,
    "senders": SMS_SENDER_FIELDS,
    "twilio.numbers": TWILIO_NUMBER_FIELDS,
}
"""The mappings within a project, and those of a Twilio connection."""

IDENTITY: dict[str, str] = {"accounts": "slug", "projects": "slug"}
"""The field that names a resource of a kind; `name` for the others."""


def identity_field(kind: str) -> str:
    """The field that names a resource of `kind`."""
    return IDENTITY.get(kind, "name")
