"""What agent projects may name that this release does not have: said plainly, never an `AttributeError`."""

from __future__ import annotations

from typing import Any, NoReturn

NEEDS_MODEL = "it needs a language model"
NEEDS_SPEECH = "it needs speech recognition or a choice of voices"
NOT_WHATSAPP = "WhatsApp messages are not sent; conv.send_sms sends text messages"
NOT_CONTENT = "Twilio content templates are not sent; conv.send_sms_template sends text messages"
NOT_EMAIL = "email is not sent; call your mail service from a function"
NEEDS_CHAT = "it belongs to web chat"
NEEDS_CONFIG = "the project files it reads are not loaded"
NEEDS_EVENTS = "it needs external events"
NEEDS_SURVEY = "it belongs to satisfaction surveys"

CONVERSATION_ATTRIBUTES: dict[str, str] = {
    "agentic_dial": "outbound calls are not made",
    "api": NEEDS_CONFIG,
    "attachments": NEEDS_CHAT,
    "entities": NEEDS_MODEL,
    "generic_external_events": NEEDS_EVENTS,
    "integrations": NEEDS_CONFIG,
    "memory": "nothing is remembered between calls",
    "metric_events": "metrics of earlier turns are not handed back to functions",
    "metrics_queue": "metrics are handed over when the function returns",
    "provider_voice_id": NEEDS_SPEECH,
    "real_time_config": NEEDS_CONFIG,
    "response_suggestions": NEEDS_CHAT,
    "transcript_alternatives": NEEDS_SPEECH,
    "translations": NEEDS_CONFIG,
    "variant": NEEDS_CONFIG,
    "variants": NEEDS_CONFIG,
    "voice_change": NEEDS_SPEECH,
    "webchat": NEEDS_CHAT,
}
"""Attributes of `conv` that raise `NotInThisRelease` when read, with the reason."""

CONVERSATION_METHODS: dict[str, str] = {
    "add_attachments": NEEDS_CHAT,
    "clear_asr_biasing": NEEDS_SPEECH,
    "clear_disabled_kb_topics": NEEDS_MODEL,
    "disable_kb_topics": NEEDS_MODEL,
    "discard_recording": "calls are not recorded",
    "generate_external_event": NEEDS_EVENTS,
    "goto_csat_flow": NEEDS_SURVEY,
    "log_api_response": NEEDS_CONFIG,
    "randomize_voice": NEEDS_SPEECH,
    "send_content_template": NOT_CONTENT,
    "send_email": NOT_EMAIL,
    "send_whatsapp": NOT_WHATSAPP,
    "set_asr_biasing": NEEDS_SPEECH,
    "set_csat_eligibility": NEEDS_SURVEY,
    "set_csat_phone_number": NEEDS_SURVEY,
    "set_csat_score": NEEDS_SURVEY,
    "set_csat_survey_entered": NEEDS_SURVEY,
    "set_language": NEEDS_SPEECH,
    "set_response_suggestions": NEEDS_CHAT,
    "set_voice": NEEDS_SPEECH,
}
"""Methods of `conv` that raise `NotInThisRelease` when called, with the reason."""

UTILITIES: dict[str, str] = {
    "extract_address": NEEDS_MODEL,
    "extract_city": NEEDS_MODEL,
    "prompt_llm": NEEDS_MODEL,
    "validate_entity": NEEDS_MODEL,
}
"""Methods of `conv.utils` that raise `NotInThisRelease` when called, with the reason."""


class NotInThisRelease(NotImplementedError):
    """A name of the agent interface that this release does not have; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not in this release of Tieline: {reason}.")
        self.feature = name
        self.reason = reason


class UnsupportedAttribute:
    """A property whose reading raises `NotInThisRelease`."""

    def __init__(self, owner: str, name: str, reason: str) -> None:
        self.feature = f"{owner}.{name}"
        self.reason = reason

    def __get__(self, instance: object | None, owner: type | None = None) -> UnsupportedAttribute:
        if instance is None:
            return self
        raise NotInThisRelease(self.feature, self.reason)

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise NotInThisRelease(self.feature, self.reason)


class UnsupportedMethod:
    """A method whose calling raises `NotInThisRelease`."""

    def __init__(self, owner: str, name: str, reason: str) -> None:
        self.feature = f"{owner}.{name}()"
        self.reason = reason

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse."""
        raise NotInThisRelease(self.feature, self.reason)


def add_unsupported(
    cls: type[Any], owner: str, *, attributes: dict[str, str], methods: dict[str, str]
) -> None:
    """Give `cls` a refusing member for every name in the two tables."""
    for name, reason in attributes.items():
        setattr(cls, name, UnsupportedAttribute(owner, name, reason))
    for name, reason in methods.items():
        setattr(cls, name, UnsupportedMethod(owner, name, reason))
