"""What a check of `tieline doctor` found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "advice", "fault", "skipped"]


class Finding(NamedTuple):
    """One finding: `fault` keeps calls from working, `advice` may. `fix` says what to do about it."""

    check: str
    level: Level
    message: str
    fix: str = ""
