"""The environments that a project is served in."""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """The environment a project is served in; `conv.env` shows it."""

    SANDBOX = "sandbox"
    PRE_RELEASE = "pre-release"
    LIVE = "live"
