"""What the server and the voice process say to each other: one request at a time, each answered."""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all; the tag is the class name."""


class Speak(Message):
    """Speak `text` in `language` (as in BCP 47), with the speaker `variant` of the voice, "" for its own."""

    text: str
    language: str
    variant: str = ""


class Spoken(Message):
    """The audio: 8 kHz mono µ-law."""

    pcmu: bytes


class NotSpoken(Message):
    """The request failed; the process lives on."""

    message: str


class VoiceReady(Message):
    """The voice has loaded; the first message of the process."""

    pid: int


class VoiceMissing(Message):
    """The voice cannot be loaded and the process ends; `message` names the fix."""

    message: str


Answer = Spoken | NotSpoken | VoiceReady | VoiceMissing
