"""The fields of what reaches out of the server: webhook endpoints, Twilio connections, SMS templates."""

from __future__ import annotations

import re
from typing import Any

from tieline.model.environment import Environment
from tieline.model.sms import SmsSender, SmsTemplate
from tieline.model.twilio import CallPath, TwilioNumber
from tieline.model.webhook import EventType
from tieline.resources.reader import (
    Draft,
    Field,
    Reader,
    boolean,
    choice,
    long_text,
    mapping,
    moment,
    name,
    named_once,
    record,
    several,
    text,
)
from tieline.resources.values import matching, password

_SECRET = "text, or `{value_from_env: NAME}`"
_url = matching(re.compile(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?"), "an http or https URL")
_account_sid = matching(re.compile(r"AC[0-9a-fA-F]{32}"), "an Account SID (AC and 32 hex digits)")
_key_sid = matching(re.compile(r"SK[0-9a-fA-F]{32}"), "an API key SID (SK and 32 hex digits)")
_number_sid = matching(re.compile(r"PN[0-9a-fA-F]{32}"), "a phone number SID (PN and 32 hex digits)")
_service_sid = matching(re.compile(r"MG[0-9a-fA-F]{32}"), "a Messaging Service SID (MG and 32 hex digits)")
_e164 = matching(re.compile(r"\+[1-9]\d{1,14}"), "an E.164 number like +15550100")
_sms_sender = matching(re.compile(r"\+[1-9]\d{1,14}|\d{3,8}|[A-Za-z0-9 +\-_&]{1,11}"), "an SMS sender")

WEBHOOK_FIELDS = (
    Field("name", "name", "The endpoint's name.", name, required=True),
    Field("account", "name", "Its account; may be left out when there is only one.", name),
    Field("project", "name", "The only project whose events it gets; all of the account without it.", name),
    Field("url", "URL", "Where events are posted.", _url, required=True),
    Field("events", "list of event types", "The [events](webhooks.md) that it gets; all without it.",
          several(choice(EventType))),
    Field("secret", _SECRET, "Signing secret; made and shown once without it.", password),
    Field("previous_secret", _SECRET, "The secret before it, which signs too until `previous_until`.", password),
    Field("previous_until", "date or time", "When the previous secret stops signing.", moment),
    Field("disabled", "true or false", "Keep it, and send it nothing.", boolean),
    Field("allow_private", "true or false", "Let it be a private or loopback address, where the server's setting "
          "`webhooks.private_targets` allows that.", boolean),
)  # fmt: skip
TWILIO_NUMBER_FIELDS = (
    Field("number", "E.164 number", "The number.", _e164, required=True),
    Field("sid", "SID", "Its SID at Twilio (`PN...`).", _number_sid, required=True),
    Field("project", "name", "The project that takes its calls and messages; none for a number that is only in pools.",
          name),
    Field("env", "sandbox, pre-release or live", "Environment that the agent sees (live).", choice(Environment)),
    Field("path", "sip or media_stream", "How its calls come in: `<Dial><Sip>` or `<Connect><Stream>` (media_stream).",
          choice(CallPath)),
    Field("managed", "true or false", "Its webhooks at Twilio were set by us.", boolean),
    Field("previous", "mapping of texts", "What stood in the number's settings at Twilio that we changed, by Twilio's "
          "name for each; disconnecting puts it back.", mapping(text)),
)  # fmt: skip
TWILIO_FIELDS = (
    Field("name", "name", "The connection's name.", name, required=True),
    Field("account", "name", "Our account that it belongs to; may be left out when there is only one.", name),
    Field("account_sid", "SID", "Twilio's Account SID (`AC...`).", _account_sid, required=True),
    Field("auth_token", _SECRET, "Auth Token; verifies Twilio's webhooks. Encrypted at rest, never shown.", password),
    Field("api_key_sid", "SID", "API key (`SK...`) for requests, in place of the Auth Token.", _key_sid),
    Field("api_key_secret", _SECRET, "The API key's secret; encrypted at rest, never shown.", password),
    Field("region", "name", "Twilio region, like `ie1`; needs an edge.", name),
    Field("edge", "name", "Twilio edge, like `dublin`; needs a region.", name),
    Field("sip_username", "text", "Name sent in `<Sip>` for our digest challenge.", text),
    Field("sip_password", _SECRET, "Password that goes with it; encrypted at rest, never shown.", password),
    Field("numbers", "list of Twilio numbers", "The account's numbers that come to us.",
          several(record(TwilioNumber, TWILIO_NUMBER_FIELDS, "number"))),
)  # fmt: skip
SMS_SENDER_FIELDS = (
    Field("env", "sandbox, pre-release or live", "The environment.", choice(Environment), required=True),
    Field("number", "sender", "Number, short code or sender id that it sends from.", _sms_sender),
    Field("messaging_service_sid", "SID", "Messaging Service (`MG...`) that it sends through.", _service_sid),
)


def _check_sender(reader: Reader, draft: Draft, path: str) -> Any:
    if ("number" in draft.values) == ("messaging_service_sid" in draft.values):
        return reader.fault(draft.line, path, "needs a `number` or a `messaging_service_sid`, one of them")
    return None


SMS_TEMPLATE_FIELDS = (
    Field("name", "name", "The template's name.", name, required=True),
    Field("content", "text", "The text; `{{attr:name}}`, `{{vrbl:name}}` and `$name` are filled in.", long_text,
          required=True),
    Field("senders", "list of senders", "Who it comes from, by environment.",
          several(record(SmsSender, SMS_SENDER_FIELDS, "sender", _check_sender))),
)  # fmt: skip

sms_templates = named_once(record(SmsTemplate, SMS_TEMPLATE_FIELDS, "template"), "template")
"""SMS templates, each name once."""
