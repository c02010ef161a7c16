"""What the server and an agent host say to each other; runs themselves go past the host, see `messages`."""

from __future__ import annotations

from tieline.agent.messages import Message, Progress, Run, TurnResult
from tieline.agent.spec import Finding, ProjectSpec


class Load(Message):
    """To the host, once, first: import this project. `memory_bytes` is what a runner may add to what is loaded."""

    spec: ProjectSpec
    secrets: dict[str, str] = {}
    memory_bytes: int = 512 * 1024 * 1024
    runs_per_runner: int = 0


class Fork(Message):
    """To the host: make a runner that serves the socket sent along."""

    runner_id: int


class Importing(Message):
    """From the host: this file's turn has come, so it is to blame if nothing more is heard."""

    file: str


class Loaded(Message):
    """From the host: the project is imported; findings of level error mean that it cannot be served."""

    findings: tuple[Finding, ...] = ()


class Forked(Message):
    """From the host: the runner exists. Its pidfd is sent along."""

    runner_id: int
    pid: int


class Exited(Message):
    """From the host: the runner is gone, by exit status `code` or by signal `signal`."""

    runner_id: int
    code: int | None = None
    signal: int | None = None


class Retiring(Message):
    """From a runner, just before a result: it ends after that result and must be given no other run."""

    reason: str


ToHost = Load | Fork
FromHost = Importing | Loaded | Forked | Exited
ToRunner = Run
FromRunner = TurnResult | Progress | Retiring
