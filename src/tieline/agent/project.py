"""Checking a project: its files read here, its code imported in a process that may hang or exit as it likes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tieline.agent.pool import AgentPool
from tieline.agent.settings import AgentSettings
from tieline.agent.spec import LoadReport
from tieline.model.handoff import Destination

CHECK_LIMIT_S = 30.0


def check_project(
    path: str | Path, *, destinations: tuple[Destination, ...] = (), limit_s: float = CHECK_LIMIT_S
) -> LoadReport:
    """Everything there is to say about the project folder `path`. Never raises, whatever the project's code does.

    Importing the project takes place in a process of its own, which is ended after `limit_s` seconds. Must not be
    called from a running event loop; use `check_project_async` there.
    """
    return asyncio.run(check_project_async(path, destinations=destinations, limit_s=limit_s))


async def check_project_async(
    path: str | Path, *, destinations: tuple[Destination, ...] = (), limit_s: float = CHECK_LIMIT_S
) -> LoadReport:
    """`check_project` on a running event loop."""
    settings = AgentSettings(load_limit_s=limit_s, runners_warm=0)
    pool = AgentPool(path, settings, destinations=destinations)
    try:
        return await pool.start()
    finally:
        await pool.close()
