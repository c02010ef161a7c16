"""What a check of `tieline doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "advice", "fault", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `fault` keeps calls from working, `advice` may. `fix` says what to do about it."""

    check: str
    level: Level
    message: str
    fix: str = ""
