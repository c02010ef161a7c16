"""The tables of states in the reference are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from tieline.model.lease import NUMBER_TRANSITIONS, RESERVATION_TRANSITIONS
from tieline.model.pool import NumberState, Pool
from tieline.model.reservation import BindVerdict, ReservationState

PAGE = (Path(__file__).parents[2] / "docs/reference/reservations.md").read_text()


def test_every_transition_is_listed_and_no_other() -> None:
    steps = [*NUMBER_TRANSITIONS.items(), *RESERVATION_TRANSITIONS.items()]
    rows = [f"| `{before}` | `{event}` | `{then}` |" for (before, event), then in steps]
    listed = [line for line in PAGE.splitlines() if re.fullmatch(r"\| `\w+` \| `\w+` \| `\w+` \|", line)]
    assert listed == rows


def test_every_state_verdict_and_setting_is_described() -> None:
    for word in (*NumberState, *ReservationState, *BindVerdict):
        assert f"| `{word}` |" in PAGE
    for name in set(Pool.__struct_fields__) - {"name", "project", "numbers", "trunks"}:
        assert f"`{name}`" in PAGE
