"""What Get Handoff shows of a conversation's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieline.model.handoff import HandoffApi, HandoffPlan

DEFAULT_KEYS = ("handoff_to", "handoff_reason", "contained", "destination", "handoff")
"""State keys exposed by a project that configures none; those that are null are left out."""


def expose(state: Mapping[str, Any], api: HandoffApi, plan: HandoffPlan | None) -> dict[str, Any]:
    """The `data` of Get Handoff.

    With `state_keys` configured: exactly those, null where never set, under their aliases. Without: the default
    keys that have a value; where the code set neither `handoff_to` nor `handoff_reason`, the destination and
    reason of the executed handoff stand in for them.
    """
    if api.state_keys is not None:
        return {api.aliases.get(key, key): state.get(key) for key in api.state_keys}
    shown = {key: state[key] for key in DEFAULT_KEYS if state.get(key) is not None}
    if plan is not None:
        if plan.destination is not None:
            shown.setdefault("handoff_to", plan.destination)
        if plan.reason is not None:
            shown.setdefault("handoff_reason", plan.reason)
    return {api.aliases.get(key, key): value for key, value in shown.items()}


def shared_id_of(state: Mapping[str, Any], api: HandoffApi, known: str | None) -> str | None:
    """The conversation's shared id: the agent's own state key first, then what the call came in with."""
    value = state.get(api.shared_id_state_key)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        return str(value)
    return known
