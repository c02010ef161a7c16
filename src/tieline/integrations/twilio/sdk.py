"""The official SDK. Nothing else imports it, and it is loaded when it is first asked for something.

So a server without a Twilio connection starts without it. What cannot be imported raises `ImportError` there and then.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "Client": "twilio.rest",
    "Connect": "twilio.twiml.voice_response",
    "Dial": "twilio.twiml.voice_response",
    "Gather": "twilio.twiml.voice_response",
    "MessagingResponse": "twilio.twiml.messaging_response",
    "Refer": "twilio.twiml.voice_response",
    "RequestValidator": "twilio.request_validator",
    "Response": "twilio.http.response",
    "TwilioException": "twilio.base.exceptions",
    "TwilioRestException": "twilio.base.exceptions",
    "VoiceResponse": "twilio.twiml.voice_response",
}
"""What we use of it, and where it is."""


def load() -> None:
    """Load all of it now, which takes some tenths of a second."""
    for name in _MODULES:
        __getattr__(name)


def __getattr__(name: str) -> Any:
    """One of the SDK's classes (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"{name!r} is not what we use of the SDK")
    return getattr(import_module(_MODULES[name]), name)
