"""The table of settings, derived from the records: one row a setting, for the loader, the docs, CLI and tests."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from tieline.config.records import (
    AgentSettings,
    HttpSettings,
    LogSettings,
    RtpSettings,
    ServerSettings,
    SipSettings,
    SmsSettings,
    StoreSettings,
    StudioSettings,
    TestCallSettings,
    TwilioSettings,
    VoiceSettings,
    WebhookSettings,
)
from tieline.model.record import Record

ENV_PREFIX = "TIELINE_"


class Setting(Record):
    """One row of the table: `key` is `section.name`, `kind` the type in words, `env` the environment variable."""

    section: str
    name: str
    env: str
    kind: str
    default: Any
    unit: str
    description: str
    annotation: Any

    @property
    def key(self) -> str:
        """`section.name`, as errors and `--set` say it."""
        return f"{self.section}.{self.name}"


SECTIONS: dict[str, type[Record]] = {
    "server": ServerSettings,
    "http": HttpSettings,
    "sip": SipSettings,
    "rtp": RtpSettings,
    "store": StoreSettings,
    "agent": AgentSettings,
    "studio": StudioSettings,
    "test_calls": TestCallSettings,
    "webhooks": WebhookSettings,
    "sms": SmsSettings,
    "twilio": TwilioSettings,
    "voice": VoiceSettings,
    "log": LogSettings,
}
"""The sections of the file, in the order in which they are shown."""

_KIND_NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _kind(annotation: Any) -> str:
    """The type in words: an annotation like `Annotated[int, ...] | None` reads `whole number, or unset`."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    parts = get_args(annotation)
    if parts:
        words = [_kind(part) for part in parts if part is not type(None)]
        return " or ".join(words) + (", or unset" if type(None) in parts else "")
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " | ".join(annotation)
    return _KIND_NAMES[annotation]


def _rows() -> Iterator[Setting]:
    for section, record in SECTIONS.items():
        hints = get_type_hints(record, include_extras=True)
        for field in msgspec.structs.fields(record):
            annotation = hints[field.name]
            about = next(m for m in reversed(annotation.__metadata__) if m.description)
            yield Setting(
                section=section,
                name=field.name,
                env=f"{ENV_PREFIX}{section.upper()}_{field.name.upper()}",
                kind=_kind(annotation),
                default=field.default,
                unit=about.extra["unit"],
                description=about.description,
                annotation=annotation,
            )


SETTINGS: tuple[Setting, ...] = tuple(_rows())
"""Every setting there is."""
