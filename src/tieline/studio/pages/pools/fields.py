"""The form of a pool's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tieline.model.pool import CallerPolicy, LatePolicy
from tieline.studio.parts.forms import Form, pair

CALLER_POLICIES = {
    CallerPolicy.OFF.value: "Off: never compared",
    CallerPolicy.LENIENT.value: "Lenient: another caller gets no attributes, a hidden one does",
    CallerPolicy.STRICT.value: "Strict: only the expected caller gets them",
}
LATE_POLICIES = {
    LatePolicy.MATCHED.value: "Matched: a late call gets them when its caller was expected",
    LatePolicy.ALWAYS.value: "Always",
    LatePolicy.NEVER.value: "Never",
}
SECONDS = (
    ("ttl_s", "Lifetime", "How long a reservation holds its number", 60),
    ("min_ttl_s", "Shortest lifetime", "That a client may ask for", 5),
    ("max_ttl_s", "Longest lifetime", "That a client may ask for", 180),
    ("claim_cooldown_s", "Cool-down", "Rest of a number after its caller came", 5),
    ("expiry_cooldown_s", "Quarantine", "Rest of a number that nobody called", 60),
    ("setup_grace_s", "Set-up grace", "Left at least when a call fails before its answer", 32),
)
"""Durations: field, label, hint and default, in seconds."""


def add_terms(form: Form, there: Mapping[str, Any], projects: Sequence[str], trunks: Sequence[str]) -> None:
    """Add every field of a pool but its name and numbers; `there` holds what is set already."""
    form.choice(
        "project", "Project", list(projects), value=there.get("project") or next(iter(projects), None)
    )
    chosen = form.choice(
        "trunks", "Trunks", list(trunks), hint="Whose calls it takes, and trusts; any without one"
    )
    chosen.props("multiple use-chips")
    chosen.multiple = True
    chosen.value = [one for one in there.get("trunks", ()) if one in trunks]
    for first, second in zip(SECONDS[::2], SECONDS[1::2], strict=True):
        with pair():
            for name, label, hint, default in (first, second):
                form.number(name, label, value=there.get(name, default), hint=hint, whole=False, suffix="s")
    form.choice(
        "caller_policy", "Caller check", CALLER_POLICIES,
        value=str(there.get("caller_policy", CallerPolicy.LENIENT.value)),
        hint="Of calls whose reservation names the expected caller",
    )  # fmt: skip
    form.choice(
        "late_policy", "Late calls", LATE_POLICIES, value=str(there.get("late_policy", LatePolicy.MATCHED.value)),
        hint="Whether a call that comes after its reservation ended gets its attributes",
    )  # fmt: skip


def read_terms(form: Form) -> dict[str, Any]:
    """What was filled in, as a resource has it."""
    found = form.values()
    return {**found, "trunks": found.get("trunks") or None}
