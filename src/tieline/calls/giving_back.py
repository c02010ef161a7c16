"""Handoff by BYE: our leg ends with the handoff's headers, and the peer, who still has the caller, takes over."""

from __future__ import annotations

from tieline.calls.call import Call
from tieline.calls.endings import NORMAL_CLEARING
from tieline.handoff.bye import ByeHandoff
from tieline.handoff.ladder import Attempt
from tieline.integrations.profiles import dialect_of


class GivingBack:
    """One give-back. Made when it is to be sent; what comes of it is told by the caller's leg."""

    def __init__(self, call: Call, attempt: Attempt) -> None:
        self._call = call
        plan = attempt.plan
        was_open = call.leg.is_open
        call.leg.bye(plan.headers, None if plan.has_header("Reason") else NORMAL_CLEARING)
        unread = plan.headers and not dialect_of(call.route.trunk).profile.bye_headers
        note = f"nobody reads the headers of a BYE there: {len(plan.headers)} not carried" if unread else ""
        self._machine = ByeHandoff(attempt.receipt, call.services.clock.utc(), note)
        if not was_open or call.leg.over.done():
            self.on_leg_over()

    def on_completed(self, status: int) -> None:
        """The BYE has its final response."""
        self._machine.on_completed(status, self._call.services.clock.utc())

    def on_leg_over(self) -> None:
        """Both sides ended the leg at once."""
        self._machine.on_leg_over(self._call.services.clock.utc())
