"""An agent that is kept from service before it is started."""

from __future__ import annotations

from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.agent.spec import LoadReport
from tieline.errors import ConfigurationError


class BarredAgent(AgentPool):
    """Stands for an agent that may not run, say because its secrets cannot be opened: starting it says why."""

    def __init__(self, path: str, settings: AgentSettings, fault: str) -> None:
        super().__init__(path, settings)
        self._fault = fault

    async def start(self) -> LoadReport:
        """Raises `ConfigurationError` with the reason and the fix."""
        raise ConfigurationError(self._fault)
