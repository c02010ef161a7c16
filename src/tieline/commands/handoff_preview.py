"""What a handoff would send, shown where there is no call: its steps in turn, each with its headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tieline.agent.chat import Preview
from tieline.agent.messages import ConversationSnapshot
from tieline.calls.records import handoff_request
from tieline.clock import SystemClock
from tieline.handoff.errors import UnplannableHandoff
from tieline.handoff.ladder import Ladder
from tieline.handoff.policy import HandoffFailed
from tieline.integrations.profiles import dialect_of
from tieline.model.handoff import Destination, HandoffPlan
from tieline.model.receipt import HandoffFailure, Step
from tieline.model.trunk import Trunk


def preview_on(profile: str) -> Preview:
    """Previews for callers who come by a trunk with this profile."""
    dialect = dialect_of(Trunk(name="preview", networks=(), profile=profile))

    def preview(
        shape: dict[str, Any], conversation: ConversationSnapshot, destinations: Sequence[Destination]
    ) -> list[str]:
        variables = {
            "shared_id": conversation.integration_attributes.get("shared_id"),
            **conversation.state,
            "caller_number": conversation.caller_number,
            "callee_number": conversation.callee_number,
            "conversation_id": conversation.id,
        }
        try:
            ladder = Ladder(handoff_request(shape), destinations, variables, dialect)
        except UnplannableHandoff as error:
            return [f"it cannot be carried out: {error}"]
        return _steps(ladder)

    return preview


def _steps(ladder: Ladder) -> list[str]:
    at, failed = SystemClock().utc(), HandoffFailed(failure=HandoffFailure.REJECTED)
    lines: list[str] = []
    attempt = ladder.next(at)
    while attempt is not None:
        lines += _describe(attempt.plan, "if that fails" if lines else "first")
        attempt = ladder.next(at, failed)
    for step in ladder.receipt.receipt().steps:
        if step.step is Step.SKIPPED:
            lines.append(f"left out: {step.method.value}, for {step.detail}")
    return lines


def _describe(plan: HandoffPlan, when: str) -> list[str]:
    whom = f" to {plan.destination}" if plan.destination is not None else ""
    route = f" ({plan.route})" if plan.route is not None else ""
    lines = [f"{when}: {plan.method.value}{whom}{route}"]
    lines += [f"  {name}: {value}" for name, value in plan.headers]
    return lines + [f"  {name} is left out: {why}" for name, why in plan.left_out]
