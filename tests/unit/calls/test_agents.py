"""Agents: started, replaced and stopped with the resources, and never under a call that uses them."""

import asyncio

from msgspec.structs import replace

from tieline.agent.messages import Run, TurnResult
from tieline.agent.spec import Finding, Level, LoadReport
from tieline.calls.agents import Agents
from tieline.calls.directory import Directory
from tieline.errors import Unavailable
from tieline.model.handoff import Destination
from tieline.model.project import Project
from tieline.model.resources import Resources
from tieline.testing.virtual_time import elapse, run_virtual, settle

ONE = Project(id="P-1", slug="one", account="ws-1", path="/one")
TWO = Project(id="P-2", slug="two", account="ws-1", path="/two")
HELD = Project(id="P-3", slug="held", account="ws-1", path="/held", answer_only=True)
BARE = Project(id="P-4", slug="bare", account="ws-1")


class Toy:
    """An agent that notes what is done to it."""

    def __init__(self, project: Project, done: list[str], fault: str = "") -> None:
        self.destinations: tuple[Destination, ...] = ()
        self.name = f"{project.slug}:{project.path}"
        self._done = done
        self._fault = fault

    async def start(self) -> LoadReport:
        await elapse(0.1)
        self._done.append(f"start {self.name}")
        if self._fault == "raises":
            raise Unavailable("no process")
        if self._fault:
            return LoadReport(findings=(Finding(level=Level.ERROR, file="a.py", message=self._fault),))
        return LoadReport()

    async def run(self, run: Run) -> TurnResult:
        raise AssertionError

    async def close(self) -> None:
        self._done.append(f"close {self.name}")


def directory(*projects: Project) -> Directory:
    return Directory(Resources(projects=projects))


def made(done: list[str], faults: dict[str, str] | None = None) -> Agents:
    return Agents(lambda project: Toy(project, done, (faults or {}).get(project.path or "", "")))


def test_each_project_with_a_folder_and_calls_to_speak_in_gets_an_agent() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done)
        await agents.sync(directory(ONE, TWO, HELD, BARE))
        assert done == ["start one:/one", "start two:/two"]
        assert agents.find(ONE) is not None
        assert agents.find(HELD) is None
        assert agents.take(BARE) is None
        await agents.sync(directory(ONE, replace(TWO, name="renamed"), HELD, BARE))
        assert len(done) == 2
        await agents.close()
        assert done[2:] == ["close one:/one", "close two:/two"]
        assert agents.find(ONE) is None

    run_virtual(story())


def test_a_changed_project_gets_a_new_agent_and_a_removed_one_loses_its() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done)
        await agents.sync(directory(ONE, TWO))
        moved = replace(ONE, path="/elsewhere")
        await agents.sync(directory(moved))
        assert done[2:] == ["close two:/two", "start one:/elsewhere", "close one:/one"]
        found = agents.find(ONE)
        assert isinstance(found, Toy)
        assert found.name == "one:/elsewhere"

    run_virtual(story())


def test_an_agent_stays_up_for_the_calls_that_took_it() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done)
        await agents.sync(directory(ONE))
        first, second = agents.take(ONE), agents.take(ONE)
        assert first is not None
        assert first is second
        await agents.sync(directory(replace(ONE, path="/new")))
        newer = agents.take(ONE)
        assert newer is not None
        assert newer is not first
        agents.give_back(first)
        await settle()
        assert "close one:/one" not in done
        agents.give_back(first)
        await settle()
        assert done[-1] == "close one:/one"
        agents.give_back(newer)
        await settle()
        assert "close one:/new" not in done
        await agents.close()

    run_virtual(story())


def test_closing_waits_for_nobody() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done)
        await agents.sync(directory(ONE))
        held = agents.take(ONE)
        assert held is not None
        await agents.sync(directory())
        assert agents.find(ONE) is None
        agents.give_back(held)
        await agents.close()
        assert done == ["start one:/one", "close one:/one"]

        await agents.sync(directory(ONE))
        held = agents.take(ONE)
        await agents.sync(directory())
        await agents.close()
        assert done[-1] == "close one:/one"

    run_virtual(story())


def test_a_project_that_cannot_be_loaded_keeps_the_agent_it_has() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done, {"/broken": "a syntax error", "/dead": "raises"})
        await agents.sync(directory(ONE, replace(TWO, path="/dead")))
        assert agents.faults == {"P-2": "no process"}
        await agents.sync(directory(replace(ONE, path="/broken")))
        assert list(agents.faults) == ["P-1"]
        assert "a syntax error" in agents.faults["P-1"]
        assert done[-2:] == ["start one:/broken", "close one:/broken"]
        found = agents.find(ONE)
        assert isinstance(found, Toy)
        assert found.name == "one:/one"
        await agents.sync(directory(ONE))
        assert agents.faults == {}
        await agents.close()

    run_virtual(story())


def test_two_syncs_at_once_start_nothing_twice() -> None:
    async def story() -> None:
        done: list[str] = []
        agents = made(done)
        await asyncio.gather(agents.sync(directory(ONE)), agents.sync(directory(ONE)))
        assert done == ["start one:/one"]
        await agents.close()

    run_virtual(story())


def test_renewing_replaces_every_agent_and_keeps_one_whose_new_code_does_not_load() -> None:
    async def story() -> None:
        done: list[str] = []
        faults: dict[str, str] = {}
        agents = made(done, faults)
        both = directory(ONE, TWO)
        await agents.sync(both)
        old = agents.find(TWO)
        done.clear()
        faults["/two"] = "a slip"
        await agents.sync(both, renew=True)
        assert done == ["start one:/one", "close one:/one", "start two:/two", "close two:/two"]
        assert agents.find(TWO) is old
        assert "a slip" in agents.faults["P-2"]

    run_virtual(story())
