"""A project without an end function pays for none."""

from pathlib import Path

from tieline.agent.messages import Run, RunKind
from tieline.agent.pool import AgentPool
from tieline.testing.agents import make_snapshot


async def test_without_an_end_function_the_end_needs_no_process(tmp_path: Path) -> None:
    pool = AgentPool(tmp_path)
    snapshot = make_snapshot()
    result = await pool.run(Run(run_id=7, kind=RunKind.END, conversation=snapshot))
    assert result.run_id == 7
    assert result.conversation == snapshot
    assert result.failure is None
    assert result.function_runs == []
    assert pool.runners == 0
