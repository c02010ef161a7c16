"""Handoff by BYE: our leg ends with the handoff's headers, and the peer, who still has the caller, takes over."""

from __future__ import annotations

from tieline.calls.call import Call
from tieline.calls.endings import NORMAL_CLEARING
from tieline.model.handoff import HandoffPlan


def give_back(call: Call, plan: HandoffPlan) -> None:
    """Send the BYE; nothing where the caller's leg is over already."""
    call.leg.bye(plan.headers, None if plan.has_header("Reason") else NORMAL_CLEARING)
