"""A call's handoffs: each is planned, committed and carried out, in that order.

The outcome is durable before the first message of a handoff leaves, whatever the method: whoever asks Get Handoff at
the sight of it gets the answer.
"""

from __future__ import annotations

from tieline.calls.call import Call
from tieline.calls.giving_back import give_back
from tieline.handoff.plan import plan_handoff
from tieline.model.handoff import HandoffPlan, HandoffRequest


class Handing:
    """Hands one call's caller over, as often as the agent asks for it."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def plan(self, request: HandoffRequest) -> HandoffPlan:
        """Make a request executable. Raises `UnplannableHandoff`."""
        runs = self._call.runs
        destinations = runs.agent.destinations if runs.agent is not None else ()
        return plan_handoff(request, destinations, self._call.record.variables(runs.conversation))

    async def carry_out(self, plan: HandoffPlan) -> None:
        """Commit, then send. What there was to say has been said."""
        call = self._call
        await call.writes.save_outcome(call.runs.conversation, plan)
        call.log.info("> handoff", method=plan.method.value, destination=plan.destination)
        give_back(call, plan)
