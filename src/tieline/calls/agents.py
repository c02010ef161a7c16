"""The running agents: one for each project that has a folder, kept in step with the resources."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from tieline.agent.spec import LoadReport
from tieline.calls.directory import Directory
from tieline.calls.ports import AgentPort
from tieline.errors import TielineError
from tieline.model.project import Project
from tieline.observe.logging import get_logger


class RunningAgent(AgentPort, Protocol):
    """An agent with a life cycle."""

    async def start(self) -> LoadReport:
        """Load the project; `ok` of the report says whether it can be served."""
        ...

    async def close(self) -> None:
        """End its processes."""
        ...


class Agents:
    """Starts, replaces and stops agents as projects come, change and go.

    An agent that is replaced or removed is closed once the calls that took it are over, so that a new version of a
    project never ends a call of the old one.
    """

    def __init__(self, make: Callable[[Project], RunningAgent]) -> None:
        self._make = make
        self._running: dict[str, tuple[Project, RunningAgent]] = {}
        self._retired: set[RunningAgent] = set()
        self._calls: Counter[AgentPort] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        self._faults: dict[str, str] = {}
        self._syncing = asyncio.Lock()
        self._log = get_logger("agent")

    def find(self, project: Project) -> AgentPort | None:
        """The agent of a project; None when it has none or could not be loaded."""
        found = self._running.get(project.id)
        return found[1] if found else None

    def take(self, project: Project) -> AgentPort | None:
        """As `find`, for a call: the agent stays up until it is given back."""
        agent = self.find(project)
        if agent is not None:
            self._calls[agent] += 1
        return agent

    def give_back(self, agent: AgentPort) -> None:
        """The call is over that took the agent."""
        self._calls[agent] -= 1
        if self._calls[agent] > 0:
            return
        del self._calls[agent]
        for retired in [each for each in self._retired if each is agent]:
            self._retired.discard(retired)
            task = asyncio.create_task(retired.close(), name="close agent")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @property
    def faults(self) -> dict[str, str]:
        """Projects whose agent could not be started, with the reason."""
        return dict(self._faults)

    async def sync(self, directory: Directory, *, renew: bool = False) -> None:
        """Make the running agents those of the directory. A project that cannot be loaded keeps the agent it has.

        `renew` starts every agent anew, for code that has changed on disk.
        """
        async with self._syncing:
            wanted = {p.id: p for p in directory.projects() if p.path is not None and not p.answer_only}
            for project_id in [key for key in self._running if key not in wanted]:
                await self._retire(project_id)
            self._faults = {key: fault for key, fault in self._faults.items() if key in wanted}
            for project in wanted.values():
                running = self._running.get(project.id)
                if running is not None and not renew and not _needs_restart(running[0], project):
                    self._running[project.id] = (project, running[1])
                    self._faults.pop(project.id, None)
                    continue
                await self._start(project)

    async def _start(self, project: Project) -> None:
        agent = self._make(project)
        fault = await _start(agent)
        if fault is not None:
            self._faults[project.id] = fault
            self._log.error("agent not started", project=project.slug, error=fault)
            await agent.close()
            return
        self._faults.pop(project.id, None)
        await self._retire(project.id)
        self._running[project.id] = (project, agent)
        self._log.info("= agent ready", project=project.slug)

    async def _retire(self, project_id: str) -> None:
        """Take an agent out of service: closed now, or when its last call is over."""
        found = self._running.pop(project_id, None)
        if found is None:
            return
        if self._calls[found[1]] > 0:
            self._retired.add(found[1])
        else:
            del self._calls[found[1]]
            await found[1].close()

    async def close(self) -> None:
        """Stop them all, whatever calls are up."""
        stopping = [agent for _, agent in self._running.values()] + list(self._retired)
        self._running.clear()
        self._retired.clear()
        for agent in stopping:
            await agent.close()
        if self._closing:
            await asyncio.wait(set(self._closing))


async def _start(agent: RunningAgent) -> str | None:
    """Start an agent; what is wrong with it, or None."""
    try:
        report = await agent.start()
    except TielineError as error:
        return error.message
    return None if report.ok else "; ".join(str(finding) for finding in report.errors)


def _needs_restart(old: Project, new: Project) -> bool:
    """Whether the processes depend on what has changed."""
    before, after = ((one.path, one.env, one.secrets, one.handoffs, one.sms_templates) for one in (old, new))
    return before != after
