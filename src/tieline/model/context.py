"""Call context: what is known of a call before anybody speaks, each value with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tieline.model.record import Record


class ContextOrigin(StrEnum):
    """What brought a value."""

    RESERVATION = "reservation"
    HEADER = "header"
    UUI = "uui"
    PROFILE = "profile"


class ContextValue(Record):
    """One value of `conv.context`.

    `name` is the attribute or header that held it, `profile` the trunk profile that knew how to read it.
    """

    key: str
    value: Any
    origin: ContextOrigin
    name: str
    profile: str | None = None


def of_reservation(attributes: Mapping[str, Any]) -> tuple[ContextValue, ...]:
    """The attributes of a reservation as context: each of them a value under its own name."""
    return tuple(
        ContextValue(key=key, value=value, origin=ContextOrigin.RESERVATION, name=key)
        for key, value in attributes.items()
    )
