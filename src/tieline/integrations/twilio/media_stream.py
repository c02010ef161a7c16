"""The media-stream protocol: JSON messages over a WebSocket, both ways. Pure: text in, facts out, and the reverse.

Audio is µ-law, 8 kHz, mono, in base64; Twilio sends 20 ms a message. A `mark` of ours comes back once what was sent
before it has been played, or has been thrown away by a `clear`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

MAX_MESSAGE = 65536
"""Characters of one message; Twilio's are below 500, those with parameters some thousand."""

MAX_AUDIO = 8000
"""Bytes of audio in one message: a second."""

MAX_BAD = 20
"""Messages that cannot be understood before the stream is given up."""

MAX_PARAMETERS = 64

DIGITS = frozenset("0123456789*#ABCD")


class Connected(msgspec.Struct, frozen=True):
    """The peer is there; nothing is known yet."""


class Started(msgspec.Struct, frozen=True):
    """The stream begins: ids of stream, call and account, and the parameters that our TwiML gave."""

    stream_sid: str
    call_sid: str
    account_sid: str
    parameters: dict[str, str]


class Audio(msgspec.Struct, frozen=True):
    """What the caller said: µ-law, 8 kHz."""

    pcmu: bytes


class Pressed(msgspec.Struct, frozen=True):
    """The caller pressed a key."""

    digit: str


class Marked(msgspec.Struct, frozen=True):
    """All that was sent before this mark has been played, or was cleared."""

    name: str


class Stopped(msgspec.Struct, frozen=True):
    """The stream is over: the call has ended, or goes on with other TwiML."""


Fact = Connected | Started | Audio | Pressed | Marked | Stopped


class BadMessage(ValueError):
    """A message that the protocol does not know; says what is wrong with it."""


def read_message(text: str | bytes) -> Fact | None:
    """One message of Twilio's; None for a kind that is of no use to us. Raises `BadMessage`."""
    if len(text) > MAX_MESSAGE:
        raise BadMessage("too long")
    try:
        message = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadMessage("no JSON object") from None
    event = message.get("event")
    if event == "connected":
        return Connected()
    if event == "start":
        return _started(_part(message, "start"))
    if event == "media":
        return _audio(_part(message, "media"))
    if event == "dtmf":
        digit = _text(_part(message, "dtmf"), "digit").upper()
        if digit not in DIGITS:
            raise BadMessage("no such digit")
        return Pressed(digit)
    if event == "mark":
        return Marked(_text(_part(message, "mark"), "name"))
    if event == "stop":
        return Stopped()
    if isinstance(event, str):
        return None
    raise BadMessage("no event")


def _started(part: dict[str, Any]) -> Started:
    media = part.get("mediaFormat")
    if isinstance(media, dict) and (media.get("encoding"), media.get("sampleRate")) != (
        "audio/x-mulaw",
        8000,
    ):
        raise BadMessage("audio that is not µ-law at 8 kHz")
    given = part.get("customParameters") or {}
    if not isinstance(given, dict) or len(given) > MAX_PARAMETERS:
        raise BadMessage("parameters that are none")
    if any(not isinstance(one, str) for one in given.values()):
        raise BadMessage("a parameter that is no text")
    return Started(_text(part, "streamSid"), _text(part, "callSid"), _text(part, "accountSid"), given)


def _audio(part: dict[str, Any]) -> Audio | None:
    # Bidirectional streams carry the caller's track alone; what else comes is not for the agent's ears.
    if part.get("track", "inbound") != "inbound":
        return None
    try:
        pcmu = base64.b64decode(_text(part, "payload"), validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("a payload that is not base64") from None
    if not pcmu or len(pcmu) > MAX_AUDIO:
        raise BadMessage("no audio, or more than a second of it")
    return Audio(pcmu)


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise BadMessage(f"no {name}")
    return part


def _text(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not value:
        raise BadMessage(f"no {name}")
    return value


def write_audio(stream_sid: str, pcmu: bytes) -> str:
    """Audio for the caller, played after all that was sent before."""
    payload = base64.b64encode(pcmu).decode()
    return _write({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}})


def write_mark(stream_sid: str, name: str) -> str:
    """Ask to be told when what was sent so far has been played."""
    return _write({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})


def write_clear(stream_sid: str) -> str:
    """Throw away what was sent and is not played yet; its marks come back at once."""
    return _write({"event": "clear", "streamSid": stream_sid})


def _write(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
