"""The agent in this process: the same turns without a process of their own, and without their protection."""

from __future__ import annotations

from pathlib import Path

from tieline.agent.code import ProjectCode
from tieline.agent.destinations import merge_spec
from tieline.agent.folder import load_folder
from tieline.agent.host import report_failures
from tieline.agent.messages import FailureKind, Run, TurnResult
from tieline.agent.spec import LoadReport, ProjectSpec
from tieline.agent.turn import NoLimit, fail_run, restore_context, run_turn
from tieline.model.handoff import Destination
from tieline.model.sms import SmsTemplate


class InMemoryAgent:
    """An `AgentPort` for tests: functions run in the caller's process, without time or memory limits."""

    def __init__(
        self,
        path: str | Path,
        *,
        destinations: tuple[Destination, ...] = (),
        sms_templates: tuple[SmsTemplate, ...] = (),
        secrets: dict[str, str] | None = None,
    ) -> None:
        self._path = Path(path)
        self._configured = destinations
        self._templates = sms_templates
        self._secrets = secrets or {}
        self._code = ProjectCode(ProjectSpec(root=str(path)))
        self._report = LoadReport()
        self._started = False

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """The project's handoff destinations."""
        return self._code.spec.destinations

    @property
    def report(self) -> LoadReport:
        """What was found when the project was loaded."""
        return self._report

    async def start(self) -> LoadReport:
        """Load the project, by importing its files into this process."""
        return self.load()

    def load(self) -> LoadReport:
        """Load the project, for callers without an event loop."""
        folder = load_folder(self._path)
        spec = merge_spec(folder.spec, self._configured, self._templates)
        self._report = folder.report
        if self._report.ok:
            self._code = ProjectCode(spec, self._secrets)
            self._code.load()
            self._report = self._report.plus(report_failures(self._code))
        self._started = self._report.ok
        return self._report

    async def run(self, run: Run) -> TurnResult:
        """Run one turn, here and now."""
        return self.run_now(run)

    def run_now(self, run: Run) -> TurnResult:
        """Run one turn, for callers without an event loop."""
        if not self._started:
            return fail_run(run, FailureKind.NOT_LOADED, "The project is not loaded.")
        with self._code.importing():
            result = run_turn(run, self._code, NoLimit())
        return restore_context(result, run)

    async def close(self) -> None:
        """Nothing is left behind."""
        self._started = False
