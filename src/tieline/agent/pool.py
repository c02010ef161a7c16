"""A project's agent as the server runs it: a host process, its runners, and the queue in front of them."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path

import msgspec

from tieline.agent.control import Exited
from tieline.agent.destinations import merge_spec
from tieline.agent.folder import load_folder
from tieline.agent.host_process import HostProcess
from tieline.agent.messages import CLOSING, FailureKind, Run, RunKind, TurnResult
from tieline.agent.runner_link import RunnerLink
from tieline.agent.secret_file import SECRETS_FILE, read_secret_file
from tieline.agent.settings import AgentSettings
from tieline.agent.spec import Finding, Level, LoadReport, ProjectSpec
from tieline.agent.turn import ENTRY_NAMES, fail_run
from tieline.model.handoff import Destination
from tieline.model.sms import SmsTemplate

MAX_ATTEMPTS = 5
"""Processes that a run is given to before it fails, when one after another ends without having begun it."""


class Generation:
    """One host with the runners it made. A reload starts another; this one ends with its last run."""

    def __init__(self) -> None:
        self.host: HostProcess | None = None
        self.runners: dict[int, RunnerLink] = {}
        self.idle: list[RunnerLink] = []
        self.retired = False


class AgentPool:
    """Runs one project's functions in processes of their own; an `AgentPort`.

    `destinations` and `sms_templates` are those configured on the server, merged over the folder's; `secrets` are what
    `conv.utils.get_secret` finds, laid over the folder's `secrets.env`. All methods belong to one event loop.
    """

    def __init__(
        self,
        path: str | Path,
        settings: AgentSettings | None = None,
        *,
        destinations: tuple[Destination, ...] = (),
        sms_templates: tuple[SmsTemplate, ...] = (),
        secrets: dict[str, str] | None = None,
    ) -> None:
        self._path = Path(path)
        self._settings = settings or AgentSettings()
        self._configured = destinations
        self._templates = sms_templates
        self._configured_secrets = dict(secrets or {})
        self._secrets: dict[str, str] = {}
        self._spec = ProjectSpec(root=str(path))
        self._report = LoadReport()
        self._generation: Generation | None = None
        self._older: set[Generation] = set()
        self._waiting: deque[asyncio.Future[RunnerLink | None]] = deque()
        self._next_runner = 0
        self._lifeline: tuple[int, int] | None = None
        self._closed = False
        self._restart: asyncio.TimerHandle | None = None
        self._restart_delay_s = self._settings.restart_delay_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts: list[HostProcess] = []

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """The project's handoff destinations."""
        return self._spec.destinations

    @property
    def spec(self) -> ProjectSpec:
        """What the folder describes."""
        return self._spec

    @property
    def report(self) -> LoadReport:
        """What was found when the project was last loaded."""
        return self._report

    @property
    def ready(self) -> bool:
        """Whether runs can be served."""
        return self._generation is not None and not self._closed

    @property
    def runners(self) -> int:
        """Runner processes at this moment."""
        return 0 if self._generation is None else len(self._generation.runners)

    @property
    def waiting(self) -> int:
        """Runs that wait for a runner."""
        return len(self._waiting)

    async def start(self) -> LoadReport:
        """Load the project and make the first runners. `report.ok` says whether it can be served."""
        if self._lifeline is None:
            self._lifeline = os.pipe()
        return await self.reload()

    async def reload(self) -> LoadReport:
        """Load the folder as it is now. Runs under way finish in the old code; if the new one is bad, it stays."""
        folder = await asyncio.to_thread(load_folder, self._path)
        spec = merge_spec(folder.spec, self._configured, self._templates)
        report = folder.report
        if report.ok:
            report = await asyncio.to_thread(self._read_secrets, report)
        if not report.ok or self._closed:
            self._report = report
            return report
        generation, report = await self._load_generation(spec, report)
        self._report = report
        if generation is not None:
            self._spec = spec
            self._restart_delay_s = self._settings.restart_delay_s
            self._adopt(generation)
        return report

    async def run(self, run: Run) -> TurnResult:
        """Run one turn in a runner of its own. Never raises for what the project does."""
        if run.kind in CLOSING and ENTRY_NAMES[run.kind] not in self._spec.functions:
            return TurnResult(run_id=run.run_id, conversation=run.conversation)
        if run.kind is RunKind.START:
            limit_s = min(run.limit_s, self._settings.start_limit_s)
            if limit_s != run.limit_s:
                run = msgspec.structs.replace(run, limit_s=limit_s)
        for _ in range(MAX_ATTEMPTS):
            runner = self._take()
            while runner is None or runner.closed:
                refusal = self._find_refusal()
                if refusal is not None:
                    return fail_run(run, *refusal)
                runner = await self._wait()
                if runner is None:
                    kind = FailureKind.NOT_LOADED if self._closed else FailureKind.OVERLOADED
                    return fail_run(run, kind, "No agent process became free in time.")
            result = await runner.start(run)
            if result is not None:
                return result
        return fail_run(
            run, FailureKind.EXITED, f"{MAX_ATTEMPTS} agent processes ended before they began the run."
        )

    async def close(self) -> None:
        """End every process. Runs under way and waiting fail."""
        self._closed = True
        if self._restart is not None:
            self._restart.cancel()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
        for generation in (self._generation, *self._older):
            if generation is not None:
                self._end(generation)
        self._generation = None
        self._older.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(host.wait_ended() for host in self._hosts))
        if self._lifeline is not None:
            for end in self._lifeline:
                os.close(end)
            self._lifeline = None

    def _read_secrets(self, report: LoadReport) -> LoadReport:
        """Lay the configured secrets over those of the folder's own file."""
        try:
            self._secrets = {**read_secret_file(self._path), **self._configured_secrets}
        except (OSError, ValueError) as error:
            message = f"it cannot be read: {type(error).__name__}."
            return report.plus([Finding(file=SECRETS_FILE, level=Level.ERROR, message=message)])
        return report

    async def _load_generation(
        self, spec: ProjectSpec, report: LoadReport
    ) -> tuple[Generation | None, LoadReport]:
        if self._lifeline is None:
            self._lifeline = os.pipe()
        generation = Generation()
        host = HostProcess(
            self._lifeline[0],
            self._settings,
            on_forked=lambda runner_id, pidfd: self._attach(generation, runner_id, pidfd),
            on_exited=lambda news: self._report_exit(generation, news),
            on_lost=lambda: self._lose_host(generation),
        )
        self._hosts = [*(known for known in self._hosts if not known.ended), host]
        try:
            report = report.plus(await host.load(spec, self._secrets))
        except BaseException:
            host.close()
            raise
        if not report.ok or self._closed:
            host.close()
            return None, report
        generation.host = host
        return generation, report

    def _adopt(self, generation: Generation) -> None:
        old, self._generation = self._generation, generation
        if old is not None:
            self._retire(old)
        for _ in range(min(self._settings.runners_warm, self._settings.runners_max)):
            self._fork(generation)
        for _ in range(len(self._waiting) - len(generation.runners)):
            if len(generation.runners) < self._settings.runners_max:
                self._fork(generation)

    def _take(self) -> RunnerLink | None:
        generation = self._generation
        if generation is None:
            return None
        while generation.idle:
            runner = generation.idle.pop()
            if not runner.closed:
                return runner
        if len(generation.runners) < self._settings.runners_max:
            return self._make(generation)
        return None

    def _find_refusal(self) -> tuple[FailureKind, str] | None:
        if self._closed:
            return FailureKind.NOT_LOADED, "The agent is shut down."
        if self._generation is None and self._restart is None:
            return FailureKind.NOT_LOADED, "The project is not loaded."
        if len(self._waiting) >= self._settings.queue_max:
            return FailureKind.OVERLOADED, f"{len(self._waiting)} runs are waiting already."
        return None

    async def _wait(self) -> RunnerLink | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[RunnerLink | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(self._settings.queue_wait_s, _set_none, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                runner = waiter.result()
                if runner is not None:
                    runner.release()
            raise
        finally:
            timer.cancel()
            if not waiter.done():
                waiter.cancel()

    def _fork(self, generation: Generation) -> None:
        runner = self._make(generation)
        if runner is not None:
            self._offer(generation, runner)

    def _make(self, generation: Generation) -> RunnerLink | None:
        host = generation.host
        if host is None:
            return None
        self._next_runner += 1
        runner = RunnerLink(
            self._next_runner,
            self._settings.grace_s,
            on_idle=lambda link: self._offer(generation, link),
            on_closed=lambda link: self._forget(generation, link),
        )
        generation.runners[runner.runner_id] = runner
        if not host.fork(runner.runner_id, runner.far_end):
            del generation.runners[runner.runner_id]
            runner.close()
            return None
        runner.far_end.close()
        return runner

    def _offer(self, generation: Generation, runner: RunnerLink) -> None:
        """Give a free runner to whoever waits, keep it, or let it go with its generation."""
        if generation.retired or generation.host is None:
            runner.close()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(runner)
                return
        generation.idle.append(runner)

    def _forget(self, generation: Generation, runner: RunnerLink) -> None:
        if generation.runners.pop(runner.runner_id, None) is None:
            return
        if generation.retired:
            if not generation.runners:
                self._end(generation)
            return
        if runner in generation.idle:
            generation.idle.remove(runner)
        short = len(generation.runners) < self._settings.runners_warm or bool(self._waiting)
        if short and not self._closed and generation is self._generation:
            self._fork(generation)

    def _attach(self, generation: Generation, runner_id: int, pidfd: int) -> None:
        runner = generation.runners.get(runner_id)
        if runner is None:
            os.close(pidfd)
        else:
            runner.attach(pidfd)

    def _report_exit(self, generation: Generation, news: Exited) -> None:
        runner = generation.runners.get(news.runner_id)
        if runner is not None:
            runner.report_exit(news.code, news.signal)

    def _retire(self, generation: Generation) -> None:
        """Let the runs under way finish, then end the host."""
        generation.retired = True
        self._older.add(generation)
        for runner in list(generation.runners.values()):
            if not runner.busy:
                runner.close()
        if not generation.runners:
            self._end(generation)

    def _end(self, generation: Generation) -> None:
        generation.retired = True
        self._older.discard(generation)
        for runner in list(generation.runners.values()):
            runner.close()
        host, generation.host = generation.host, None
        if host is not None:
            host.close()

    def _lose_host(self, generation: Generation) -> None:
        """The host died. Its runners finish what they do and are let go; another host is started after a pause."""
        generation.host = None
        if generation.retired:
            return
        self._retire(generation)
        if generation is self._generation:
            self._generation = None
            self._schedule_restart()

    def _schedule_restart(self) -> None:
        if self._closed:
            return
        delay = self._restart_delay_s
        self._restart_delay_s = min(delay * 2, self._settings.restart_delay_max_s)
        self._restart = asyncio.get_running_loop().call_later(delay, self._begin_restart)

    def _begin_restart(self) -> None:
        task = asyncio.get_running_loop().create_task(self._restart_host())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _restart_host(self) -> None:
        generation, report = await self._load_generation(self._spec, LoadReport())
        if generation is None:
            self._report = report
            self._schedule_restart()
            return
        self._restart = None
        self._adopt(generation)


def _set_none(waiter: asyncio.Future[RunnerLink | None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
