"""The installation: its settings with where each comes from, its version, and whether it is well."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tieline.admin.access import require
from tieline.admin.errors import Forbidden
from tieline.admin.overview import Reasons
from tieline.config import Settings
from tieline.config.loader import places_of
from tieline.config.table import SETTINGS
from tieline.model.principal import Principal
from tieline.model.record import Record
from tieline.model.user import Right

HIDDEN = "(hidden)"
SECRET_WORDS = ("password", "secret", "token")
"""A setting whose name ends in one of these is not shown."""


class SettingRow(Record):
    """One setting as it holds. `source` says in words where its value is from; `changed` whether it is no default."""

    key: str
    value: Any
    default: Any
    unit: str
    kind: str
    meaning: str
    env: str
    source: str
    changed: bool


class Installation(Record):
    """Version and state of the server. `about` are facts by name, `not_ready` why it takes no calls."""

    about: Mapping[str, str]
    not_ready: tuple[str, ...]
    settings: tuple[SettingRow, ...]


class InstallationAdmin:
    """For those of all accounts: what is here concerns everybody."""

    def __init__(self, settings: Settings, reasons: Reasons, about: Mapping[str, str]) -> None:
        self._settings = settings
        self._reasons = reasons
        self._about = about

    async def installation(self, who: Principal) -> Installation:
        """All of it. Raises `Forbidden` for somebody of one account."""
        require(who, Right.LOOK)
        if who.account is not None or who.project is not None:
            raise Forbidden("settings concern every account: this takes somebody of all accounts")
        return Installation(
            about=self._about, not_ready=tuple(await self._reasons()), settings=tuple(self._rows())
        )

    def _rows(self) -> list[SettingRow]:
        places = places_of(self._settings.source, os.environ)
        rows = []
        for one in SETTINGS:
            value = getattr(getattr(self._settings, one.section), one.name)
            secret = one.name.endswith(SECRET_WORDS)
            source = places.get(one.key) or ("default" if value == one.default else "command line")
            rows.append(
                SettingRow(
                    key=one.key, value=HIDDEN if secret and value else value, default=one.default, unit=one.unit,
                    kind=one.kind, meaning=one.description, env=one.env, source=source,
                    changed=value != one.default,
                )
            )  # fmt: skip
        return rows
