"""What the composition root decides by itself."""

from __future__ import annotations

import functools
from pathlib import Path

from tieline.agent.settings import AgentSettings
from tieline.calls.agents import Agents
from tieline.calls.directory import Directory
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.server import _make_agent
from tieline.store.seal import MARK


async def test_only_the_project_whose_secrets_are_closed_is_out_of_service(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "start_function.py").write_text("def start_function(conv):\n    pass\n")
    path = str(tmp_path)
    well = Project(id="PROJECT-well", slug="well", account="ws-a", path=path, secrets={"crm": "in clear"})
    closed = Project(
        id="PROJECT-closed", slug="closed", account="ws-a", path=path, secrets={"crm": f"{MARK}x"}
    )
    agents = Agents(functools.partial(_make_agent, AgentSettings(runners_warm=0)))
    try:
        await agents.sync(Directory(Resources(projects=(well, closed)), 1, ()))
        assert agents.find(well) is not None
        assert agents.find(closed) is None
        assert list(agents.faults) == ["PROJECT-closed"]
        assert "secrets that cannot be opened: crm; bring back the key" in agents.faults["PROJECT-closed"]
    finally:
        await agents.close()
