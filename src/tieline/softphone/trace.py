"""A softphone's messages in the shape that the ladder draws: the caller on the left, Tieline on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieline.sip.leg import TraceEntry


def ladder_entries(trace: Sequence[TraceEntry], name: str = "softphone") -> list[dict[str, Any]]:
    """What we sent came in at the other side, and the other way round."""
    if not trace:
        return []
    return [
        {
            "at_ms": round((entry.at - trace[0].at) * 1000, 1),
            "direction": "in" if entry.direction == "out" else "out",
            "peer": name,
            "text": entry.data.decode("utf-8", "replace"),
        }
        for entry in trace
    ]
