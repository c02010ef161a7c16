"""What a destination's `sip_config` and `fallback` may hold, each field read with a finding for every mistake."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from tieline.agent.spec import Level
from tieline.agent.yaml_file import find_line
from tieline.model.handoff import HandoffMethod, RingSound, Rung, SipConfig

ENCRYPTIONS = ("TLS/SRTP", "UDP/RTP")
"""What `outbound_encryption` may say."""

KEYPAD = frozenset("0123456789*#ABCD")
"""What `accept_key` may be."""

MAX_RING_S = 600.0
MAX_ACCEPT_S = 300.0
RUNG_FIELDS = frozenset({"method", "destination"})

Say = Callable[[str, int | None, Level], None]
Word = TypeVar("Word", bound=StrEnum)


class FieldReader:
    """Reads the fields of one destination, called `name` in what is said."""

    def __init__(self, name: str, say: Say) -> None:
        self._name = name
        self._say = say

    def config(self, config: Any, line: int | None) -> SipConfig | None:
        """The `sip_config`; None when it says nothing that could be executed."""
        if not isinstance(config, dict):
            self._fault("sip_config must be a mapping with a method.", line)
            return None
        for key in config:
            if key not in READERS and key != "method":
                message = f"{self._name}: sip_config.{key} is not known and not used."
                self._say(message, find_line(config, key), Level.UNSUPPORTED)
        raw = config.get("method") or HandoffMethod.REFER.value
        method = _word(HandoffMethod, str(raw).lower())
        if method is None:
            self._fault(f"method must be refer, invite or bye, not {raw!r}.", find_line(config, "method"))
            return None
        values: dict[str, Any] = {}
        for key, read in READERS.items():
            if config.get(key) is not None:
                found = read(self, config[key], key, find_line(config, key))
                if found is not None:
                    values[key] = found
        if method is HandoffMethod.BYE and "phone_number" in values:
            self._warn(
                "phone_number has no effect with bye: the peer routes the call.",
                find_line(config, "phone_number"),
            )
        if method is not HandoffMethod.BYE and "phone_number" not in values:
            self._warn(f"{method} has no phone_number, so the code has to give a route.", line)
        return SipConfig(method=method, **values)

    def fallback(self, entries: Any, line: int | None) -> tuple[Rung, ...] | None:
        """The ladder; None when the destination names none, and takes that of the trunk's profile."""
        if entries is None:
            return None
        if not isinstance(entries, list):
            self._fault("fallback must be a list of methods and destinations.", line)
            return None
        rungs = [self._rung(entry, find_line(entries, index) or line) for index, entry in enumerate(entries)]
        return tuple(rung for rung in rungs if rung is not None)

    def text(self, value: Any, key: str, line: int | None) -> str | None:
        """Text; numbers are taken as they are written."""
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if key in {"phone_number", "outbound_caller_id"} and len(str(value)) > 6:
                self._warn(f"{key} should be in quotes: YAML drops a leading + or 0 from a number.", line)
            return str(value)
        self._fault(f"{key} must be text.", line)
        return None

    def seconds(self, value: Any, key: str, line: int | None) -> float | None:
        """Seconds within what makes sense for the field."""
        limit = MAX_RING_S if key == "ring_timeout_s" else MAX_ACCEPT_S
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= limit:
            self._fault(f"{key} must be seconds from 1 to {limit:.0f}, not {value!r}.", line)
            return None
        return float(value)

    def key(self, value: Any, key: str, line: int | None) -> str | None:
        """One key of the keypad."""
        found = str(value).upper()
        if isinstance(value, bool) or found not in KEYPAD:
            self._fault(f"{key} must be one key (0-9, *, #, A-D), not {value!r}.", line)
            return None
        return found

    def encryption(self, value: Any, key: str, line: int | None) -> str | None:
        """`TLS/SRTP` or `UDP/RTP`."""
        if value not in ENCRYPTIONS:
            self._fault(f"{key} must be {' or '.join(ENCRYPTIONS)}, not {value!r}.", line)
            return None
        return str(value)

    def ring_sound(self, value: Any, key: str, line: int | None) -> RingSound | None:
        """What the caller hears while it rings."""
        found = _word(RingSound, value)
        if found is None:
            self._fault(f"{key} must be one of {', '.join(RingSound)}, not {value!r}.", line)
        return found

    def _rung(self, entry: Any, line: int | None) -> Rung | None:
        """One step: a method's name, or a mapping with a method, a destination, or both."""
        if isinstance(entry, str):
            entry = {"method": entry}
        if not isinstance(entry, dict) or not entry or not set(entry) <= RUNG_FIELDS:
            self._fault("a step of fallback is a method, or a mapping with a method or destination.", line)
            return None
        method = _word(HandoffMethod, str(entry.get("method")).lower())
        if method is None and entry.get("method") is not None:
            self._fault(f"fallback: the method {entry['method']!r} is not refer, invite or bye.", line)
            return None
        name = entry.get("destination")
        if name is not None and not isinstance(name, str):
            self._fault("fallback: a destination is named by text.", line)
            return None
        return Rung(method=method, destination=None if name is None else str(name))

    def _fault(self, message: str, line: int | None) -> None:
        self._say(f"{self._name}: {message}", line, Level.ERROR)

    def _warn(self, message: str, line: int | None) -> None:
        self._say(f"{self._name}: {message}", line, Level.WARNING)


def _word(words: type[Word], value: Any) -> Word | None:
    return next((word for word in words if word.value == value), None)


READERS: dict[str, Callable[[FieldReader, Any, str, int | None], Any]] = {
    "phone_number": FieldReader.text,
    "outbound_endpoint": FieldReader.text,
    "outbound_encryption": FieldReader.encryption,
    "outbound_caller_id": FieldReader.text,
    "ring_timeout_s": FieldReader.seconds,
    "ring_sound": FieldReader.ring_sound,
    "whisper": FieldReader.text,
    "accept_key": FieldReader.key,
    "accept_timeout_s": FieldReader.seconds,
}
"""Every field of `sip_config` beside `method`."""
