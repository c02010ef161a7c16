"""Words and colours of text messages."""

from __future__ import annotations

from tieline.admin.sms_views import TemplateSource
from tieline.model.sms import SmsState
from tieline.model.sms_segments import Encoding, SmsSize
from tieline.studio.parts.states import Tone

TONES: dict[SmsState, Tone] = {
    SmsState.WAITING: Tone.INFO,
    SmsState.SENDING: Tone.INFO,
    SmsState.REFUSED: Tone.WARN,
    SmsState.ACCEPTED: Tone.INFO,
    SmsState.SENT: Tone.INFO,
    SmsState.DELIVERED: Tone.GOOD,
    SmsState.UNDELIVERED: Tone.BAD,
    SmsState.FAILED: Tone.BAD,
    SmsState.RECEIVED: Tone.QUIET,
}
SOURCES: dict[TemplateSource, str] = {
    TemplateSource.FOLDER: "the agent's folder",
    TemplateSource.RESOURCES: "",
    TemplateSource.LAID_OVER: "laid over the agent's folder",
}
ENVIRONMENTS = {"sandbox": "Sandbox", "pre-release": "Pre-release", "live": "Live"}
WEIGHTS = {"good": Tone.GOOD, "wait": Tone.WARN, "act": Tone.BAD, "none": Tone.QUIET}

_SHOWN = 8


def size_in_words(size: SmsSize) -> str:
    """Characters, encoding and segments in one line."""
    segments = f"{size.segments} segment{'' if size.segments == 1 else 's'}"
    return f"{size.characters} characters · {size.encoding.value} · {segments} · {size.room} left"


def forced_in_words(size: SmsSize) -> str:
    """Which characters force the long encoding; empty when none does."""
    if size.encoding is Encoding.GSM_7:
        return ""
    shown = " ".join(size.forced_by[:_SHOWN])
    more = f" and {len(size.forced_by) - _SHOWN} more" if len(size.forced_by) > _SHOWN else ""
    return f"Not in the GSM alphabet, so every segment holds 70 characters instead of 160: {shown}{more}"
