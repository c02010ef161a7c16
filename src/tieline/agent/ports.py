"""What the rest of the server knows of an agent: a port, whoever is behind it."""

from __future__ import annotations

from typing import Protocol

from tieline.agent.messages import Run, TurnResult
from tieline.agent.spec import LoadReport
from tieline.model.handoff import Destination


class AgentPort(Protocol):
    """One project's agent. `AgentPool` runs it in processes of its own, `InMemoryAgent` in this one."""

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """The project's handoff destinations, those configured on the server merged over those of the folder."""
        ...

    @property
    def report(self) -> LoadReport:
        """What was found when the project was last loaded."""
        ...

    async def start(self) -> LoadReport:
        """Load the project. Never raises for what it holds: `report.ok` says whether it can be served."""
        ...

    async def run(self, run: Run) -> TurnResult:
        """Run one turn. Never raises for what a customer's function does: `failure` says what went wrong."""
        ...

    async def close(self) -> None:
        """Stop. Runs under way end as failures."""
        ...
